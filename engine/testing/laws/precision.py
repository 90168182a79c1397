"""The law of narrow dtypes: an op in float16 or float32 loses only what rounding its results loses.

The same op in float64, on the same (rounded) inputs, is the truth. A result that is the sum of terms may be wrong by
the rounding of its terms, which may be much larger than the result. The first-order terms are known from the
Jacobian J: |J| |x| for a value, |J|^T |g| for a gradient, |J| |t| for a tangent. So the tolerance is

    ERROR * epsilon * (|result| + first-order terms) + the smallest subnormal number

What overflows is compared after rounding. The inputs are scaled by a random power of two, so that an intermediate
result which leaves the range of the dtype is found.

Read next: `engine/testing/laws/storage.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.arrays import Array
from engine.testing.claims import Case, pull_back, push_forward
from engine.testing.report import GradientError

ERROR = 4.0  # roundings, of the dtype, that a result may have been through
SPAN: dict[Any, int] = {np.float16: 6, np.float32: 30}  # powers of two by which inputs are scaled


def narrow_dtypes(case: Case) -> None:
    """Laws: float16, float32. Value, gradients and tangent agree with those in float64 to a few roundings."""
    for dtype, span in SPAN.items():
        _narrow(case, np.dtype(dtype), 2.0 ** case.rng.choice([0, case.rng.integers(-span, span + 1)]))


def _narrow(case: Case, dtype: np.dtype[Any], factor: float) -> None:
    law = str(dtype)
    metadata = {k: v if not isinstance(v, np.dtype) else dtype for k, v in case.metadata.items()}  # of astype
    arrays = [(a * factor).astype(dtype) if k in case.moving else a for k, a in enumerate(case.arrays)]
    wide = [a.astype(np.float64) if k in case.moving else a for k, a in enumerate(arrays)]
    g = case.g.astype(dtype)
    tangents = {k: case.tangents[k].astype(dtype) for k in case.moving}

    def narrow_op(*args: Any) -> Any:
        return case.primitive(*args, **metadata)

    with np.errstate(all="ignore"):
        found = {"the result": np.asarray(narrow_op(*arrays))}
        truth = {"the result": case.value(*wide)}
        jacobians = _absolute_jacobians(case, wide, truth["the result"].shape)
        terms = {"the result": _along(jacobians, wide)}
        for k, gradient in pull_back(narrow_op, arrays, case.moving, g).items():
            found[case.names[k]] = np.asarray(gradient)
        for k, gradient in pull_back(case.function, wide, case.moving, g.astype(np.float64)).items():
            truth[case.names[k]] = np.asarray(gradient)
            terms[case.names[k]] = np.tensordot(np.abs(g).astype(np.float64), jacobians[k], np.ndim(g))
        if case.primitive.jvp is not None and case.moving:
            found["the tangent"] = np.asarray(push_forward(narrow_op, arrays, tangents))
            exact = {k: t.astype(np.float64) for k, t in tangents.items()}
            truth["the tangent"] = np.asarray(push_forward(case.function, wide, exact))
            terms["the tangent"] = _along(jacobians, exact)
        for name, narrow in found.items():
            if narrow.dtype != dtype:
                raise GradientError(f"{case.primitive.name}: {dtype} in, but {narrow.dtype} for {name}", law)
            if name == "the result":
                narrow, truth[name] = _without_overflow(case, law, narrow, truth[name])
            limits = np.finfo(dtype)
            size = np.abs(truth[name]) + terms[name]
            tolerance = ERROR * float(limits.eps) * size + float(limits.smallest_subnormal)
            decided = np.abs(truth[name]) < float(limits.max) / 2
            case.judge.equal(law, name, narrow, truth[name], np.where(decided, tolerance, np.inf))


def _absolute_jacobians(case: Case, wide: list[Any], shape: tuple[int, ...]) -> dict[int, Array]:
    """|dy/dx| of each moving argument x, with the axes of y, then those of x: a sweep for each element of y."""
    found = {k: np.empty((*shape, *wide[k].shape)) for k in case.moving}
    for at in np.ndindex(shape):
        unit = np.zeros(shape)
        unit[at] = 1.0
        for k, row in pull_back(case.function, wide, case.moving, unit).items():
            found[k][at] = np.abs(row)
    return found


def _along(jacobians: dict[int, Array], values: Any) -> Any:
    """The sum of |J| |v| over the arguments."""
    return sum(np.tensordot(j, np.abs(values[k]), values[k].ndim) for k, j in jacobians.items()) if jacobians else 0.0


def _without_overflow(case: Case, law: str, narrow: Array, truth: Array) -> tuple[Array, Array]:
    """Compare where the truth overflows the dtype; the rest, with zeros in these places."""
    beyond = np.isinf(truth.astype(narrow.dtype))
    case.judge.equal(law, "what overflows", narrow[beyond], truth[beyond].astype(narrow.dtype), 0.0)
    return np.where(beyond, 0, narrow), np.where(beyond, 0, truth)

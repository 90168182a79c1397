"""The laws of narrow dtypes: an op in float16 or float32 loses only what rounding loses.

The same op in float64, on the same (rounded) inputs, is the truth. A result that is the sum of terms may be wrong by
the rounding of its terms, which may be much larger than the result. The first-order terms are known from the
Jacobian J: |J| |x| for a value, |J|^T |g| for a gradient, |J| |t| for a tangent. And a result may move as much as it
does in float64 when the inputs move by their own rounding. So the tolerance is

    ROUNDINGS * epsilon * (|result| + first-order terms) + the largest such move + FLOOR

What overflows is compared after rounding. The inputs are scaled by a random power of two, so that an intermediate
result which leaves the range of the dtype is found; not those of fused ops, whose terms cancel where sizes differ.

Read next: `engine/testing/laws/scaling.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.arrays import Array
from engine.testing.claims import Case, Results, pull_back
from engine.testing.report import GradientError

ROUNDINGS = 4.0  # that a result may have been through
SHAKES = 3  # times the inputs are moved by their rounding
SPAN: dict[Any, int] = {np.float16: 6, np.float32: 30}  # powers of two by which inputs are scaled

# Smaller errors do not count: float16 is computed in float32, but products below the range of float32 lose digits.
FLOOR: dict[str, float] = {"float16": 2.0**-23, "float32": 2.0**-126}


def narrow_dtypes(case: Case) -> None:
    """Laws: float16, float32. Value, gradients and tangent agree with those in float64 to a few roundings."""
    for dtype, span in SPAN.items():
        power = int(case.rng.integers(-span, span + 1) * case.rng.integers(0, 2))
        factor = 2.0**power if case.primitive.reference is None else 1.0
        with np.errstate(all="ignore"):
            _narrow(case, np.dtype(dtype), factor)


def _narrow(case: Case, dtype: np.dtype[Any], factor: float) -> None:
    law, limits = str(dtype), np.finfo(dtype)
    arrays = [(a * factor).astype(dtype) if k in case.moving else a for k, a in enumerate(case.arrays)]
    g, tangents = case.g.astype(dtype), [None if t is None else t.astype(dtype) for t in case.tangents]
    found, truth = case.results(arrays, g, tangents), case.results(*map(_wide, (arrays, g, tangents)))
    moves = {name: np.zeros(np.shape(value)) for name, value in truth.items()}
    for _ in range(SHAKES):
        signs = [1 + limits.eps * case.rng.choice([-1.0, 1.0], np.shape(a)) for a in arrays]
        shaken = [a * sign if k in case.moving else a for k, (a, sign) in enumerate(zip(_wide(arrays), signs))]
        for name, value in case.results(shaken, _wide(g), _wide(tangents)).items():
            moves[name] = np.fmax(moves[name], np.abs(value - truth[name]))
    terms = _terms(case, _wide(arrays), _wide(g), _wide(tangents))
    for name, narrow in found.items():
        if narrow.dtype != dtype:
            raise GradientError(f"{case.primitive.name}: {dtype} in, but {narrow.dtype} for {name}", law)
        exact = truth[name]
        beyond = np.isinf(exact.astype(dtype)) if name == "the result" else np.abs(exact) > limits.max / 2
        if name == "the result":
            case.judge.equal(law, "what overflows", narrow[beyond], exact[beyond].astype(dtype), 0.0)
        tolerance = ROUNDINGS * float(limits.eps) * (np.abs(exact) + terms[name]) + 2 * moves[name]
        undecided = beyond | ~np.isfinite(exact)
        allowed = np.where(undecided, np.inf, tolerance + FLOOR[dtype.name])
        case.judge.equal(law, name, np.where(undecided, 0, narrow), np.where(undecided, 0, exact), allowed)


def _wide(value: Any) -> Any:
    """Floating arrays in float64, in lists too; anything else as it is."""
    if isinstance(value, list):
        return [_wide(one) for one in value]
    return value.astype(np.float64) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def _terms(case: Case, arrays: list[Any], g: Array, tangents: list[Any]) -> Results:
    """The sums of the sizes of the first-order terms, by name; a sweep for each element of the result."""
    shape = case.out.shape
    jacobians = {k: np.empty((*shape, *arrays[k].shape)) for k in case.moving}
    for at in np.ndindex(shape):
        unit = np.zeros(shape)
        unit[at] = 1.0
        for k, row in pull_back(case.function, arrays, case.moving, unit).items():
            jacobians[k][at] = np.abs(row)

    def along(values: list[Any]) -> Any:
        return sum(np.tensordot(j, np.abs(values[k]), values[k].ndim) for k, j in jacobians.items())

    found = {case.names[k]: np.tensordot(np.abs(g), j, g.ndim) for k, j in jacobians.items()}
    found |= {"the result": along(arrays), "the tangent": along(tangents)}
    if case.primitive.reference is not None:  # the terms of a fused op may be of any size in between
        moving = [values[k] for values in (arrays, tangents) for k in case.moving]
        largest = [float(np.abs(one).max(initial=0)) for one in (g, *moving)]
        found = {name: terms + np.prod([1 + size for size in largest]) for name, terms in found.items()}
    return found

"""The law of the zero cotangent: what was not used sends zero, whatever it is.

The result of the op is put through `where`, which leaves out some of its elements, and these are made nan or infinite
by their arguments. The gradients must be those of a call with ordinary arguments; also in a recorded sweep, and its
derivative. For an op along an axis, whole slices are left out. Other ops, such as products of matrices, are exempt.

Read next: `engine/testing/laws/storage.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.arrays import Array
from engine.operands import as_operand
from engine.ops.axes import reduced_shape
from engine.ops.elementwise.choices import where
from engine.sweeps import reverse_sweep
from engine.tensor import wrap
from engine.testing.claims import Case, inputs_of, value_for

_PLANTED = (np.nan, np.inf, -np.inf)


def unused_sends_zero(case: Case) -> None:
    """Law: zero cotangent. Gradients and second derivatives do not depend on what was not used."""
    places = _places(case)
    if places is None or not case.moving:
        return
    in_arguments, in_result = places
    planted = list(case.arrays)
    for k in case.moving:
        if np.shape(planted[k]) == in_arguments.shape:
            planted[k] = np.where(in_arguments, case.rng.choice(_PLANTED, in_arguments.shape), planted[k])
    try:
        with np.errstate(all="ignore"):
            case.value(*planted)
    except ValueError:
        return  # the op refuses these values, as clip does an upper bound of -inf
    clean, spoilt = (_gradients(case, arrays, in_result) for arrays in (case.arrays, planted))
    for kind in clean:
        for k in case.moving:
            case.same("zero cotangent", f"{kind}{case.names[k]}", spoilt[kind][k], clean[kind][k])


def _places(case: Case) -> tuple[Array, Array] | None:
    """Which elements of the arguments and of the result are left out; None for an op that is exempt."""
    op = case.primitive
    if op.pointwise:
        out = np.asarray(case.rng.random(case.out.shape) < 0.5)
        return out, out
    if op.along is None:
        return None
    axis = case.metadata[op.along] if isinstance(op.along, str) else op.along
    shape = np.shape(case.arrays[0])
    slices = np.asarray(case.rng.random(reduced_shape(shape, axis)) < 0.5)
    of_result = np.broadcast_to(slices, shape) if case.out.shape == shape else slices.reshape(case.out.shape)
    return np.broadcast_to(slices, shape), of_result


def _gradients(case: Case, arrays: list[Any], left_out: Array) -> dict[str, dict[int, Any]]:
    """The gradients of <g, result without some elements>, by an ordinary and a recorded sweep, and their derivative."""
    inputs = inputs_of(arrays, case.moving)
    with np.errstate(all="ignore"):
        out = where(left_out, 0.0, case.function(*inputs))
        if out.node is None:
            return {}
        plain = reverse_sweep(out.node, case.g, retain_graph=True)
        recorded = reverse_sweep(out.node, wrap(case.g, None), create_graph=True)
        total = wrap(np.zeros(()), None)
        for k in case.moving:
            total = total + (recorded[inputs[k].node] * wrap(case.tangents[k], None)).sum()
        second = reverse_sweep(total.node, np.ones(())) if total.node else {}
    found = {"": plain, "recorded gradient of ": recorded, "second derivative in ": second}
    return {
        kind: {k: np.asarray(as_operand(value_for(swept, inputs[k]))) for k in case.moving}
        for kind, swept in found.items()
    }

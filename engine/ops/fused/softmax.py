"""softmax and its logarithm along one axis, shifted by the maximum so that nothing overflows.

With p the softmax, the Jacobian of softmax is diag(p) - p p^T, that of its logarithm I - 1 p^T; the rules multiply by
these without forming them.

Read next: `engine/ops/fused/cross_entropy.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from engine.arrays import Array
from engine.declare import primitive
from engine.examples import REAL, along_axis
from engine.operands import as_operand
from engine.ops.elementwise.activations import as_floating
from engine.ops.elementwise.arithmetic import divide, subtract
from engine.ops.elementwise.powers import exp, log
from engine.ops.reductions import sum

__all__ = ["log_softmax", "softmax"]


def _shifted(x: Any, axis: int) -> Any:
    """x minus its maximum, a constant that changes neither result. A row of -inf is not shifted."""
    axis = normalize_axis_index(axis, x.ndim)  # np.max accepts -1 for an array without axes
    largest = np.max(as_operand(x), axis=axis, keepdims=True, initial=-np.inf)
    return x - np.where(np.isfinite(largest), largest, 0).astype(largest.dtype)


def _softmax_reference(x: Any, *, axis: int) -> Any:
    e = exp(_shifted(x, axis))
    return divide(e, sum(e, axis=axis, keepdims=True))


def _softmax_rule(g: Array, out: Array, *, axis: int) -> Array:
    """p * (g - <g, p>). The Jacobian is symmetric, so the rule is right for cotangents and tangents."""
    result = g * out
    result -= out * result.sum(axis=axis, keepdims=True)
    return result


@primitive(vjp=(_softmax_rule,), jvp=(_softmax_rule,), examples=along_axis(REAL), reference=_softmax_reference)
def softmax(x: Any, *, axis: int = -1) -> Any:
    """p = exp(x) / sum(exp(x)) along an axis; d = p (dx - <p, dx>). A row of -inf gives nan."""
    e = _shifted(as_floating(x), axis)
    np.exp(e, out=e)
    e /= e.sum(axis=axis, keepdims=True)
    return e


def _log_softmax_reference(x: Any, *, axis: int) -> Any:
    shifted = _shifted(x, axis)
    return subtract(shifted, log(sum(exp(shifted), axis=axis, keepdims=True)))


@primitive(
    vjp=(lambda g, out, *, axis: g - np.exp(out) * g.sum(axis=axis, keepdims=True),),
    jvp=(lambda t, out, *, axis: t - (np.exp(out) * t).sum(axis=axis, keepdims=True),),
    examples=along_axis(REAL),
    reference=_log_softmax_reference,
)
def log_softmax(x: Any, *, axis: int = -1) -> Any:
    """log(softmax(x)) along an axis, without overflow or the log of zero; d = dx - <softmax(x), dx>."""
    shifted = _shifted(as_floating(x), axis)
    with np.errstate(divide="ignore"):  # log 0 along an empty axis; the result has no elements
        shifted -= np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return shifted

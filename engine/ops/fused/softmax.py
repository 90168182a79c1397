"""softmax and its logarithm along one axis, shifted by the maximum so that nothing overflows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from engine.arrays import Array
from engine.declare import primitive
from engine.examples import REAL, along_axis
from engine.operands import as_operand
from engine.ops.elementwise.activations import floating
from engine.ops.elementwise.arithmetic import divide, subtract
from engine.ops.elementwise.powers import exp, log
from engine.ops.reductions import sum

__all__ = ["log_softmax", "softmax"]


def _shifted(x: Any, axis: int) -> Any:
    """x minus its maximum; a constant shift, which neither function notices. A row of -inf stays as it is."""
    axis = normalize_axis_index(axis, x.ndim)  # np.max would let -1 pass where there is no axis
    largest = np.max(as_operand(x), axis=axis, keepdims=True, initial=-np.inf)
    return x - np.where(np.isfinite(largest), largest, 0).astype(largest.dtype)


def _softmax_reference(x: Any, *, axis: int) -> Any:
    e = exp(_shifted(x, axis))
    return divide(e, sum(e, axis=axis, keepdims=True))


def _softmax_rule(g: Array, out: Array, *, axis: int) -> Array:
    """p * (g - <g, p>): the Jacobian diag(p) - p p^T, never formed. It is symmetric, so it serves both directions."""
    result = g * out
    result -= out * result.sum(axis=axis, keepdims=True)
    return result


@primitive(
    vjp=(_softmax_rule,), jvp=(_softmax_rule,), examples=along_axis(REAL), reference=_softmax_reference, along="axis"
)
def softmax(x: Any, *, axis: int = -1) -> Any:
    """exp(x) / sum(exp(x)) along an axis: positive numbers that add up to 1."""
    e = _shifted(floating(x), axis)
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
    along="axis",
)
def log_softmax(x: Any, *, axis: int = -1) -> Any:
    """log(softmax(x)) along an axis, without the overflow or the log of zero."""
    shifted = _shifted(floating(x), axis)
    with np.errstate(divide="ignore"):  # along an empty axis log 0 is subtracted from nothing
        shifted -= np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return shifted

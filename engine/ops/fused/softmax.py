"""softmax and its logarithm along one axis, shifted by the maximum so that nothing overflows.

With p the softmax, the Jacobian of softmax is diag(p) - p p^T, that of its logarithm I - 1 p^T; the rules multiply by
these without forming them.

Read next: `engine/ops/fused/cross_entropy.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.arrays import Array
from engine.declare import primitive
from engine.examples import REAL, along_axis
from engine.operands import as_operand
from engine.ops.axes import axis_of
from engine.ops.elementwise.activations import as_floating
from engine.ops.elementwise.arithmetic import add, divide, subtract
from engine.ops.elementwise.choices import where
from engine.ops.elementwise.powers import exp, log1p
from engine.ops.indexing import take_along_axis
from engine.ops.reductions import sum

__all__ = ["log_softmax", "softmax"]


def _shifted(x: Array, axis: int) -> Array:
    """x minus its maximum, which changes neither result. A row of -inf is not shifted."""
    axis = axis_of(axis, x.ndim)
    largest = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    return np.asarray(x - np.where(np.isfinite(largest), largest, 0).astype(largest.dtype))


def _below_top(x: Any, axis: int) -> tuple[Any, Any]:
    """x minus its maximum, and the sum of the other exponentials; the maximum's own is 1, and 0 in a row of -inf.

    The derivative passes through the maximum too, so that 1 - p is the sum of the other p, which does not cancel.
    """
    axis, values = axis_of(axis, x.ndim), as_operand(x)
    if not x.size or not x.ndim:
        return x - values, sum(exp(x - values), axis=axis, keepdims=True) - 1.0
    top = values.argmax(axis=axis, keepdims=True)
    largest = take_along_axis(x, top, axis=axis)
    finite = np.isfinite(as_operand(largest))
    is_top = np.zeros(x.shape, bool)
    np.put_along_axis(is_top, top, finite, axis)
    below = where(is_top, 0.0, subtract(x, where(finite, largest, 0.0)))
    return below, sum(where(is_top, 0.0, exp(below)), axis=axis, keepdims=True) + (finite - 1.0).astype(x.dtype)


def _softmax_reference(x: Any, *, axis: int) -> Any:
    below, others = _below_top(x, axis)
    return divide(exp(below), add(others, 1.0))


def _from_top(g: Array, out: Array, axis: int) -> Array:
    """g minus its value where `out` is largest, which changes neither rule, but keeps 1 - p from cancelling near 1."""
    return g - np.take_along_axis(g, out.argmax(axis=axis, keepdims=True), axis) if out.ndim and out.shape[axis] else g


def _softmax_rule(g: Array, out: Array, *, axis: int) -> Array:
    """p * (g - sum(g * p)), p = out

    The Jacobian is symmetric, so the rule is right for cotangents and tangents.
    """
    g = _from_top(g, out, axis)
    result = g * out
    result -= out * result.sum(axis=axis, keepdims=True)
    return result


@primitive(
    vjp=(_softmax_rule,), jvp=(_softmax_rule,), examples=along_axis(REAL), reference=_softmax_reference, along="axis"
)
def softmax(x: Any, *, axis: int = -1) -> Any:
    """p = exp(x) / sum(exp(x)) along an axis; d = p (dx - <p, dx>). A row of -inf gives nan."""
    e = _shifted(as_floating(x), axis)
    np.exp(e, out=e)
    e /= e.sum(axis=axis, keepdims=True)
    return e


def _log_softmax_reference(x: Any, *, axis: int) -> Any:
    below, others = _below_top(x, axis)
    return subtract(below, log1p(others))


def _log_softmax_backward(g: Array, out: Array, *, axis: int) -> Array:
    """g - p * sum(g), p = exp(out)

    Where p is largest, this is g (1 - p) - p sum(the other g), with 1 - p the sum of the other p.
    """
    if not out.ndim or not out.shape[axis]:
        return g - g
    top, p, others = out.argmax(axis=axis, keepdims=True), np.exp(out), g.copy()
    g_top, p_top = (np.take_along_axis(values, top, axis) for values in (g, p))
    for values in (p, others):
        np.put_along_axis(values, top, 0, axis)
    g_others = others.sum(axis=axis, keepdims=True)
    result = g - p * (g_others + g_top)
    at_top = g_top * p.sum(axis=axis, keepdims=True) - p_top * g_others
    np.put_along_axis(result, top, at_top, axis)
    return result


def _log_softmax_forward(t: Array, out: Array, *, axis: int) -> Array:
    """t - <p, t>."""
    t = _from_top(t, out, axis)
    return t - (np.exp(out) * t).sum(axis=axis, keepdims=True)


@primitive(
    vjp=(_log_softmax_backward,),
    jvp=(_log_softmax_forward,),
    examples=along_axis(REAL),
    reference=_log_softmax_reference,
    along="axis",
)
def log_softmax(x: Any, *, axis: int = -1) -> Any:
    """log(softmax(x)) along an axis, without overflow or the log of zero; d = dx - <softmax(x), dx>."""
    shifted = _shifted(as_floating(x), axis)
    if not shifted.size:
        return shifted
    if not shifted.ndim:
        return shifted - shifted
    top = shifted.argmax(axis=axis, keepdims=True)
    e = np.exp(shifted)
    largest = np.take_along_axis(e, top, axis)  # 1, but for a row of -inf
    np.put_along_axis(e, top, 0, axis)
    rest = e.sum(axis=axis, keepdims=True)
    with np.errstate(divide="ignore"):  # the log of 0, for a row of -inf
        shifted -= np.where(largest == 1, np.log1p(rest), np.log(largest + rest))  # log 1.0000001 would lose digits
    return shifted

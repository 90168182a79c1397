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
from engine.ops.elementwise.arithmetic import divide, subtract
from engine.ops.elementwise.powers import exp, log
from engine.ops.reductions import sum
from engine.plan import written
from engine.tensor import Tensor

__all__ = ["log_softmax", "softmax"]


def _shifted(x: Any, axis: int) -> Any:
    """x minus its maximum, a constant that changes neither result. A row of -inf is not shifted."""
    axis = axis_of(axis, x.ndim)
    largest = np.max(as_operand(x), axis=axis, keepdims=True, initial=-np.inf)
    shifted = x - np.where(np.isfinite(largest), largest, 0).astype(largest.dtype)
    return shifted if isinstance(x, Tensor) else np.asarray(shifted)


def _softmax_reference(x: Any, *, axis: int) -> Any:
    e = exp(_shifted(x, axis))
    return divide(e, sum(e, axis=axis, keepdims=True))


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
    shifted = _shifted(x, axis)
    return subtract(shifted, log(sum(exp(shifted), axis=axis, keepdims=True)))


def _log_softmax_forward(t: Array, out: Array, *, axis: int) -> Array:
    """t - <p, t>."""
    t = _from_top(t, out, axis)
    return t - (np.exp(out) * t).sum(axis=axis, keepdims=True)


@primitive(
    vjp=(written("g - exp(out) * sum(g)", lambda g, out, *, axis: g - np.exp(out) * g.sum(axis=axis, keepdims=True)),),
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

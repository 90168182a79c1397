"""Scans: each result is computed from the values up to its place along one axis.

The derivative of a scan is a scan from the other end: a value is part of its own result and of every later result, so
it receives a contribution from each of these.

A recurrence y_i = v_i + a_i y_(i-1) is computed in log2(n) rounds of whole-array products (Hillis and Steele 1986):
after round k, the value at each place combines the last 2**k places. The rounds can be recorded, and never divide by a
value, which may be zero.

Read next: `engine/ops/order.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.declare import primitive
from engine.examples import REAL, along_axis
from engine.ops.axes import axis_of
from engine.ops.indexing import getitem
from engine.ops.moves import flip, pad
from engine.plan import LINEAR

__all__ = ["cumprod", "cumsum"]


def delayed(x: Any, axis: int, *, fill: float, by: int = 1) -> Any:
    """x moved `by` places towards the end of an axis; the last values drop out, and the first places hold `fill`."""
    axis %= x.ndim
    by = min(by, x.shape[axis])
    kept = getitem(x, (slice(None),) * axis + (slice(0, x.shape[axis] - by),))
    return pad(kept, widths=tuple((by if a == axis else 0, 0) for a in range(x.ndim)), value=fill)


def _recurrence(a: Any, v: Any, axis: int) -> Any:
    """The solution y of y_i = v_i + a_i y_(i-1) along an axis, with y_(-1) = 0."""
    by = 1
    while by < v.shape[axis]:
        v = v + a * delayed(v, axis, fill=0.0, by=by)
        a = a * delayed(a, axis, fill=0.0, by=by)
        by *= 2
    return v


def _cumsum_backward(g: Any, *, axis: int) -> Any:
    """the cumulative sum of g from the end"""
    return flip(cumsum(flip(g, axis=axis), axis=axis), axis=axis) if g.ndim else g


@primitive(
    vjp=(_cumsum_backward,),
    jvp=LINEAR,
    examples=along_axis(REAL, min_side=0),
    along="axis",
    degree=1,
)
def cumsum(x: Any, *, axis: int) -> Any:
    """Sums of the values up to each place; a value receives the sum of the cotangents at its place and after it."""
    x = np.asarray(x)
    axis = axis_of(axis, x.ndim)
    if not x.ndim:
        return x.copy()
    return np.cumsum(x, axis=axis)


def in_wider_range(x: Any) -> Any:
    """float32 values in float64, whose range holds the products of several of them; for an array or a tensor."""
    return x.astype(np.float64) if x.dtype == np.float32 else x


def _products_before(x: Any, axis: int) -> Any:
    """The product of all values before each place."""
    return delayed(cumprod(x, axis=axis), axis, fill=1.0)


def _cumprod_backward(g: Any, x: Any, *, axis: int) -> Any:
    """out_(i-1) S_i, where S_i = g_i + x_(i+1) S_(i+1)

    S is a recurrence from the end.
    """
    if not x.ndim:
        return g
    wide = in_wider_range(x)
    backward = flip(wide, axis=axis)
    later = _recurrence(delayed(backward, axis, fill=0.0), flip(in_wider_range(g), axis=axis), axis)
    return (flip(later, axis=axis) * _products_before(wide, axis)).astype(x.dtype)


def _cumprod_forward(t: Any, x: Any, *, axis: int) -> Any:
    """The product rule d out_i = x_i d out_(i-1) + out_(i-1) dx_i, which is a recurrence."""
    if not x.ndim:
        return t
    wide = in_wider_range(x)
    return _recurrence(wide, in_wider_range(t) * _products_before(wide, axis), axis).astype(x.dtype)


def _factors(shape: tuple[int, ...], axis: int) -> Any:
    """How many factors each cumulative product has, in a shape that broadcasts."""
    if not shape:
        return 1
    axis = axis_of(axis, len(shape))
    return np.arange(1, shape[axis] + 1).reshape(-1, *(1,) * (len(shape) - 1 - axis))


@primitive(
    vjp=(_cumprod_backward,),
    jvp=(_cumprod_forward,),
    examples=along_axis(REAL, min_side=0),
    along="axis",
    degree=lambda x_shape, *, axis: _factors(x_shape, axis),
)
def cumprod(x: Any, *, axis: int) -> Any:
    """Products of the values up to each place; d out_i = x_i d out_(i-1) + out_(i-1) dx_i, right among zeros too."""
    x = np.asarray(x)
    axis = axis_of(axis, x.ndim)
    if not x.ndim:
        return x.copy()
    out = np.cumprod(in_wider_range(x), axis=axis)  # it may leave the range of float32, and come back
    return out.astype(x.dtype) if x.dtype.kind == "f" else out

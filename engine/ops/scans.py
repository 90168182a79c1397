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
from numpy.lib.array_utils import normalize_axis_index

from engine.declare import primitive
from engine.examples import REAL, along_axis
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


@primitive(
    vjp=(lambda g, *, axis: flip(cumsum(flip(g, axis=axis), axis=axis), axis=axis),),
    jvp=LINEAR,
    examples=along_axis(REAL, min_side=0),
)
def cumsum(x: Any, *, axis: int) -> Any:
    """Sums of the values up to each place; a value receives the sum of the cotangents at its place and after it."""
    x = np.asarray(x)
    axis = normalize_axis_index(axis, x.ndim)
    if x.dtype == np.float16:
        return np.cumsum(x, axis=axis, dtype=np.float32).astype(np.float16)
    return np.cumsum(x, axis=axis)


def _cumprod_backward(g: Any, x: Any, out: Any, *, axis: int) -> Any:
    """The gradient out_(i-1) S_i, where S_i = g_i + x_(i+1) S_(i+1) is a recurrence from the end."""
    backward = flip(x, axis=axis)
    later = _recurrence(delayed(backward, axis, fill=0.0), flip(g, axis=axis), axis)
    return flip(later, axis=axis) * delayed(out, axis, fill=1.0)


def _cumprod_forward(t: Any, x: Any, out: Any, *, axis: int) -> Any:
    """The product rule d out_i = x_i d out_(i-1) + out_(i-1) dx_i, which is a recurrence."""
    return _recurrence(x, t * delayed(out, axis, fill=1.0), axis)


@primitive(vjp=(_cumprod_backward,), jvp=(_cumprod_forward,), examples=along_axis(REAL, min_side=0))
def cumprod(x: Any, *, axis: int) -> Any:
    """Products of the values up to each place; d out_i = x_i d out_(i-1) + out_(i-1) dx_i, right among zeros too."""
    x = np.asarray(x)
    return np.cumprod(x, axis=normalize_axis_index(axis, x.ndim))

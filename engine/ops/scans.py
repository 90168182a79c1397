"""Scans: each result is made of the values up to its place along one axis.

The derivative of a scan is a scan from the other end: a value reaches every result after it, so its cotangent
collects from all of those.

A recurrence y_i = v_i + a_i y_(i-1) is not stepped through but doubled: after k rounds every place knows the sum over
the last 2**k places, so log2(n) rounds of whole-array products do, recorded or not, and nothing is ever divided by a
value that may be zero (Hillis and Steele 1986).
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
    """x moved on by some places along an axis; what moves over the end is lost, the places left behind take `fill`."""
    axis %= x.ndim
    by = min(by, x.shape[axis])
    kept = getitem(x, (slice(None),) * axis + (slice(0, x.shape[axis] - by),))
    return pad(kept, widths=tuple((by if a == axis else 0, 0) for a in range(x.ndim)), value=fill)


def _recurrence(a: Any, v: Any, axis: int) -> Any:
    """y with y_i = v_i + a_i y_(i-1) along an axis, starting from 0."""
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
    along="axis",
)
def cumsum(x: Any, *, axis: int) -> Any:
    """Sums of the values up to each place; a value receives the cotangents of its place and all later ones."""
    x = np.asarray(x)
    axis = normalize_axis_index(axis, x.ndim)
    if x.dtype == np.float16:
        return np.cumsum(x, axis=axis, dtype=np.float32).astype(np.float16)
    return np.cumsum(x, axis=axis)


def _cumprod_backward(g: Any, x: Any, out: Any, *, axis: int) -> Any:
    """out_(i-1) S_i with S_i = g_i + x_(i+1) S_(i+1): what came before a value, times all it goes on into."""
    backward = flip(x, axis=axis)
    later = _recurrence(delayed(backward, axis, fill=0.0), flip(g, axis=axis), axis)
    return flip(later, axis=axis) * delayed(out, axis, fill=1.0)


def _cumprod_forward(t: Any, x: Any, out: Any, *, axis: int) -> Any:
    """The product rule, d out_i = x_i d out_(i-1) + out_(i-1) dx_i, is a recurrence."""
    return _recurrence(x, t * delayed(out, axis, fill=1.0), axis)


@primitive(vjp=(_cumprod_backward,), jvp=(_cumprod_forward,), examples=along_axis(REAL, min_side=0), along="axis")
def cumprod(x: Any, *, axis: int) -> Any:
    """Products of the values up to each place; the derivative is exact also where some are zero."""
    x = np.asarray(x)
    return np.cumprod(x, axis=normalize_axis_index(axis, x.ndim))

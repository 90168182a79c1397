"""Reductions: many values in, one out, along one axis, several, or all (`axis=None`).

Going backward, what was summed is spread: the cotangent gets its lost axes back (`spread`) and is broadcast to
the shape of the argument.

The invariant: values are added up in a precision that can hold the sum. float16 is added in float32, and only the
result is rounded back.

Read next: `engine/ops/moments.py`, `engine/ops/order.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from engine.arrays import Array
from engine.declare import primitive
from engine.examples import REAL, Arguments, Draw, along_axes
from engine.operands import as_operand
from engine.ops.elementwise.arithmetic import multiply
from engine.ops.elementwise.choices import where
from engine.ops.elementwise.powers import exp
from engine.ops.moves import flip
from engine.ops.scans import cumprod, delayed
from engine.ops.shapes import broadcast_to, reshape
from engine.plan import LINEAR

__all__ = ["logsumexp", "mean", "prod", "sum", "sum_to"]

# ---- axes and precision --------------------------------------------------------------------------------------------


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """The reduced axes, counted from the front; an axis out of range is a ValueError and an IndexError."""
    return tuple(range(ndim)) if axis is None else normalize_axis_tuple(axis, ndim)


def reduced_shape(shape: tuple[int, ...], axis: Any) -> tuple[int, ...]:
    """The shape with each reduced axis, known to be in range, kept at size 1."""
    if axis is None:
        return (1,) * len(shape)
    axes = {a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,))}
    return tuple(1 if a in axes else side for a, side in enumerate(shape))


def spread(g: Any, shape: tuple[int, ...], axis: Any) -> Any:
    """Broadcast a reduced array over the axes it lost."""
    return broadcast_to(reshape(g, shape=reduced_shape(shape, axis)), shape=shape)


def count(shape: tuple[int, ...], axis: Any) -> int:
    """How many values go into each result."""
    return math.prod(shape[a] for a in axes_of(axis, len(shape)))


def not_of_nothing(op: str, x: Any, axis: Any) -> None:
    """Raise ValueError where there is no value to take the mean of, or the largest."""
    if count(np.shape(x), axis) == 0:
        raise ValueError(f"{op}: no values along axis {axis} of shape {np.shape(x)}")


def widened(x: Any) -> Array:
    """The values as they are added up: float16 in float32, integers in float64."""
    x = np.asarray(x)
    if x.dtype.kind != "f":
        return x.astype(np.float64)
    return x.astype(np.float32) if x.dtype == np.float16 else x


def narrowed(out: Any, x: Any) -> Any:
    """A result computed from `widened(x)`, rounded to the dtype of x where that is a floating one."""
    dtype = np.asarray(x).dtype
    return out.astype(dtype) if dtype == np.float16 else out


def divisor(x: Any) -> Any:
    """x, but 1 where it is zero: for what is zero there as well, and shall stay zero when divided."""
    return where(as_operand(x) == 0, 1.0, x)


# ---- the ops -------------------------------------------------------------------------------------------------------


def _total(x: Any, axis: Any, keepdims: bool) -> Any:
    wide = np.float32 if np.asarray(x).dtype == np.float16 else None
    return narrowed(np.sum(x, axis=axis, keepdims=keepdims, dtype=wide), x)


@primitive(
    vjp=(lambda g, x_shape, *, axis: spread(g, x_shape, axis),), jvp=LINEAR, examples=along_axes(REAL), along="axis"
)
def sum(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Sum over axes; each term receives the whole cotangent. Of no values: 0."""
    return _total(x, axis, keepdims)


def _sum_to_example(draw: Draw) -> Arguments:
    small, other = draw.broadcastable(2)
    return Arguments([draw.array(np.broadcast_shapes(small, other), REAL)], {"shape": small})


@primitive(
    vjp=(lambda g, x_shape: broadcast_to(g, shape=x_shape),),
    jvp=LINEAR,
    examples=_sum_to_example,
)
def sum_to(x: Any, *, shape: tuple[int, ...]) -> Any:
    """Sum over the axes that broadcasting `shape` to `x.shape` adds or stretches: the transpose of `broadcast_to`."""
    extra = np.ndim(x) - len(shape)
    stretched = tuple(k + extra for k, side in enumerate(shape) if side == 1 and np.shape(x)[k + extra] != 1)
    return np.reshape(_total(x, (*range(extra), *stretched), False), shape)


@primitive(
    vjp=(lambda g, x_shape, *, axis: multiply(spread(g, x_shape, axis), 1.0 / count(x_shape, axis)),),
    jvp=LINEAR,
    examples=along_axes(REAL, min_side=1),
    along="axis",
)
def mean(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Arithmetic mean over axes; each term receives the cotangent divided by their number."""
    not_of_nothing("mean", x, axis)
    return np.mean(x, axis=axis, keepdims=keepdims)


def _product_of_others(x: Any, axis: Any) -> Any:
    """For each value the product of all the others: of those before it times those after it, one axis at a time.

    Dividing the product by the value would be cheaper, and wrong at zero.
    """
    others = np.ones_like(as_operand(x))
    for a in axes_of(axis, x.ndim):
        before = delayed(cumprod(x, axis=a), a, fill=1.0)
        after = flip(delayed(cumprod(flip(x, axis=a), axis=a), a, fill=1.0), axis=a)
        others = others * (before * after)
        x = prod(x, axis=a, keepdims=True)
    return others


def _prod_forward(t: Any, x: Any, *, axis: Any, keepdims: bool) -> Any:
    return sum(t * _product_of_others(x, axis), axis=axis, keepdims=keepdims)


@primitive(
    vjp=(lambda g, x, *, axis: spread(g, x.shape, axis) * _product_of_others(x, axis),),
    jvp=(_prod_forward,),
    examples=along_axes(REAL),
    along="axis",
)
def prod(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Product over axes; each factor receives the product of the others, exactly, also among zeros. Of no values: 1."""
    return np.prod(x, axis=axis, keepdims=keepdims)


def _weights(x: Any, out: Any, axis: Any) -> Any:
    """The softmax of x, and zero where every x is -inf. Divided by its sum, because out has been rounded."""
    out = as_operand(out)
    e = exp(x - spread(np.where(out == -np.inf, 0, out), x.shape, axis))
    return e / divisor(sum(e, axis=axis, keepdims=True))


def _logsumexp_forward(t: Any, x: Any, out: Any, *, axis: Any, keepdims: bool) -> Any:
    return sum(t * _weights(x, out, axis), axis=axis, keepdims=keepdims)


@primitive(
    vjp=(lambda g, x, out, *, axis: spread(g, x.shape, axis) * _weights(x, out, axis),),
    jvp=(_logsumexp_forward,),
    examples=along_axes(REAL, min_side=1),
    along="axis",
)
def logsumexp(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) over axes, which never overflows; d = <softmax(x), dx>. Of no values, or of -inf only: -inf."""
    wide = widened(x)
    largest = np.max(wide, axis=axis, keepdims=True, initial=-np.inf)
    shift = np.where(np.isfinite(largest), largest, 0).astype(wide.dtype)
    with np.errstate(divide="ignore"):  # log 0 = -inf is the answer here
        out = np.log(np.sum(np.exp(wide - shift), axis=axis, keepdims=True)) + shift
    return narrowed(out if keepdims else np.squeeze(out, axis=axes_of(axis, wide.ndim)), x)

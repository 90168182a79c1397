"""Reductions: one result from many values, along one axis, several, or all (`axis=None`).

The backward rules use `restore_axes`: the cotangent gets the reduced axes back, with size 1, and is broadcast to the
shape of the argument.

Nothing here takes care of float16: sums of it are taken in float32 by `engine/half.py`, as for every op.

Read next: `engine/ops/moments.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.declare import primitive
from engine.examples import REAL, Arguments, Draw, along_axes
from engine.operands import as_operand
from engine.ops.axes import axes_of, reduced_shape
from engine.ops.elementwise.activations import as_floating
from engine.ops.elementwise.arithmetic import multiply
from engine.ops.elementwise.choices import nonzero_divisor
from engine.ops.elementwise.powers import exp
from engine.ops.moves import flip
from engine.ops.scans import cumprod, delayed, in_wider_range
from engine.ops.shapes import broadcast_to, reshape
from engine.plan import LINEAR, written

__all__ = ["logsumexp", "mean", "prod", "sum", "sum_to"]

# ---- axes and range -------------------------------------------------------------------------------------------------


def restore_axes(g: Any, shape: tuple[int, ...], axis: Any) -> Any:
    """Broadcast a reduced array back to the shape it had before the reduction."""
    return broadcast_to(reshape(g, shape=reduced_shape(shape, axis)), shape=shape)


def count(shape: tuple[int, ...], axis: Any) -> int:
    """The number of values that are reduced to each result."""
    return math.prod(shape[a] for a in axes_of(axis, len(shape)))


def check_nonempty(op: str, x: Any, axis: Any) -> None:
    """Raise ValueError if the results would be the mean or the extreme of no values."""
    if count(np.shape(x), axis) == 0:
        raise ValueError(f"{op}: no values along axis {axis} of shape {np.shape(x)}")


def scaled_to_one(x: Array, axis: Any, least: float = 0.0) -> tuple[Array, Array]:
    """x divided by a power of two, so that the largest value along the axes is near 1, and that power's exponent.

    Squares of the result stay in the range of floats; the division is exact. `least` is a number that counts as one of
    the values.
    """
    largest = np.max(np.abs(x), axis=axis, keepdims=True, initial=least)
    exponent = np.where(np.isfinite(largest), np.frexp(largest)[1], 0)
    return np.ldexp(x, -exponent), exponent


# ---- the ops -------------------------------------------------------------------------------------------------------


@primitive(
    vjp=(written("g, repeated along the summed axes", lambda g, x_shape, *, axis: restore_axes(g, x_shape, axis)),),
    jvp=LINEAR,
    examples=along_axes(REAL),
    along="axis",
    degree=1,
)
def sum(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Sum over axes, 0 of no values; d = sum(dx), so each value receives the whole cotangent."""
    return np.sum(x, axis=axis, keepdims=keepdims)


def _sum_to_example(draw: Draw) -> Arguments:
    small, other = draw.broadcastable(2)
    return Arguments([draw.array(np.broadcast_shapes(small, other), REAL)], {"shape": small})


@primitive(
    vjp=(written("g, broadcast to the shape of x", lambda g, x_shape: broadcast_to(g, shape=x_shape)),),
    jvp=LINEAR,
    examples=_sum_to_example,
    degree=1,
)
def sum_to(x: Any, *, shape: tuple[int, ...]) -> Any:
    """Sum over the axes that broadcasting `shape` to `x.shape` adds or stretches: the transpose of `broadcast_to`.

    The result has that `shape`, and each value of x receives the cotangent of the sum it is in.
    """
    extra = np.ndim(x) - len(shape)
    stretched = tuple(k + extra for k, side in enumerate(shape) if side == 1 and np.shape(x)[k + extra] != 1)
    return np.reshape(np.sum(x, axis=(*range(extra), *stretched)), shape)


@primitive(
    vjp=(
        written(
            "g / n, along the axes of n values",
            lambda g, x_shape, *, axis: multiply(restore_axes(g, x_shape, axis), 1.0 / count(x_shape, axis)),
        ),
    ),
    jvp=LINEAR,
    examples=along_axes(REAL, min_side=1),
    along="axis",
    degree=1,
)
def mean(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Arithmetic mean over axes; d = mean(dx), so each of n values receives the cotangent / n.

    Raises ValueError for the mean of no values.
    """
    check_nonempty("mean", x, axis)
    axes = axes_of(axis, np.ndim(x))
    with np.errstate(over="ignore", invalid="ignore"):
        out = np.mean(x, axis=axes, keepdims=keepdims)
    finite = math.isfinite(out) if np.ndim(out) == 0 else np.isfinite(out).all()
    if not finite and x.dtype.kind == "f":  # the sum may have left the range of floats
        out = np.sum(x * x.dtype.type(1 / count(x.shape, axis)), axis=axes, keepdims=keepdims)
    return out


def _product_of_others(x: Any, axis: Any) -> Any:
    """For each value, the product of all others: the product of those before it, times those after it, axis by axis.

    Dividing the whole product by the value would be cheaper, but wrong at zero.
    """
    x = in_wider_range(x)
    others = np.ones_like(as_operand(x))
    for a in axes_of(axis, x.ndim):
        before = delayed(cumprod(x, axis=a), a, fill=1.0)
        after = flip(delayed(cumprod(flip(x, axis=a), axis=a), a, fill=1.0), axis=a)
        others = others * (before * after)
        x = prod(x, axis=a, keepdims=True)
    return others


def _prod_backward(g: Any, x: Any, *, axis: Any) -> Any:
    """g * the product of all other values"""
    return (in_wider_range(restore_axes(g, x.shape, axis)) * _product_of_others(x, axis)).astype(x.dtype)


def _prod_forward(t: Any, x: Any, *, axis: Any, keepdims: bool) -> Any:
    return sum(in_wider_range(t) * _product_of_others(x, axis), axis=axis, keepdims=keepdims).astype(x.dtype)


@primitive(
    vjp=(_prod_backward,),
    jvp=(_prod_forward,),
    examples=along_axes(REAL),
    along="axis",
    degree=lambda x_shape, *, axis: count(x_shape, axis),
)
def prod(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Product over axes, 1 of no values; d = sum(dx_i times the product of the other factors), also among zeros."""
    x = np.asarray(x)
    out = np.prod(in_wider_range(x), axis=axis, keepdims=keepdims)  # it may leave the range of float32, and come back
    return out.astype(x.dtype) if x.dtype.kind == "f" else out


def _softmax(x: Any, out: Any, axis: Any) -> Any:
    """The softmax of x, zero where every x is -inf. It is divided by its sum because `out` has been rounded."""
    out = as_operand(out)
    e = exp(x - restore_axes(np.where(out == -np.inf, 0, out), x.shape, axis))
    return e / nonzero_divisor(sum(e, axis=axis, keepdims=True))


def _logsumexp_forward(t: Any, x: Any, out: Any, *, axis: Any, keepdims: bool) -> Any:
    return sum(t * _softmax(x, out, axis), axis=axis, keepdims=keepdims)


@primitive(
    vjp=(
        written("g * exp(x - out)", lambda g, x, out, *, axis: restore_axes(g, x.shape, axis) * _softmax(x, out, axis)),
    ),
    jvp=(_logsumexp_forward,),
    examples=along_axes(REAL, min_side=1),
    along="axis",
)
def logsumexp(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) over axes without overflow, -inf of no values or of -inf only; d = <softmax(x), dx>."""
    x = as_floating(x)
    largest = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    shift = np.where(np.isfinite(largest), largest, 0).astype(x.dtype)
    e = np.exp(x - shift)
    ones = e == 1  # the largest values; log(1.0000001) would lose digits of what the others add to one of them
    rest = np.sum(ones, axis=axis, keepdims=True, dtype=x.dtype) - 1
    rest += np.sum(np.where(ones, 0, e), axis=axis, keepdims=True)
    with np.errstate(divide="ignore"):  # log1p(-1) = -inf is the result here
        out = np.log1p(rest) + shift
    return out if keepdims else np.squeeze(out, axis=axes_of(axis, x.ndim))

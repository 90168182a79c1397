"""Reductions: many values in, one out, along one axis, several, or all (`axis=None`).

Going backward, what was summed is spread: the cotangent gets its lost axes back (`spread`) and is broadcast to
the shape of the argument.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.examples import DISTINCT, REAL, Arguments, Draw, along_axes
from engine.ops.elementwise import multiply
from engine.ops.shapes import broadcast_to, reshape
from engine.plan import LINEAR
from engine.primitive import as_operand, primitive


def reduced_shape(shape: tuple[int, ...], axis: Any) -> tuple[int, ...]:
    """The shape with each reduced axis kept at size 1."""
    if axis is None:
        return (1,) * len(shape)
    axes = {a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,))}
    return tuple(1 if a in axes else side for a, side in enumerate(shape))


def spread(g: Any, shape: tuple[int, ...], axis: Any) -> Any:
    """Broadcast a reduced array over the axes it lost."""
    return broadcast_to(reshape(g, shape=reduced_shape(shape, axis)), shape=shape)


@primitive(
    vjp=(lambda g, x_shape, *, axis: spread(g, x_shape, axis),),
    jvp=LINEAR,
    examples=along_axes(REAL),
)
def sum(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Sum over axes; each term receives the whole cotangent. float16 is accumulated in float32."""
    if np.asarray(x).dtype == np.float16:
        return np.sum(x, axis=axis, keepdims=keepdims, dtype=np.float32).astype(np.float16)
    return np.sum(x, axis=axis, keepdims=keepdims)


def _count(shape: tuple[int, ...], axis: Any) -> int:
    """How many values go into each result."""
    kept = reduced_shape(shape, axis)
    return int(np.prod([side for side, left in zip(shape, kept, strict=True) if left == 1], initial=1))


@primitive(
    vjp=(lambda g, x_shape, *, axis: multiply(spread(g, x_shape, axis), 1.0 / _count(x_shape, axis)),),
    jvp=LINEAR,
    examples=along_axes(REAL, min_side=1),
)
def mean(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Arithmetic mean over axes; each term receives the cotangent divided by their number."""
    if _count(np.shape(x), axis) == 0:
        raise ValueError(f"mean: no values along axis {axis} of shape {np.shape(x)}")
    return np.mean(x, axis=axis, keepdims=keepdims)


def _winners(x: Any, out: Any, axis: Any) -> Any:
    """1 at the extreme values, divided by how many there are."""
    x, out = as_operand(x), as_operand(out)
    hits = x == out.reshape(reduced_shape(x.shape, axis))
    return hits / np.maximum(hits.sum(axis=axis, keepdims=True), 1).astype(x.dtype)


def _max_backward(g: Any, x: Any, out: Any, *, axis: Any) -> Any:
    return spread(g, x.shape, axis) * _winners(x, out, axis)


def _max_forward(t: Any, x: Any, out: Any, *, axis: Any, keepdims: bool) -> Any:
    return sum(t * _winners(x, out, axis), axis=axis, keepdims=keepdims)


@primitive(vjp=(_max_backward,), jvp=(_max_forward,), examples=along_axes(DISTINCT, min_side=1))
def max(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Largest value over axes; those that tie share the cotangent evenly."""
    if 0 in np.shape(x) and np.size(np.sum(x, axis=axis)) > 0:
        raise ValueError(f"max: no values along axis {axis} of shape {np.shape(x)}")
    return np.max(x, axis=axis, keepdims=keepdims)


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
    return np.reshape(np.sum(x, axis=(*range(extra), *stretched)), shape)

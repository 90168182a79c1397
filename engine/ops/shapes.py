"""Ops that move values without changing them. Each is linear, and the vjp of each is the move back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.examples import REAL, Arguments, Draw
from engine.ops.indexing import getitem
from engine.plan import LINEAR, Joint
from engine.primitive import primitive


def _reshape_example(draw: Draw) -> Arguments:
    shape = draw.shape()
    return Arguments(
        [draw.array(shape, REAL)], {"shape": draw.choice([shape[::-1], (-1,) if 0 not in shape else (0,)])}
    )


@primitive(vjp=(lambda g, x_shape: reshape(g, shape=x_shape),), jvp=LINEAR, examples=_reshape_example)
def reshape(x: Any, *, shape: Any) -> Any:
    """The same values, in the same order, in another shape; one side may be -1."""
    return np.reshape(x, shape)


def _permute_example(draw: Draw) -> Arguments:
    shape = draw.shape()
    turns = draw.integer(0, len(shape))
    return Arguments([draw.array(shape, REAL)], {"axes": tuple(np.roll(range(len(shape)), turns).tolist())})


def _inverse(axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(np.argsort([a % len(axes) for a in axes]).tolist())


@primitive(vjp=(lambda g, *, axes: permute_dims(g, axes=_inverse(axes)),), jvp=LINEAR, examples=_permute_example)
def permute_dims(x: Any, *, axes: Sequence[int]) -> Any:
    """The axes in another order."""
    return np.transpose(x, axes)


def _swap_example(draw: Draw) -> Arguments:
    shape = draw.shape(min_dims=1)
    metadata = {"axis1": draw.axis(len(shape)), "axis2": draw.axis(len(shape))}
    return Arguments([draw.array(shape, REAL)], metadata)


@primitive(vjp=(lambda g, *, axis1, axis2: swapaxes(g, axis1=axis1, axis2=axis2),), jvp=LINEAR, examples=_swap_example)
def swapaxes(x: Any, *, axis1: int, axis2: int) -> Any:
    """Two axes exchanged; its own inverse."""
    return np.swapaxes(x, axis1, axis2)


def _broadcast_example(draw: Draw) -> Arguments:
    small, other = draw.broadcastable(2)
    return Arguments([draw.array(small, REAL)], {"shape": np.broadcast_shapes(small, other)})


@primitive(vjp=(lambda g: g,), jvp=LINEAR, examples=_broadcast_example, broadcasts=True)
def broadcast_to(x: Any, *, shape: tuple[int, ...]) -> Any:
    """The values repeated to fill a shape, without copying; the sweep sums the cotangent back."""
    return np.broadcast_to(x, shape)


def _concat_example(draw: Draw) -> Arguments:
    shape = draw.shape(min_dims=1)
    axis = draw.axis(len(shape))
    sides = [draw.integer(0, 2) for _ in range(draw.integer(1, 3))]

    def with_side(side: int) -> tuple[int, ...]:
        return tuple(side if k == axis % len(shape) else s for k, s in enumerate(shape))

    return Arguments([draw.array(with_side(side), REAL) for side in sides], {"axis": axis})


def _concat_backward(g: Any, tensors_shape: Any, *, axis: int, position: int) -> Any:
    """The slice of the cotangent that argument number `position` filled."""
    start = np.sum([shape[axis] for shape in tensors_shape[:position]], dtype=int)
    stop = start + tensors_shape[position][axis]
    return getitem(g, (slice(None),) * (axis % g.ndim) + (slice(int(start), int(stop)),))


def _concat_forward(tangents: Any, tensors: Any, *, axis: int) -> Any:
    return concatenate(
        *[np.zeros_like(x) if t is None else t for t, x in zip(tangents, tensors, strict=True)], axis=axis
    )


@primitive(vjp=(_concat_backward,), jvp=Joint(_concat_forward), examples=_concat_example)
def concatenate(*tensors: Any, axis: int) -> Any:
    """Arrays joined along an axis they have; each receives its slice of the cotangent."""
    return np.concatenate(tensors, axis=axis)


def concat(tensors: Sequence[Any], *, axis: int = 0) -> Any:
    """Join tensors along an existing axis. Raises ValueError for an empty list or shapes that do not fit."""
    if not tensors:
        raise ValueError("concat: needs at least one tensor")
    return concatenate(*tensors, axis=axis)


def expand_dims(x: Any, *, axis: int = 0) -> Any:
    """A new axis of size 1 at position `axis` of the result."""
    ndim = np.ndim(x) if not hasattr(x, "ndim") else x.ndim
    if not -ndim - 1 <= axis <= ndim:
        raise IndexError(f"expand_dims: axis {axis} is out of range for a tensor with {ndim} axes")
    at = axis % (ndim + 1)
    return reshape(x, shape=(*x.shape[:at], 1, *x.shape[at:]))


def stack(tensors: Sequence[Any], *, axis: int = 0) -> Any:
    """Join tensors of one shape along a new axis."""
    if not tensors:
        raise ValueError("stack: needs at least one tensor")
    if len({x.shape for x in tensors}) > 1:
        raise ValueError(f"stack: shapes differ: {[x.shape for x in tensors]}")
    return concat([expand_dims(x, axis=axis) for x in tensors], axis=axis)

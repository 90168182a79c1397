"""Ops that give the same values another shape, join arrays, and split them.

Each is linear, and its vjp rule gives the cotangent the shape of the argument.

Read next: `engine/ops/moves.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from operator import index
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from engine.arrays import Array
from engine.declare import primitive
from engine.examples import REAL, Arguments, Draw
from engine.operands import as_operand, operand, setting
from engine.ops.indexing import getitem
from engine.plan import LINEAR, Joint, written
from engine.tensor import Tensor

__all__ = ["broadcast_to", "concat", "expand_dims", "permute_dims", "reshape", "split", "squeeze", "stack", "swapaxes"]


def _reshape_example(draw: Draw) -> Arguments:
    shape = draw.shape()
    return Arguments(
        [draw.array(shape, REAL)], {"shape": draw.choice([shape[::-1], (-1,) if 0 not in shape else (0,)])}
    )


@primitive(
    vjp=(written("g, in the shape of x", lambda g, x_shape: reshape(g, shape=x_shape)),),
    jvp=LINEAR,
    examples=_reshape_example,
    moves=True,
    degree=1,
)
def reshape(x: Any, *, shape: Any) -> Any:
    """The same values, in the same order, in another shape; one side may be -1. The cotangent is reshaped back."""
    return np.reshape(x, shape)


def _permute_example(draw: Draw) -> Arguments:
    shape = draw.shape()
    turns = draw.integer(0, len(shape))
    return Arguments([draw.array(shape, REAL)], {"axes": tuple(np.roll(range(len(shape)), turns).tolist())})


def _inverse(axes: Sequence[int] | None) -> tuple[int, ...] | None:
    return None if axes is None else tuple(np.argsort([a % len(axes) for a in axes]).tolist())


@primitive(
    vjp=(written("g, with its axes permuted back", lambda g, *, axes: permute_dims(g, axes=_inverse(axes))),),
    jvp=LINEAR,
    examples=_permute_example,
    moves=True,
    degree=1,
)
def permute_dims(x: Any, *, axes: Sequence[int] | None) -> Any:
    """The axes in the order given by `axes`, reversed for None; the cotangent is permuted back."""
    return np.transpose(x, axes)


def _swap_example(draw: Draw) -> Arguments:
    shape = draw.shape(min_dims=1)
    metadata = {"axis1": draw.axis(len(shape)), "axis2": draw.axis(len(shape))}
    return Arguments([draw.array(shape, REAL)], metadata)


@primitive(
    vjp=(lambda g, *, axis1, axis2: swapaxes(g, axis1=axis1, axis2=axis2),),
    jvp=LINEAR,
    examples=_swap_example,
    moves=True,
    degree=1,
)
def swapaxes(x: Any, *, axis1: int, axis2: int) -> Any:
    """Two axes exchanged; the cotangent is exchanged in the same way."""
    return np.swapaxes(x, axis1, axis2)


def _broadcast_example(draw: Draw) -> Arguments:
    small, other = draw.broadcastable(2)
    return Arguments([draw.array(small, REAL)], {"shape": np.broadcast_shapes(small, other)})


@primitive(vjp=(lambda g: g,), jvp=LINEAR, examples=_broadcast_example, broadcasts=True, moves=True, degree=1)
def broadcast_to(x: Any, *, shape: tuple[int, ...]) -> Any:
    """The values repeated to fill a shape, without a copy; each value receives the sum of its cotangents."""
    return np.broadcast_to(x, shape)


def expand_dims(x: Any, *, axis: int = 0) -> Any:
    """x with a new axis of size 1 at position `axis` of the result."""
    shape = np.shape(as_operand(x))
    at = normalize_axis_index(setting("expand_dims", "axis", axis), len(shape) + 1, "expand_dims")
    return reshape(x, shape=(*shape[:at], 1, *shape[at:]))


def squeeze(x: Any, *, axis: Any = None) -> Any:
    """x without the given axes of size 1, or without all of them. Raises ValueError for an axis of another size."""
    shape = np.shape(as_operand(x))
    if axis is None:
        return reshape(x, shape=tuple(side for side in shape if side != 1))
    axis = setting("squeeze", "axis", axis)
    axes = normalize_axis_tuple(axis, len(shape), "squeeze")
    if any(shape[a] != 1 for a in axes):
        raise ValueError(f"squeeze: axis {axis} of shape {shape} cannot be removed: only axes of size 1 can")
    return reshape(x, shape=tuple(side for a, side in enumerate(shape) if a not in axes))


# ---- joining and splitting -----------------------------------------------------------------------------------------


def convert_operands(op: str, values: Iterable[Any]) -> list[Tensor | Array]:
    """The operands, with lists and numbers as arrays; a number takes the dtype of a floating tensor among them."""
    values = list(values)
    dtype = next((x.dtype for x in values if isinstance(x, Tensor) and x.dtype.kind == "f"), None)

    def with_axes(position: int, x: Any) -> Tensor | Array:
        if isinstance(x, Tensor):
            return x
        x = np.asarray(operand(op, f"operand {position}", x))
        return x if x.ndim else x.astype(dtype or x.dtype)

    return [with_axes(position, x) for position, x in enumerate(values)]


def _concat_example(draw: Draw) -> Arguments:
    shape = draw.shape(min_dims=1)
    axis = draw.axis(len(shape))
    sides = [draw.integer(0, 2) for _ in range(draw.integer(1, 3))]

    def with_side(side: int) -> tuple[int, ...]:
        return tuple(side if k == axis % len(shape) else s for k, s in enumerate(shape))

    return Arguments([draw.array(with_side(side), REAL) for side in sides], {"axis": axis})


def _concat_backward(g: Any, tensors_shape: Any, *, axis: int, wanted: tuple[bool, ...]) -> list[Any]:
    """the slice of g that came from the argument

    One rule for all arguments, so that the cuts are found once.
    """
    cuts = np.cumsum([0, *(shape[axis] for shape in tensors_shape)]).tolist()
    before = (slice(None),) * (axis % g.ndim)
    return [
        getitem(g, (*before, slice(start, stop))) if needed else None
        for (start, stop), needed in zip(pairwise(cuts), wanted, strict=True)
    ]


def _concat_forward(tangents: Any, tensors: Any, *, axis: int) -> Any:
    complete = [np.zeros_like(as_operand(x)) if t is None else t for t, x in zip(tangents, tensors, strict=True)]
    return concatenate(*complete, axis=axis)


@primitive(
    name="concat",
    vjp=Joint(_concat_backward),
    jvp=Joint(_concat_forward),
    examples=_concat_example,
    broadcasts=True,
    moves=True,
    degree=1,
)
def concatenate(*tensors: Any, axis: int) -> Any:
    """The op of `concat`, with the arrays as arguments; each receives its slice of the cotangent, in its own dtype."""
    return np.concatenate(tensors, axis=axis)


def concat(tensors: Iterable[Any], *, axis: int = 0) -> Any:
    """Join tensors along an existing axis; each receives its slice of the cotangent.

    Raises ValueError for an empty list, or for shapes that differ in another axis.
    """
    tensors = list(tensors)
    if not tensors:
        raise ValueError("concat: needs at least one tensor")
    return concatenate(*tensors, axis=axis)


def stack(tensors: Iterable[Any], *, axis: int = 0) -> Any:
    """Join tensors of one shape along a new axis; each receives its slice of the cotangent.

    Raises ValueError for an empty list, or for shapes that differ.
    """
    parts = convert_operands("stack", tensors)
    if not parts:
        raise ValueError("stack: needs at least one tensor")
    if len({x.shape for x in parts}) > 1:
        raise ValueError(f"stack: shapes differ: {[x.shape for x in parts]}")
    axis = normalize_axis_index(setting("stack", "axis", axis), parts[0].ndim + 1, "stack")
    return concat([expand_dims(x, axis=axis) for x in parts], axis=axis)


def split(x: Any, sections: int | Sequence[int], *, axis: int = 0) -> list[Any]:
    """Parts of x along an axis, as a list: the inverse of `concat`.

    Args:
        x: the array or tensor to split.
        sections: the number of equal parts, or the positions of the cuts.
        axis: the axis to split.

    Raises ValueError if the size of the axis is not a multiple of the number of parts.
    """
    shape = np.shape(as_operand(x))
    sections = setting("split", "sections", sections)
    axis = normalize_axis_index(setting("split", "axis", axis), len(shape), "split")
    side = shape[axis]
    if isinstance(sections, int | np.integer):
        if sections < 1 or side % sections:
            raise ValueError(f"split: axis {axis} of size {side} has no {sections} equal parts; give cut positions")
        sections = [side // sections * k for k in range(1, sections)]
    try:
        parts = pairwise([0, *map(index, sections), side])
    except TypeError:
        raise TypeError(f"split: sections must be a number of parts, or positions of cuts, not {sections!r}") from None
    return [getitem(x, (*(slice(None),) * axis, slice(start, stop))) for start, stop in parts]

"""Reading parts of an array, and the transpose of it: adding to parts of an array of zeros.

`getitem` accepts every index that NumPy accepts: integers, slices, `None`, `...`, integer and boolean arrays. `take`
and `take_along_axis` read along one axis. A place that an index reads twice receives the sum of both cotangents.

The invariant: an index that a node saves shares no memory with an array that the caller may write later.

Read next: `engine/ops/linalg.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from engine.arrays import Array
from engine.declare import primitive
from engine.examples import REAL, Arguments, Draw, filled
from engine.plan import LINEAR, written
from engine.tensor import Tensor

__all__ = ["getitem", "take", "take_along_axis"]

# ---- any index -----------------------------------------------------------------------------------------------------


def _index_example(draw: Draw) -> Arguments:
    side = draw.integer(1, 3)
    shape = (side, *draw.choice([draw.shape(max_dims=2), (0,)]))
    index = draw.choice(
        [
            0,
            slice(None, None, -1),
            slice(1, None, 2),
            (..., 0) if shape[-1] else ...,
            (None, slice(0, 1)),
            draw.integers((3,), -side, side - 1),
            draw.integers((2, 2), 0, side - 1),
            draw.integers((side,), 0, 1) == 1,
        ]
    )
    return Arguments([draw.array(shape, REAL)], {"index": index})


def _reads_once(index: Any) -> bool:
    """Whether an index reads each place at most once: true of integers, slices and masks, not of integer arrays."""
    parts = index if isinstance(index, tuple) else (index,)
    return not any(isinstance(part, np.ndarray) and part.dtype.kind in "iu" for part in parts)


@primitive(
    name="getitem",
    vjp=(
        written(
            "zeros, with g added up at the index", lambda g, x_shape, *, index: put_add(g, shape=x_shape, index=index)
        ),
    ),
    jvp=LINEAR,
    examples=_index_example,
    moves=True,
    selects=True,
    degree=1,
)
def gather(x: Any, *, index: Any) -> Any:
    """The op of `getitem`, `x[index]`, with an index that NumPy accepts."""
    return x[index]


def _put_example(draw: Draw) -> Arguments:
    (x,), metadata = _index_example(draw)
    return Arguments([draw.array(x[metadata["index"]].shape, REAL)], {"shape": x.shape, **metadata})


@primitive(vjp=(lambda g, *, index: gather(g, index=index),), jvp=LINEAR, examples=_put_example, degree=1)
def put_add(x: Any, *, shape: tuple[int, ...], index: Any) -> Any:
    """Zeros of `shape` with `x` added at `index`: the transpose of `gather`. A place indexed twice gets the sum."""
    out = np.zeros_like(x, shape=shape)
    if _reads_once(index):
        out[index] = x
    else:
        np.add.at(out, index, x)
    return out


def _index_part(part: Any) -> Any:
    """One part of an index in a form that NumPy accepts; tensors and sequences become arrays."""
    if isinstance(part, Tensor):
        part = part.array
    if part is None or part is ... or isinstance(part, slice | int | np.integer):
        return part
    part = np.asarray(part)
    if not part.size and part.dtype.kind == "f":  # an empty list, which NumPy makes float64
        part = part.astype(np.intp)
    if part.dtype.kind not in "iub":
        raise IndexError(f"getitem: an index must be integer or boolean, not {part.dtype}")
    return part


def getitem(x: Any, index: Any) -> Any:
    """`x[index]`: basic and advanced indexing as in NumPy; a place read twice receives the sum of both cotangents.

    Raises IndexError for an index that is out of range, or has a dtype other than integer or boolean.
    """
    index = tuple(_index_part(part) for part in index) if isinstance(index, tuple) else _index_part(index)
    return gather(x, index=index)


# ---- along one axis ------------------------------------------------------------------------------------------------


def _as_indices(indices: Any) -> Array:
    """Indices as an integer array."""
    indices = np.asarray(indices)
    if not indices.size:  # an empty list, which NumPy makes float64
        return indices.astype(np.intp)
    if indices.dtype.kind not in "iu":
        raise IndexError(f"indices must be integers, not {indices.dtype}")
    return indices


def _take_example(draw: Draw) -> Arguments:
    shape = draw.shape(min_dims=1)
    axis = draw.axis(len(shape))
    shape = filled(shape, axis)
    indices = draw.integers(draw.choice([(3,), (), (2, 2), (0,)]), -shape[axis], shape[axis] - 1)
    return Arguments([draw.array(shape, REAL), indices], {"axis": axis})


def _take_backward(g: Any, x_shape: tuple[int, ...], indices: Any, *, axis: int) -> Any:
    """zeros, with g added up at the indices along the axis"""
    return put_add(g, shape=x_shape, index=(slice(None),) * (axis % len(x_shape)) + (_as_indices(indices),))


@primitive(vjp=(_take_backward, None), jvp=(LINEAR, None), examples=_take_example, moves=True, selects=True, degree=1)
def take(x: Any, indices: Any, *, axis: int) -> Any:
    """The slices of x at these indices of an axis; a slice taken twice receives the sum of both cotangents.

    Shapes: the axis of x is replaced by the axes of `indices`. Raises IndexError for an index that is out of range or
    no integer.
    """
    x = np.asarray(x)
    return np.take(x, _as_indices(indices), axis=normalize_axis_index(axis, x.ndim))


def _along_example(draw: Draw) -> Arguments:
    shape = draw.shape(min_dims=1)
    axis = draw.axis(len(shape))
    shape = filled(shape, axis)
    others = draw.choice([shape, (1,) * len(shape)])  # the other axes broadcast
    sides = (*others[: axis % len(shape)], draw.integer(0, 4), *others[axis % len(shape) + 1 :])
    return Arguments([draw.array(shape, REAL), draw.integers(sides, -shape[axis], shape[axis] - 1)], {"axis": axis})


def _along_backward(g: Any, x_shape: tuple[int, ...], indices: Any, *, axis: int) -> Any:
    """zeros, with g added up at the indices along the axis"""
    index = list(np.indices(x_shape, sparse=True))
    index[axis] = _as_indices(indices)
    return put_add(g, shape=x_shape, index=tuple(index))


@primitive(vjp=(_along_backward, None), jvp=(LINEAR, None), examples=_along_example, moves=True, selects=True, degree=1)
def take_along_axis(x: Any, indices: Any, *, axis: int) -> Any:
    """For each row of x along an axis, the values at the indices in the same row of `indices`.

    The other axes of x and `indices` broadcast; a value taken twice receives the sum of both cotangents. Raises
    IndexError for an index that is out of range or no integer.
    """
    x = np.asarray(x)
    return np.take_along_axis(x, _as_indices(indices), axis=normalize_axis_index(axis, x.ndim))

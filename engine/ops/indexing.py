"""Reading parts of an array, and the transpose of that: adding into parts of an array of zeros.

`getitem` takes whatever NumPy takes: integers, slices, `None`, `...`, integer and boolean arrays. Where an
index reads a place twice, the cotangents of both readings add up there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.examples import REAL, Arguments, Draw
from engine.plan import LINEAR
from engine.primitive import primitive
from engine.tensor import Tensor


def _index_example(draw: Draw) -> Arguments:
    shape = draw.shape(min_dims=1, min_side=1)
    side = shape[0]
    index = draw.choice(
        [
            0,
            slice(None, None, -1),
            slice(1, None, 2),
            (..., 0),
            (None, slice(0, 1)),
            draw.integers((3,), -side, side - 1),
            draw.integers((2, 2), 0, side - 1),
            draw.integers((side,), 0, 1) == 1,
        ]
    )
    return Arguments([draw.array(shape, REAL)], {"index": index})


def _reads_once(index: Any) -> bool:
    """Whether an index can read no place twice: integers, slices and masks cannot, arrays of integers can."""
    parts = index if isinstance(index, tuple) else (index,)
    return not any(isinstance(part, np.ndarray) and part.dtype.kind in "iu" for part in parts)


@primitive(
    vjp=(lambda g, x_shape, *, index: put_add(g, shape=x_shape, index=index),), jvp=LINEAR, examples=_index_example
)
def gather(x: Any, *, index: Any) -> Any:
    """`x[index]`, as NumPy. `getitem` is the public form."""
    return x[index]


def _put_example(draw: Draw) -> Arguments:
    (x,), metadata = _index_example(draw)
    return Arguments([draw.array(x[metadata["index"]].shape, REAL)], {"shape": x.shape, **metadata})


@primitive(vjp=(lambda g, *, index: gather(g, index=index),), jvp=LINEAR, examples=_put_example)
def put_add(x: Any, *, shape: tuple[int, ...], index: Any) -> Any:
    """Zeros of `shape` with `x` added at `index`: the transpose of `gather`. Places named twice receive both."""
    out = np.zeros_like(x, shape=shape)
    if _reads_once(index):
        out[index] = x
    else:
        np.add.at(out, index, x)
    return out


def _plain(part: Any) -> Any:
    """One part of an index as NumPy wants it, sharing no memory with what the caller may write later."""
    if isinstance(part, Tensor):
        part = part.array
    if isinstance(part, list | np.ndarray):
        part = np.array(part) if np.size(part) else np.array(part, dtype=int)
        if part.dtype.kind not in "iub":
            raise IndexError(f"getitem: an index array must be integer or boolean, not {part.dtype}")
    return part


def getitem(x: Any, index: Any) -> Any:
    """`x[index]`: basic and advanced indexing as in NumPy; repeated indices accumulate in the gradient."""
    index = tuple(_plain(part) for part in index) if isinstance(index, tuple) else _plain(index)
    return gather(x, index=index)

"""Ops that move values to other places of the grid, or put a constant in their place.

Each is linear in the values it moves, and its vjp moves them back.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.arrays import Array
from engine.declare import primitive
from engine.examples import REAL, Arguments, Draw
from engine.ops.indexing import getitem
from engine.plan import LINEAR

__all__ = ["flip", "pad", "roll", "tril", "triu"]


def _some_axes(draw: Draw, ndim: int) -> Any:
    """None, one axis or two."""
    if ndim == 0 or draw.choice([True, False]):
        return None
    axis = draw.axis(ndim)
    return (axis % ndim, (axis + 1) % ndim) if ndim > 1 and draw.choice([False, True]) else axis


def _flip_example(draw: Draw) -> Arguments:
    shape = draw.shape()
    return Arguments([draw.array(shape, REAL)], {"axis": _some_axes(draw, len(shape))})


@primitive(vjp=(lambda g, *, axis: flip(g, axis=axis),), jvp=LINEAR, examples=_flip_example, moves=True)
def flip(x: Any, *, axis: Any = None) -> Any:
    """The values in reverse order along one axis, several, or all; its own inverse."""
    return np.flip(x, axis)


def _roll_example(draw: Draw) -> Arguments:
    shape = draw.shape()
    axis, shift = _some_axes(draw, len(shape)), draw.integer(-4, 4)
    return Arguments(
        [draw.array(shape, REAL)], {"shift": (shift, 1) if isinstance(axis, tuple) else shift, "axis": axis}
    )


@primitive(
    vjp=(lambda g, *, shift, axis: roll(g, shift=np.negative(shift), axis=axis),),
    jvp=LINEAR,
    examples=_roll_example,
    moves=True,
)
def roll(x: Any, *, shift: Any, axis: Any = None) -> Any:
    """The values moved on by `shift` places, the last ones coming in first; axis None rolls the flattened array."""
    return np.roll(x, shift, axis)


def _width_pairs(widths: Any, ndim: int) -> Array:
    """An integer, a pair, or a pair per axis, as the latter."""
    try:
        pairs = np.broadcast_to(np.asarray(widths), (ndim, 2))
    except ValueError:
        pairs = np.array([-1])
    if pairs.dtype.kind not in "iu" or (pairs < 0).any():
        raise ValueError(
            f"pad: widths must be an integer, a pair (before, after) or such a pair for each of {ndim} axes, "
            f"none negative, not {widths}"
        )
    return pairs


def _middle(shape: tuple[int, ...], widths: Any) -> tuple[slice, ...]:
    """Where the values are in a padded array of this shape."""
    pairs = _width_pairs(widths, len(shape)).tolist()
    return tuple(slice(before, side - after) for side, (before, after) in zip(shape, pairs, strict=True))


def _pad_example(draw: Draw) -> Arguments:
    shape = draw.shape()
    pair = (draw.integer(0, 2), draw.integer(0, 2))
    widths = draw.choice([pair[0], pair, tuple((k % 2, pair[0]) for k in range(len(shape)))])
    return Arguments([draw.array(shape, REAL)], {"widths": widths or 0, "value": draw.choice([0.0, 2.0])})


@primitive(
    vjp=(lambda g, *, widths: getitem(g, _middle(g.shape, widths)),),
    jvp=(lambda t, *, widths: pad(t, widths=widths),),
    examples=_pad_example,
    moves=True,
)
def pad(x: Any, *, widths: Any, value: float = 0.0) -> Any:
    """The values with a frame around them; `widths` is an integer, a pair (before, after), or a pair per axis."""
    x = np.asarray(x)
    frame = _width_pairs(widths, x.ndim).sum(axis=1).tolist()
    out = np.full([side + more for side, more in zip(x.shape, frame, strict=True)], value, x.dtype)
    out[_middle(out.shape, widths)] = x
    return out


def _diagonal_example(draw: Draw) -> Arguments:
    return Arguments([draw.array(draw.shape(min_dims=2), REAL)], {"k": draw.integer(-3, 3)})


def _matrices(op: str, x: Any) -> Any:
    if np.ndim(x) < 2:
        raise ValueError(f"{op}: needs at least two axes, not shape {np.shape(x)}")
    return x


@primitive(vjp=(lambda g, *, k: tril(g, k=k),), jvp=LINEAR, examples=_diagonal_example, moves=True, selects=True)
def tril(x: Any, *, k: int = 0) -> Any:
    """The lower triangle of the last two axes, with the diagonal `k` places above the main one; zero elsewhere."""
    return np.tril(_matrices("tril", x), k)


@primitive(vjp=(lambda g, *, k: triu(g, k=k),), jvp=LINEAR, examples=_diagonal_example, moves=True, selects=True)
def triu(x: Any, *, k: int = 0) -> Any:
    """The upper triangle of the last two axes, with the diagonal `k` places above the main one; zero elsewhere."""
    return np.triu(_matrices("triu", x), k)

"""Ops that move values to other places of an array, or replace them with a constant.

Each is linear in the values it moves, and its vjp rule moves the cotangent back.

Read next: `engine/ops/indexing.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.arrays import Array
from engine.declare import primitive
from engine.examples import REAL, Arguments, Draw
from engine.ops.axes import axes_of
from engine.ops.indexing import getitem
from engine.plan import LINEAR, written

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


@primitive(vjp=(lambda g, *, axis: flip(g, axis=axis),), jvp=LINEAR, examples=_flip_example, moves=True, degree=1)
def flip(x: Any, *, axis: Any = None) -> Any:
    """The values in reverse order along one axis, several, or all; the cotangent is reversed in the same way."""
    return np.flip(x, axes_of(axis, np.ndim(x)))


def _roll_example(draw: Draw) -> Arguments:
    shape = draw.shape()
    axis, shift = _some_axes(draw, len(shape)), draw.integer(-4, 4)
    return Arguments(
        [draw.array(shape, REAL)], {"shift": (shift, 1) if isinstance(axis, tuple) else shift, "axis": axis}
    )


@primitive(
    vjp=(written("g, rolled back", lambda g, *, shift, axis: roll(g, shift=np.negative(shift), axis=axis)),),
    jvp=LINEAR,
    examples=_roll_example,
    moves=True,
    degree=1,
)
def roll(x: Any, *, shift: Any, axis: Any = None) -> Any:
    """The values moved `shift` places along an axis, from the end back to the start; axis None: in the flattened x.

    The cotangent is moved back.
    """
    if np.asarray(shift).dtype.kind not in "iu":
        raise TypeError(f"roll: shift must be an integer, or one for each axis, not {shift!r}")
    return np.roll(x, shift, axis)


def _width_pairs(widths: Any, ndim: int) -> Array:
    """The widths of a pad as an array with a pair (before, after) for each axis."""
    try:
        pairs = np.broadcast_to(np.asarray(widths), (ndim, 2))
    except ValueError:
        pairs = np.array([-1])
    if pairs.dtype.kind not in "iu" or (pairs < 0).any():
        raise ValueError(
            f"pad: widths must be an integer, a pair (before, after) or a pair for each of {ndim} axes, "
            f"none negative, not {widths}"
        )
    return pairs


def _interior(shape: tuple[int, ...], widths: Any) -> tuple[slice, ...]:
    """The index of the original values in a padded array of this shape."""
    pairs = _width_pairs(widths, len(shape)).tolist()
    return tuple(slice(before, side - after) for side, (before, after) in zip(shape, pairs, strict=True))


def _pad_example(draw: Draw) -> Arguments:
    shape = draw.shape()
    pair = (draw.integer(0, 2), draw.integer(0, 2))
    widths = draw.choice([pair[0], pair, tuple((k % 2, pair[0]) for k in range(len(shape)))])
    return Arguments([draw.array(shape, REAL)], {"widths": widths or 0, "value": draw.choice([0.0, 2.0])})


@primitive(
    vjp=(written("g without the padding", lambda g, *, widths: getitem(g, _interior(g.shape, widths))),),
    jvp=(lambda t, *, widths: pad(t, widths=widths),),
    examples=_pad_example,
    moves=True,
    degree={"x, value": 1},
)
def pad(x: Any, *, widths: Any, value: float = 0.0) -> Any:
    """x surrounded by places that hold `value`; x receives the part of the cotangent at its own places.

    `widths` is an integer, a pair (before, after), or a pair for each axis; ValueError if one is negative.
    """
    x = np.asarray(x)
    added = _width_pairs(widths, x.ndim).sum(axis=1).tolist()
    out = np.full([side + more for side, more in zip(x.shape, added, strict=True)], value, x.dtype)
    out[_interior(out.shape, widths)] = x
    return out


def _diagonal_example(draw: Draw) -> Arguments:
    return Arguments([draw.array(draw.shape(min_dims=2), REAL)], {"k": draw.integer(-3, 3)})


def _at_least_2d(op: str, x: Any) -> Any:
    if np.ndim(x) < 2:
        raise ValueError(f"{op}: needs at least two axes, not shape {np.shape(x)}")
    return x


@primitive(
    vjp=(lambda g, *, k: tril(g, k=k),), jvp=LINEAR, examples=_diagonal_example, moves=True, selects=True, degree=1
)
def tril(x: Any, *, k: int = 0) -> Any:
    """The lower triangle of the last two axes, up to diagonal `k` (above the main diagonal for k > 0); else zero.

    The contribution is the same triangle of the cotangent. Raises ValueError for fewer than two axes.
    """
    return np.tril(_at_least_2d("tril", x), k)


@primitive(
    vjp=(lambda g, *, k: triu(g, k=k),), jvp=LINEAR, examples=_diagonal_example, moves=True, selects=True, degree=1
)
def triu(x: Any, *, k: int = 0) -> Any:
    """The upper triangle of the last two axes, from diagonal `k` (above the main diagonal for k > 0); else zero.

    The contribution is the same triangle of the cotangent. Raises ValueError for fewer than two axes.
    """
    return np.triu(_at_least_2d("triu", x), k)

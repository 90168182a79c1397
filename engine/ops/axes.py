"""The axes that an op works along, counted from the front.

As in PyTorch, an array without axes is accepted where one axis is named: 0 and -1 then mean its only value.

Read next: `engine/ops/reductions.py`.
"""

from __future__ import annotations

from typing import Any

from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple


def axis_of(axis: Any, ndim: int, op: str | None = None) -> int:
    """One axis. Raises AxisError, a ValueError and IndexError, for an axis that does not exist."""
    try:
        return normalize_axis_index(axis, ndim or 1, op)
    except TypeError:
        raise TypeError(f"{op + ': ' if op else ''}axis must be an integer, not {axis!r}") from None


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Several axes, all of them for None. Raises AxisError for an axis that does not exist."""
    axes = range(ndim) if axis is None else normalize_axis_tuple(axis, ndim or 1)
    return tuple(axes) if ndim else ()


def reduced_shape(shape: tuple[int, ...], axis: Any) -> tuple[int, ...]:
    """The shape with size 1 at each reduced axis."""
    axes = axes_of(axis, len(shape))
    return tuple(1 if a in axes else side for a, side in enumerate(shape))

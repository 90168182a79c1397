"""Strategies for indices of arrays, basic and advanced.

An index is drawn as one part for each axis; then `...` replaces some of the parts, and `None` is inserted anywhere. All
indices are valid in NumPy: integer arrays in one index have the same shape, and are not combined with a mask.

>>> from hypothesis import find
>>> x = np.zeros((3, 2))
>>> find(index_expressions((3, 2)), lambda index: x[index].shape == (3, 2, 1))
(Ellipsis, None)

Read next: `engine/testing/properties.py`, checks at many points.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st

from engine.arrays import Array

Shape = tuple[int, ...]


@st.composite
def index_expressions(draw: st.DrawFn, shape: Shape) -> Any:
    """Indices of an array of this shape.

    Integers, slices with steps, `None` and `...`; integer arrays, possibly with repeated elements; a boolean mask over
    one or more axes; and mixtures of these. They shrink towards `()`, and integer arrays towards zeros.
    """
    parts = draw(st.sampled_from([_integers_and_slices, _lookups, _mask]))(draw, shape)
    start = draw(st.integers(0, len(parts)))
    stop = len(parts) - draw(st.integers(0, len(parts) - start))
    parts[start:] = [..., *parts[stop:]] if draw(st.booleans()) else []
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        parts.insert(draw(st.integers(0, len(parts))), None)
    return parts[0] if len(parts) == 1 and draw(st.booleans()) else tuple(parts)


def _slices(side: int) -> st.SearchStrategy[slice]:
    bound = st.none() | st.integers(-side - 1, side + 1)  # NumPy clips what lies outside
    return st.builds(slice, bound, bound, st.sampled_from([None, 2, -1, -2]))


def _places(side: int) -> st.SearchStrategy[int]:
    return st.integers(-side, side - 1) if side else st.nothing()


def _integers_and_slices(draw: st.DrawFn, shape: Shape) -> list[Any]:
    """A part of an index for each axis."""
    return [draw(_slices(side) | _places(side)) for side in shape]


def _lookups(draw: st.DrawFn, shape: Shape) -> list[Any]:
    """A part of an index for each axis, integer arrays included; those have one shape because NumPy broadcasts them."""
    common = draw(st.sampled_from([(2,), (1,), (3,), (2, 2), (0,)]))

    def lookup(side: int) -> st.SearchStrategy[Array]:
        return integers(common, -side, side - 1) if side or 0 in common else st.nothing()

    return [draw(lookup(side) | _slices(side) | _places(side)) for side in shape]


def _mask(draw: st.DrawFn, shape: Shape) -> list[Any]:
    """A part of an index for each axis, with one mask for some neighbouring axes."""
    if not shape:
        return []
    start = draw(st.integers(0, len(shape) - 1))
    stop = draw(st.integers(start + 1, len(shape)))
    mask = draw(integers(shape[start:stop], 0, 1)) == 1
    return [*_integers_and_slices(draw, shape[:start]), mask, *_integers_and_slices(draw, shape[stop:])]


def integers(shape: Shape, low: int, high: int) -> st.SearchStrategy[Array]:
    size = prod(shape)
    values = st.lists(st.integers(low, high), min_size=size, max_size=size) if size else st.just([])
    return values.map(lambda found: np.array(found, np.int64).reshape(shape))

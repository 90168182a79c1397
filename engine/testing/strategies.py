"""Strategies that draw points at which gradients are checked, for functions and for ops.

    assert_gradients(engine.log, arrays(positive))
    assert_gradients(engine.atan2, broadcastable(2, nonzero))
    assert_gradients(lambda x, y: x @ y, st.tuples(arrays(shape=(2, 3)), arrays(shape=(3,))))

The idea: a person reads a counterexample, so it should shrink to a short one. Shapes are drawn before values, so axes
are removed and sides shortened first; sides shrink towards 1. Values are multiples of 1/8, which are exact in float16;
0 is the simplest, then 2 and the other integers, then the halves.

>>> from hypothesis import find
>>> find(arrays(), lambda x: x.size > 1 and x.max() > 1)
array([0., 2.])
>>> find(broadcastable(2, positive), lambda pair: pair[0].ndim > pair[1].ndim > 0 < pair[1].size)
(array([[2., 2.]]), array([2., 2.]))
>>> find(arrays(distinct), lambda x: x.shape == (2,) and x[0] > x[1])
array([ 0.  , -0.25])

Values are of moderate size: at 1000 functions like `exp` overflow or are flat, and central differences cannot decide.

At the end of this file the same strategies implement the abstract `Draw` of `engine.examples`.

Read next: `engine/testing/indices.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import ceil, floor, prod
from typing import Any, TypeVar

import numpy as np
from hypothesis import strategies as st
from numpy.typing import DTypeLike

from engine.arrays import Array
from engine.examples import DISTINCT, NONZERO, POSITIVE, REAL, UNIT, Arguments, Domain, Draw
from engine.primitive import Primitive
from engine.testing.indices import index_expressions, integers
from engine.testing.layouts import LAYOUTS

__all__ = [
    "HypothesisDraw",
    "arguments",
    "arrays",
    "away_from",
    "axes",
    "axis",
    "broadcastable",
    "broadcastable_shapes",
    "distinct",
    "dtypes",
    "index_expressions",
    "layouts",
    "nonzero",
    "positive",
    "real",
    "shapes",
    "unit",
]

T = TypeVar("T")
Shape = tuple[int, ...]
GRID = 8  # values are multiples of 1 / GRID

# ---- domains -------------------------------------------------------------------------------------------------------

real, positive, unit, nonzero, distinct = REAL, POSITIVE, UNIT, NONZERO, DISTINCT


def away_from(*points: float, gap: float = 0.5) -> Domain:
    """Real numbers at least `gap` away from each of these, where a function has a kink or a pole."""
    return Domain(avoid=points, gap=gap)


@cache
def _values(domain: Domain) -> list[float]:
    """The grid's points in a domain, simplest first, because hypothesis shrinks towards the front.

    1 and -1 are the last of the integers, because too many formulas agree there: x, x * x, 1 / x.
    """
    grid = [k / GRID for k in range(ceil(domain.low * GRID), floor(domain.high * GRID) + 1)]
    values = [v for v in grid if all(abs(v - point) >= domain.gap for point in domain.avoid)]
    if not values:
        raise ValueError(f"arrays: no multiple of 1/{GRID} lies in {domain}; widen it")
    return sorted(values, key=lambda v: (v.as_integer_ratio()[1], abs(v) == 1, abs(v), v < 0))


# ---- shapes ----------------------------------------------------------------------------------------------------------


def shapes(min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 3) -> st.SearchStrategy[Shape]:
    """Shapes of few axes with short sides. A side of 0 is rare, because an empty array tests little."""
    sides = [*range(max(min_side, 1), max_side + 1)]
    if min_side == 0:
        sides = 4 * sides + max_side * [0]  # one side in five is 0
    counts = [*range(min_dims, max_dims + 1)]  # of axes; the smallest count tests the least and is half as likely
    return st.sampled_from(counts + counts[1:]).flatmap(lambda n: st.tuples(*[st.sampled_from(sides)] * n))


@st.composite
def broadcastable_shapes(draw: st.DrawFn, count: int, min_side: int = 0) -> list[Shape]:
    """Shapes that broadcast with one another: a common shape without some leading axes, and with some sides 1."""
    whole = draw(shapes(min_side=min_side))
    kept = [whole[draw(st.integers(0, len(whole))) :] for _ in range(count)]
    return [tuple(1 if draw(st.booleans()) else side for side in shape) for shape in kept]


@st.composite
def _parts_of_a_square(draw: st.DrawFn, count: int) -> list[Shape]:
    """Shapes that broadcast to a square, for which a sum over the wrong axis has the right shape."""
    side = draw(st.integers(2, 3))
    return [draw(st.sampled_from([(side, side), (side,), (1, side), (side, 1)])) for _ in range(count)]


def _any_broadcastable_shapes(count: int) -> st.SearchStrategy[list[Shape]]:
    most = broadcastable_shapes(count)
    return st.one_of(most, most, most, _parts_of_a_square(count))


def axis(ndim: int) -> st.SearchStrategy[int]:
    """One axis of an array with `ndim` axes, counted from the front or from the end."""
    return st.integers(-ndim, ndim - 1)


def axes(ndim: int) -> st.SearchStrategy[int | tuple[int, ...] | None]:
    """The `axis` of a reduction: None, one axis, or a tuple of several."""
    if not ndim:
        return st.none()
    several = st.lists(axis(ndim), max_size=ndim, unique_by=lambda k: k % ndim).map(tuple)
    return st.none() | axis(ndim) | several


# ---- arrays ----------------------------------------------------------------------------------------------------------


def dtypes() -> st.SearchStrategy[np.dtype[Any]]:
    """The floating dtypes, widest first."""
    return st.sampled_from([np.dtype(np.float64), np.dtype(np.float32), np.dtype(np.float16)])


@st.composite
def arrays(
    draw: st.DrawFn,
    domain: Domain = real,
    shape: Shape | st.SearchStrategy[Shape] | None = None,
    *,
    dtype: DTypeLike | st.SearchStrategy[np.dtype[Any]] = np.float64,
    any_layout: bool = False,
) -> Array:
    """Arrays of dyadic values from a domain.

    Args:
        draw: passed by hypothesis.
        domain: the set of values; those of `distinct` all differ, for sorting and maxima.
        shape: a shape or a strategy for shapes; any shape by default.
        dtype: a dtype or a strategy for dtypes.
        any_layout: whether to draw one of the memory layouts of `layouts` too; by default arrays are contiguous.
    """
    sides = shape if isinstance(shape, tuple) else draw(shapes() if shape is None else shape)
    kind = draw(dtype) if isinstance(dtype, st.SearchStrategy) else dtype
    size = prod(sides)
    values = draw((_spread if domain.distinct else _chosen)(domain, size))
    array = np.array(values, kind).reshape(sides)
    if not any_layout:
        return array
    if size and sides and not domain.distinct and draw(st.booleans()):  # repeated values
        array = np.array(np.broadcast_to(array.take([0], draw(axis(len(sides)))), sides))
    return draw(layouts(array))


@st.composite
def _chosen(draw: st.DrawFn, domain: Domain, size: int) -> list[float]:
    """Values from a domain; sometimes only one or two of its points, so that many are equal."""
    values = draw(st.lists(st.sampled_from(_values(domain)), min_size=size, max_size=size))
    different = draw(st.sampled_from([size, size, size, 2, 1])) if size > 1 else size
    return [values[k % different] for k in range(size)]


def _spread(domain: Domain, size: int) -> st.SearchStrategy[list[float]]:
    """Values that all differ, in any order, with gaps that are equal or each another, small or large."""
    gap = st.sampled_from([2, 1, 4, 16])  # in units of the smallest
    gaps = gap.map(lambda one: [one] * size) | st.lists(gap, min_size=size, max_size=size)

    def values(gaps: list[int]) -> list[float]:
        places = np.cumsum(gaps) - np.sum(gaps[: size // 2 + 1])
        return [float(place * domain.gap) for place in places]

    return gaps.flatmap(lambda gaps: st.permutations(values(gaps)))


def broadcastable(count: int, domain: Domain | Sequence[Domain] = real) -> st.SearchStrategy[tuple[Array, ...]]:
    """Tuples of arrays whose shapes broadcast with one another, from one domain or each from its own."""
    domains = [domain] * count if isinstance(domain, Domain) else domain

    def filled(sides: list[Shape]) -> st.SearchStrategy[tuple[Array, ...]]:
        return st.tuples(*[arrays(one, shape) for one, shape in zip(domains, sides, strict=True)])

    return _any_broadcastable_shapes(count).flatmap(filled)


# ---- memory ----------------------------------------------------------------------------------------------------------


def layouts(array: Array) -> st.SearchStrategy[Array]:
    """The same values in different memory layouts.

    C order, Fortran order, permuted axes, gaps, negative strides, strides of 0 along axes with equal values, read-only.
    """
    return st.sampled_from(LAYOUTS).map(lambda lay_out: lay_out(array))


# ---- for ops ---------------------------------------------------------------------------------------------------------


class HypothesisDraw(Draw):
    """`engine.examples.Draw` on top of a hypothesis `draw` function."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def shape(self, *, min_dims: int = 0, max_dims: int = 3, min_side: int = 0) -> Shape:
        return self._draw(shapes(min_dims, max_dims, min_side))

    def broadcastable(self, count: int) -> list[Shape]:
        return self._draw(_any_broadcastable_shapes(count))

    def array(self, shape: Shape, domain: Domain) -> Array:
        return self._draw(arrays(domain, shape))

    def integers(self, shape: Shape, low: int, high: int) -> Array:
        return self._draw(integers(shape, low, high))

    def integer(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def choice(self, options: Sequence[T]) -> T:
        return options[self._draw(st.integers(0, len(options) - 1))]

    def axis(self, ndim: int) -> int:
        return self._draw(axis(ndim))


@st.composite
def arguments(draw: st.DrawFn, primitive: Primitive) -> Arguments:
    """Arguments for one call of an op, from its own examples."""
    if primitive.examples is None:
        raise ValueError(f"{primitive.name}: has no examples to be checked at; give it some")
    drawn, metadata = primitive.examples(HypothesisDraw(draw))
    return Arguments([None if a is None else np.asarray(a) for a in drawn], metadata)

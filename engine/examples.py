"""Examples of valid calls of an op: functions of an abstract `draw`, which the property tests implement.

An example returns the arguments of one call, as `Arguments(arrays, metadata)`. It says *which* arguments are valid
(shapes that broadcast, an axis that exists, values away from a kink), not how to generate them, so the engine needs no
test library:

    def example(draw):
        shape = draw.shape(min_dims=1)
        return Arguments([draw.array(shape, REAL)], {"axis": draw.axis(len(shape))})

Read next: `engine/testing/__init__.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

T = TypeVar("T")


class Domain(NamedTuple):
    """Values an argument may take: `low <= v <= high`, at least `gap` away from each point in `avoid`.

    With `distinct`, the values of an array differ from one another by at least `gap`, as `max` and `sort` require.
    """

    low: float = -3.0
    high: float = 3.0
    avoid: tuple[float, ...] = ()
    gap: float = 0.125
    distinct: bool = False


REAL = Domain()
POSITIVE = Domain(0.5, 3.0)
UNIT = Domain(-0.75, 0.75)  # inside (-1, 1), the domain of the inverse sine and cosine
NONZERO = Domain(avoid=(0.0,), gap=0.5)
DISTINCT = Domain(distinct=True)


class Arguments(NamedTuple):
    """One call of an op: its array arguments and its metadata."""

    arrays: list[Any]
    metadata: dict[str, Any] = {}  # noqa: RUF012 (never written)


class Draw(Protocol):
    """The drawing functions that an example can call. `engine.testing` implements them with hypothesis."""

    def shape(self, *, min_dims: int = 0, max_dims: int = 3, min_side: int = 0) -> tuple[int, ...]:
        """A shape with sides up to 3."""

    def broadcastable(self, count: int) -> list[tuple[int, ...]]:
        """`count` shapes that broadcast with one another."""

    def array(self, shape: tuple[int, ...], domain: Domain) -> Any:
        """A float64 array of values from the domain."""

    def integers(self, shape: tuple[int, ...], low: int, high: int) -> Any:
        """An integer array with `low <= v <= high`."""

    def integer(self, low: int, high: int) -> int:
        """An integer, both ends included."""

    def choice(self, options: Sequence[T]) -> T:
        """One of the options, which are listed from simple to complicated."""

    def axis(self, ndim: int) -> int:
        """An axis of an array with `ndim` axes, negative ones included."""


Example = Callable[[Draw], Arguments]


def elementwise(domain: Domain) -> Example:
    """One array of any shape."""
    return lambda draw: Arguments([draw.array(draw.shape(), domain)])


def broadcasting(*domains: Domain) -> Example:
    """Arrays whose shapes broadcast with one another."""

    def example(draw: Draw) -> Arguments:
        shapes = draw.broadcastable(len(domains))
        return Arguments([draw.array(shape, domain) for shape, domain in zip(shapes, domains, strict=True)])

    return example


def filled(shape: tuple[int, ...], axis: Any) -> tuple[int, ...]:
    """The shape with sides of at least 1 at the given axes: one, several, or all for None."""
    axes = (
        range(len(shape)) if axis is None else [k % len(shape) for k in (axis if isinstance(axis, tuple) else (axis,))]
    )
    return tuple(max(side, 1) if k in axes else side for k, side in enumerate(shape))


def along_axes(domain: Domain, min_side: int = 0) -> Example:
    """One array with `axis` (None, one or several) and `keepdims`, for reductions.

    The reduced axes may be empty, unless `min_side` is 1.
    """

    def example(draw: Draw) -> Arguments:
        shape = draw.shape()
        axis: Any = None
        reduced = draw.choice(["all axes", "one", "two"])
        if reduced != "all axes" and shape:
            axis = draw.axis(len(shape))
            if reduced == "two" and len(shape) > 1:
                axis = (axis % len(shape), (axis + 1) % len(shape))
        keepdims: bool = draw.choice([False, True])
        shape = filled(shape, axis) if min_side else shape
        return Arguments([draw.array(shape, domain)], {"axis": axis, "keepdims": keepdims})

    return example


def along_axis(domain: Domain, min_side: int = 1) -> Example:
    """One array with one `axis`, which has at least `min_side` (0 or 1) values."""

    def example(draw: Draw) -> Arguments:
        shape = draw.shape(min_dims=1)
        axis = draw.axis(len(shape))
        return Arguments([draw.array(filled(shape, axis) if min_side else shape, domain)], {"axis": axis})

    return example

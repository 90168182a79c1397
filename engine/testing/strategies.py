"""Hypothesis behind the engine's abstract `draw`: the examples of every op become strategies.

Values are dyadic (multiples of 1/8), so counterexamples shrink to short numbers that float32 and float64 hold exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.examples import Arguments, Domain, Draw
from engine.primitive import Primitive

T = TypeVar("T")
GRID = 8  # values are multiples of 1 / GRID


class HypothesisDraw(Draw):
    """`engine.examples.Draw` on top of a hypothesis `draw` function."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw

    def shape(self, *, min_dims: int = 0, max_dims: int = 3, min_side: int = 0) -> tuple[int, ...]:
        shapes = hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=3)
        return self._draw(shapes)

    def broadcastable(self, count: int) -> list[tuple[int, ...]]:
        shapes = hnp.mutually_broadcastable_shapes(num_shapes=count, max_dims=3, min_side=0, max_side=3)
        return list(self._draw(shapes).input_shapes)

    def array(self, shape: tuple[int, ...], domain: Domain) -> Any:
        return self._draw(arrays(shape, domain))

    def integers(self, shape: tuple[int, ...], low: int, high: int) -> Any:
        return self._draw(hnp.arrays(np.int64, shape, elements=st.integers(low, high)))

    def integer(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def choice(self, options: Sequence[T]) -> T:
        return options[self._draw(st.integers(0, len(options) - 1))]

    def axis(self, ndim: int) -> int:
        return self._draw(st.integers(-ndim, ndim - 1))


def arrays(shape: tuple[int, ...], domain: Domain) -> st.SearchStrategy[Any]:
    """float64 arrays of dyadic values from a domain."""
    if domain.distinct:
        size = int(np.prod(shape))
        return st.permutations(range(size)).map(
            lambda order: (np.array(order, np.float64).reshape(shape) - size // 2) * (2 * domain.gap)
        )
    allowed = [
        k / GRID
        for k in range(int(np.ceil(domain.low * GRID)), int(domain.high * GRID) + 1)
        if all(abs(k / GRID - point) >= domain.gap for point in domain.avoid)
    ]
    allowed.sort(key=lambda v: (abs(v), v < 0))  # hypothesis shrinks towards the front
    return hnp.arrays(np.float64, shape, elements=st.sampled_from(allowed), fill=st.nothing())


@st.composite
def arguments(draw: Any, primitive: Primitive) -> Arguments:
    """Arguments for one call of an op, from its own examples."""
    if primitive.examples is None:
        raise ValueError(f"{primitive.name}: has no examples to be checked at; give it some")
    drawn, metadata = primitive.examples(HypothesisDraw(draw))
    return Arguments([None if a is None else np.asarray(a) for a in drawn], metadata)


@st.composite
def cotangents(draw: Any, shape: tuple[int, ...]) -> Any:
    """Random directions: never all ones, under which softmax and layer norm have no gradient at all."""
    seed = draw(st.integers(0, 2**16))
    return np.random.default_rng(seed).normal(size=shape)

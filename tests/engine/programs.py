"""Random programs: a strategy for small graphs with fan-out, diamonds and broadcasting."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import engine
from engine import Tensor

BINARY = (engine.add, engine.subtract, engine.multiply, engine.maximum)
UNARY = (engine.tanh, engine.square, engine.negative, lambda x: engine.softmax(x), lambda x: x.sum(-1, keepdims=True))

steps = st.tuples(st.integers(0, len(BINARY) + len(UNARY) - 1), st.integers(0, 99), st.integers(0, 99))
programs = st.tuples(st.integers(0, 2**16), st.lists(steps, min_size=1, max_size=12))


def inputs(seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in ((2, 3), (3,), (2, 1))]


def run(program: list[tuple[int, int, int]], arrays: list[Any]) -> Any:
    """Apply the steps to a growing pool of values; the result is the sum of the last one and every input."""
    pool = list(arrays)
    for op, left, right in program:
        x, y = pool[left % len(pool)], pool[right % len(pool)]
        pool.append(BINARY[op](x, y) if op < len(BINARY) else _unary(op - len(BINARY), x))
    total = engine.sum(engine.tanh(pool[-1]))
    for x in arrays:
        total = total + engine.sum(x * x)
    return total


def _unary(op: int, x: Any) -> Any:
    return UNARY[op](x if isinstance(x, Tensor) else Tensor(x))

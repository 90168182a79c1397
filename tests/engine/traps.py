"""What the tests of the awkward cases share."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from engine import Tensor

Function = Callable[..., Any]
inf, nan, float32 = math.inf, math.nan, np.float32
RNG = np.random.default_rng(0)


def leaf(values: Any, dtype: Any = np.float64) -> Tensor:
    return Tensor(values, requires_grad=True, dtype=dtype)


def ones(*shape: int) -> Tensor:
    return leaf(np.ones(shape), float32)


def grad_of(x: Tensor) -> Any:
    assert x.grad is not None
    return x.grad.numpy()


def slopes(f: Function, *values: Any) -> list[Any]:
    """The gradient of f(values).sum() in each; only the forward pass may warn."""
    inputs = [leaf(value) for value in values]
    with np.errstate(all="ignore"):
        total = f(*inputs).sum()
    total.backward()
    return [grad_of(x).tolist() for x in inputs]


def same(found: Any, expected: Any) -> None:
    np.testing.assert_array_equal(found.numpy() if isinstance(found, Tensor) else found, expected)


def recorded() -> bool:
    return (leaf(1.0) * 2).requires_grad

"""Gradients of any function of the engine's ops, also one that is no primitive, against central differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine import Tensor
from engine.testing.laws import agree, pull_back
from engine.testing.numeric import cotangent_gradient, directional
from engine.transforms import grad_or_zeros


def check_gradients(function: Callable[..., Any], *arrays: Any) -> None:
    """First derivatives by a plain and by a recorded sweep, and second derivatives, at one point in float64."""
    rng = np.random.default_rng(0)
    g = rng.normal(size=np.shape(function(*arrays)))
    wanted = range(len(arrays))
    for k in wanted:
        truth = cotangent_gradient(function, arrays, k, g)
        agree(f"argument {k}", pull_back(function, arrays, wanted, g)[k], truth)
        agree(f"argument {k}, recorded", pull_back(function, arrays, wanted, g, create_graph=True)[k], truth)
    directions = [rng.normal(size=np.shape(a)) for a in arrays]
    second = _second_derivatives(function, arrays, g, directions)
    for k in wanted:
        truth = directional(lambda *moved, k=k: pull_back(function, moved, wanted, g)[k], arrays, directions)
        agree(f"argument {k}, second derivative", second[k], truth)


def _second_derivatives(function: Callable[..., Any], arrays: Any, g: Any, directions: Any) -> list[Any]:
    """The gradient of <gradient, directions> in each array."""
    every = tuple(range(len(arrays)))
    first = grad_or_zeros(lambda *xs: (function(*xs) * g).sum(), every)
    return grad_or_zeros(
        lambda *xs: sum((slope * d).sum() for slope, d in zip(first(*xs), directions, strict=True)), every
    )(*arrays)


def gradient(function: Callable[[Tensor], Any], values: Any, dtype: Any = np.float64) -> Any:
    """The gradient of the sum of `function` at one array, for exact values."""
    x = Tensor(np.array(values, dtype), requires_grad=True)
    function(x).sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == dtype
    return x.grad.numpy()

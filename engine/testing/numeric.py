"""Numerical truth: derivatives by central differences, extrapolated, with an estimate of their own error.

A central difference (f(h) - f(-h)) / 2h is off by c h^2 + ...; two of them with different h cancel the leading
term, three the next, and so on (Richardson). Ridders' method fills that tableau while shrinking h and keeps the
entry whose neighbours agree best; how well they agree is the error estimate (Ridders 1982). Everything happens
in float64.

Read next: `engine/testing/laws.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.tensor import Array


class Estimate(NamedTuple):
    """A numerical derivative and how far off it may be, elementwise."""

    value: Array
    error: Array


def derivative(f: Callable[[float], Any], step: float, rows: int = 5, shrink: float = 2.0) -> Estimate:
    """f'(0) for a function of one number with array values; `step` is the largest it is moved by."""
    previous: list[Array] = []
    best: Array | None = None
    error: Array = np.array(np.inf)
    for row in range(rows):
        h = step / shrink**row
        upper, lower = np.asarray(f(h), np.float64), np.asarray(f(-h), np.float64)
        current = [(upper - lower) / (2 * h)]
        rounding = np.finfo(np.float64).eps * np.maximum(np.abs(upper), np.abs(lower)) / h
        factor = shrink**2
        for order in range(row):
            refined = current[order] + (current[order] - previous[order]) / (factor - 1)
            doubt = np.maximum(np.abs(refined - current[order]), np.abs(refined - previous[order])) + rounding
            if best is None:
                best, error = refined, doubt
            else:
                best, error = np.where(doubt < error, refined, best), np.minimum(doubt, error)
            current.append(refined)
            factor *= shrink**2
        previous = current
    assert best is not None
    return Estimate(best, error)


def directional(f: Callable[..., Any], arrays: Sequence[Any], directions: Sequence[Any]) -> Estimate:
    """d/dh f(arrays + h directions) at h = 0; a direction of None leaves its array alone.

    No element moves further than 1/16, however long the directions are, so points can be known to stay clear of kinks.
    """

    def along(h: float) -> Any:
        return f(*[a if d is None else a + h * d for a, d in zip(arrays, directions, strict=True)])

    longest = max([float(np.abs(d).max(initial=1)) for d in directions if d is not None], default=1.0)
    return derivative(along, step=0.0625 / longest)


def cotangent_gradient(f: Callable[..., Any], arrays: Sequence[Any], position: int, g: Array) -> Estimate:
    """The gradient of <g, f(arrays)> in one array, element by element."""
    x = arrays[position]
    value, error = np.zeros(x.shape), np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        direction = np.zeros(x.shape)
        direction[index] = 1.0
        directions = [direction if k == position else None for k in range(len(arrays))]
        slope = directional(lambda *moved: np.vdot(g, f(*moved)), arrays, directions)
        value[index], error[index] = slope.value, slope.error
    return Estimate(value, error)

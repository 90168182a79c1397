"""Hints: mistakes by the traces they leave. A ratio of -1 is a sign, a ratio of n a sum for a mean.

Each hint is a guess from one wrong entry and its neighbours, and says so by being a phrase beside the figures, never
instead of them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.arrays import Array


def hint(found: Array, truth: Array, at: int, known: Mapping[str, Array]) -> str:
    """What the difference between a gradient and the truth looks like; empty if like nothing.

    Args:
        found, truth: the gradient in one argument, in that argument's shape.
        at: the flat index of the worst entry.
        known: values that a mistake may have multiplied or forgotten, by name; those of the argument's shape count.
    """
    with np.errstate(all="ignore"):
        ratio = found.flat[at] / truth.flat[at]
        return (
            _of_value(found.flat[at], ratio)
            or _of_nearness(found, truth, ratio)
            or _of_places(found, truth)
            or _of_counts(ratio, found.shape)
            or _of_factors(found, truth, known)
        )


def _of_value(found: float, ratio: float) -> str:
    if not np.isfinite(found):
        return "not a finite number"
    if found == 0:
        return "nothing arrives: a path is cut, or taken for a constant"
    return "the sign is flipped" if _same(ratio, -1) else ""


def _of_places(found: Array, truth: Array) -> str:
    """The right numbers in the wrong places."""
    if found.size < 3 or not np.isfinite(truth).all() or np.allclose(truth, truth.flat[0]):
        return ""
    if found.ndim > 1 and found.shape == found.T.shape and _same(found, truth.T):
        return "the transpose of the right answer"
    for axis in range(found.ndim):
        if _same(found, np.flip(truth, axis)):
            return f"the right answer backwards along axis {axis}"
        for shift in (1, -1):
            if _same(found, np.roll(truth, shift, axis)):
                return f"the right answer moved by {shift} along axis {axis}"
    if _same(np.sort(found, axis=None), np.sort(truth, axis=None)):
        return "the right numbers in other places"
    return ""


def _of_counts(ratio: float, shape: tuple[int, ...]) -> str:
    if _same(ratio, 2):
        return "counted twice, or a half is missing"
    if _same(ratio, 0.5):
        return "halved, or the 2 of a square is missing"
    for count in {int(np.prod(shape)), *shape}:
        if count > 2 and _same(ratio, count):
            return f"times {count}: a sum where a mean is meant"
        if count > 2 and _same(ratio, 1 / count):
            return f"divided by {count}: a mean where a sum is meant, or only one of {count} terms"
    return ""


def _of_factors(found: Array, truth: Array, known: Mapping[str, Array]) -> str:
    """A known value is there once too often, or once too seldom."""
    for name, value in known.items():
        if value.shape != found.shape or _same(np.abs(value), 1) or not truth.all():
            continue
        if _same(found, truth * value):
            return f"the factor {name} is there once too often"
        if _same(found * value, truth):
            return f"the factor {name} is missing"
    return ""


def _of_nearness(found: Array, truth: Array, ratio: float) -> str:
    if abs(ratio - 1) < 0.05 and np.allclose(found, truth, rtol=0.05, atol=1e-3 * np.abs(truth).max()):
        return "close: a rounded constant, or an approximation"
    return ""


def _same(a: Array | float, b: Array | float) -> bool:
    return bool(np.allclose(a, b, rtol=1e-4, atol=1e-9))

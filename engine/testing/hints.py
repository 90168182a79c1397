"""Hints: the known mistake that a wrong gradient looks like. A ratio of -1 is a flipped sign, n a sum for a mean.

A hint is a guess from the wrong entry and its neighbours. The report prints it beside the figures, never in their
place.

Read next: `engine/testing/names.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.arrays import Array


def hint(found: Array, truth: Array, at: int, factors: Mapping[str, Array]) -> str:
    """The known mistake that explains how a gradient differs from the truth; "" if there is none.

    Args:
        found, truth: the gradient in one argument, in that argument's shape.
        at: the flat index of the worst entry.
        factors: arrays, by name, that a mistake may have left out or multiplied by twice; others than those of the
            argument's shape are ignored.
    """
    with np.errstate(all="ignore"):
        ratio = found.flat[at] / truth.flat[at]
        return (
            _from_value(found.flat[at], ratio)
            or _from_nearness(found, truth, ratio)
            or _from_places(found, truth)
            or _from_counts(ratio, found.shape)
            or _from_factors(found, truth, factors)
        )


def hint_of_all(found: Array, truth: Array) -> str:
    """The known mistake that explains a whole Jacobian, of shape (elements of an argument, elements of the result)."""
    if found.shape[1] < 2 or not found.any():
        return ""
    if _same_columns(found) and not _same_columns(truth):
        return "the same for every cotangent: g is ignored"
    if found.shape == found.T.shape and _same(found, truth.T) and not _same(truth, truth.T):
        return "the Jacobian is transposed: J @ g, where J.T @ g is meant"
    return ""


def _same_columns(jacobian: Array) -> bool:
    return bool(np.array_equal(jacobian, np.broadcast_to(jacobian[:, :1], jacobian.shape)))


def _from_value(found: float, ratio: float) -> str:
    if not np.isfinite(found):
        return "not a finite number"
    if found == 0:
        return "nothing arrives: a path is cut, or taken for a constant"
    return "the sign is flipped" if _same(ratio, -1) else ""


def _from_places(found: Array, truth: Array) -> str:
    """A hint if the right numbers are in the wrong places."""
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


def _from_counts(ratio: float, shape: tuple[int, ...]) -> str:
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


def _from_factors(found: Array, truth: Array, factors: Mapping[str, Array]) -> str:
    """A hint if one of the factors is missing or there twice."""
    for name, value in factors.items():
        if value.shape != found.shape or _same(np.abs(value), 1) or not truth.all():
            continue
        if _same(found, truth * value):
            return f"the factor {name} is there once too often"
        if _same(found * value, truth):
            return f"the factor {name} is missing"
    return ""


def _from_nearness(found: Array, truth: Array, ratio: float) -> str:
    if abs(ratio - 1) < 0.05 and np.allclose(found, truth, rtol=0.05, atol=1e-3 * np.abs(truth).max()):
        return "close: a rounded constant, or an approximation"
    return ""


def _same(a: Array | float, b: Array | float) -> bool:
    return bool(np.allclose(a, b, rtol=1e-4, atol=1e-9))

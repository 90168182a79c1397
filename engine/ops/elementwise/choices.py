"""Ops that select one of their arguments at each place, and send the cotangent to the selected argument.

Read next: `engine/ops/elementwise/comparisons.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.declare import primitive
from engine.examples import REAL, Arguments, Draw
from engine.operands import as_operand
from engine.plan import written

__all__ = ["clip", "maximum", "minimum", "where"]


def _share(x: Any, y: Any, out: Any) -> Any:
    """The share of x in the cotangent: 1 where x is the result, 1/2 where x and y are equal, else 0."""
    tie = as_operand(x) == as_operand(y)
    return np.where(tie, 0.5, as_operand(x) == as_operand(out)).astype(out.dtype)


_EXTREME_RULES = (
    written("g where x = out, half of it where x = y, else 0", lambda g, x, y, out: g * _share(x, y, out)),
    written("g where y = out, half of it where x = y, else 0", lambda g, x, y, out: g * _share(y, x, out)),
)


def _untied_example(draw: Draw) -> Arguments:
    """Two arrays that broadcast and are nowhere equal: even numbers and odd numbers."""
    left, right = draw.broadcastable(2)
    return Arguments([2.0 * draw.integers(left, -2, 2), 2.0 * draw.integers(right, -2, 2) + 1.0])


@primitive(
    vjp=_EXTREME_RULES,
    jvp=_EXTREME_RULES,
    examples=_untied_example,
    broadcasts=True,
    pointwise=True,
    degree=1,
)
def maximum(x: Any, y: Any) -> Any:
    """Elementwise larger of two, which receives the cotangent; where they are equal, each receives half."""
    return np.maximum(x, y)


@primitive(
    vjp=_EXTREME_RULES,
    jvp=_EXTREME_RULES,
    examples=_untied_example,
    broadcasts=True,
    pointwise=True,
    degree=1,
)
def minimum(x: Any, y: Any) -> Any:
    """Elementwise smaller of two, which receives the cotangent; where they are equal, each receives half."""
    return np.minimum(x, y)


def _clip_example(draw: Draw) -> Arguments:
    """Integer values and half-integer bounds, so no value is near a bound; either bound, or both, may be None."""
    shapes = draw.broadcastable(3)
    x = 1.0 * draw.integers(shapes[0], -3, 3)
    low = draw.choice([draw.integers(shapes[1], -2, 0) - 0.5, None])
    high = draw.choice([draw.integers(shapes[2], 0, 2) + 0.5, None])
    return Arguments([x, low, high])


def _outside(x: Any, min: Any, max: Any) -> Any:
    below = False if min is None else as_operand(x) < as_operand(min)
    above = False if max is None else as_operand(x) > as_operand(max)
    return below | above


_CLIP_RULES = (
    written("g where min <= x <= max, else 0", lambda g, x, min, max: where(_outside(x, min, max), 0.0, g)),
    written("g where x < min, else 0", lambda g, x, min: where(as_operand(x) < as_operand(min), g, 0.0)),
    written("g where x > max, else 0", lambda g, x, max: where(as_operand(x) > as_operand(max), g, 0.0)),
)


@primitive(
    vjp=_CLIP_RULES,
    jvp=_CLIP_RULES,
    examples=_clip_example,
    broadcasts=True,
    pointwise=True,
    degree=1,
)
def clip(x: Any, min: Any = None, max: Any = None) -> Any:
    """Elementwise min(max(x, min), max); either bound may be None.

    x receives the cotangent between the bounds and at a bound; beyond a bound, the bound receives it. Raises ValueError
    if min > max anywhere.
    """
    if min is None and max is None:
        return x
    if min is not None and max is not None and (crossed := np.greater(min, max)).any():
        low, high = (np.broadcast_to(bound, crossed.shape)[crossed][0] for bound in (min, max))
        raise ValueError(f"clip: min {low} is greater than max {high}; there is nothing between them")
    if not isinstance(x, np.ndarray):
        x = np.asarray(x, np.result_type(x, *(bound for bound in (min, max) if bound is not None)))
    return np.clip(x, min, max)


def check_boolean(op: str, name: str, value: Any, instead: str) -> None:
    """Raise TypeError for a mask or condition of numbers, which may be meant in several ways."""
    dtype = np.asarray(value).dtype
    if dtype.kind != "b":
        raise TypeError(f"{op}: {name} must be boolean, not {dtype}; give {instead}")


def _where_example(draw: Draw) -> Arguments:
    shapes = draw.broadcastable(3)
    return Arguments([draw.integers(shapes[0], 0, 1) == 1, draw.array(shapes[1], REAL), draw.array(shapes[2], REAL)])


@primitive(
    vjp=(None, lambda g, condition: where(condition, g, 0.0), lambda g, condition: where(condition, 0.0, g)),
    jvp=(None, lambda t, condition: where(condition, t, 0.0), lambda t, condition: where(condition, 0.0, t)),
    examples=_where_example,
    broadcasts=True,
    pointwise=True,
    moves=True,
    selects=True,
    degree=1,
)
def where(condition: Any, x: Any, y: Any) -> Any:
    """x where the condition is true, else y; each receives the cotangent at the places it filled."""
    check_boolean("where", "condition", condition, "condition != 0")
    if not isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
        x = np.asarray(x, dtype=y.dtype)  # np.where would make a Python number float64, and promote y to it
    if not isinstance(y, np.ndarray) and isinstance(x, np.ndarray):
        y = np.asarray(y, dtype=x.dtype)
    return np.where(condition, x, y)


def nonzero_divisor(x: Any) -> Any:
    """x with 1 in place of 0: a divisor for values that are 0 wherever x is 0, and so remain 0."""
    zero = as_operand(x) == 0
    return where(zero, 1.0, x) if zero.any() else x

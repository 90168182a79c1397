"""Ops that pick one of their arguments, place by place, and send the gradient to the one picked."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.declare import primitive
from engine.examples import REAL, Arguments, Draw
from engine.operands import as_operand

__all__ = ["clip", "maximum", "minimum", "where"]


def _won(x: Any, y: Any, out: Any) -> Any:
    """1 where x is the result, 1/2 where both are."""
    tie = as_operand(x) == as_operand(y)
    return np.where(tie, 0.5, as_operand(x) == as_operand(out)).astype(out.dtype)


_TO_THE_WINNER = (lambda g, x, y, out: g * _won(x, y, out), lambda g, x, y, out: g * _won(y, x, out))


def _apart(draw: Draw) -> Arguments:
    """Two arrays that broadcast and never tie: even numbers, and odd ones."""
    left, right = draw.broadcastable(2)
    return Arguments([2.0 * draw.integers(left, -2, 2), 2.0 * draw.integers(right, -2, 2) + 1.0])


@primitive(
    vjp=_TO_THE_WINNER,
    jvp=_TO_THE_WINNER,
    examples=_apart,
    broadcasts=True,
    pointwise=True,
)
def maximum(x: Any, y: Any) -> Any:
    """Elementwise larger of two; a tie sends half to each."""
    return np.maximum(x, y)


@primitive(
    vjp=_TO_THE_WINNER,
    jvp=_TO_THE_WINNER,
    examples=_apart,
    broadcasts=True,
    pointwise=True,
)
def minimum(x: Any, y: Any) -> Any:
    """Elementwise smaller of two; a tie sends half to each."""
    return np.minimum(x, y)


def _clip_example(draw: Draw) -> Arguments:
    """Whole numbers between bounds at halves, so nothing is near a bound; either bound, or both, may be None."""
    shapes = draw.broadcastable(3)
    x = 1.0 * draw.integers(shapes[0], -3, 3)
    low = draw.choice([draw.integers(shapes[1], -2, 0) - 0.5, None])
    high = draw.choice([draw.integers(shapes[2], 0, 2) + 0.5, None])
    return Arguments([x, low, high])


def _outside(x: Any, min: Any, max: Any) -> Any:
    below = False if min is None else as_operand(x) < as_operand(min)
    above = False if max is None else as_operand(x) > as_operand(max)
    return below | above


_TO_THE_ONE_IN_FORCE = (
    lambda g, x, min, max: where(_outside(x, min, max), 0.0, g),
    lambda g, x, min: where(as_operand(x) < as_operand(min), g, 0.0),
    lambda g, x, max: where(as_operand(x) > as_operand(max), g, 0.0),
)


@primitive(
    vjp=_TO_THE_ONE_IN_FORCE,
    jvp=_TO_THE_ONE_IN_FORCE,
    examples=_clip_example,
    broadcasts=True,
    pointwise=True,
)
def clip(x: Any, min: Any = None, max: Any = None) -> Any:
    """Elementwise x kept between two bounds, each optional; at a bound the gradient is x's, beyond it the bound's.

    Raises ValueError where min > max.
    """
    if min is None and max is None:
        return x
    if min is not None and max is not None and (crossed := np.greater(min, max)).any():
        low, high = (np.broadcast_to(bound, crossed.shape)[crossed][0] for bound in (min, max))
        raise ValueError(f"clip: min {low} is greater than max {high}; there is nothing between them")
    if not isinstance(x, np.ndarray):
        x = np.asarray(x, np.result_type(x, *(bound for bound in (min, max) if bound is not None)))
    return np.clip(x, min, max)


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
)
def where(condition: Any, x: Any, y: Any) -> Any:
    """x where the condition holds, else y; each receives the gradient of the places it filled."""
    if not isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
        x = np.asarray(x, dtype=y.dtype)  # a Python number takes the other's dtype; np.where would widen to float64
    if not isinstance(y, np.ndarray) and isinstance(x, np.ndarray):
        y = np.asarray(y, dtype=x.dtype)
    return np.where(condition, x, y)

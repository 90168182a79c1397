"""Comparisons. They have no derivative, so whatever they are given they return plain boolean arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.primitive import as_operand
from engine.tensor import Array


def equal(x: Any, y: Any) -> Array:
    """Elementwise x == y, a boolean array."""
    return np.equal(as_operand(x), as_operand(y))


def not_equal(x: Any, y: Any) -> Array:
    """Elementwise x != y, a boolean array."""
    return np.not_equal(as_operand(x), as_operand(y))


def less(x: Any, y: Any) -> Array:
    """Elementwise x < y, a boolean array."""
    return np.less(as_operand(x), as_operand(y))


def less_equal(x: Any, y: Any) -> Array:
    """Elementwise x <= y, a boolean array."""
    return np.less_equal(as_operand(x), as_operand(y))


def greater(x: Any, y: Any) -> Array:
    """Elementwise x > y, a boolean array."""
    return np.greater(as_operand(x), as_operand(y))


def greater_equal(x: Any, y: Any) -> Array:
    """Elementwise x >= y, a boolean array."""
    return np.greater_equal(as_operand(x), as_operand(y))

"""Comparisons. They have no derivative, so they return boolean arrays, also when given tensors.

Read next: `engine/ops/axes.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.arrays import Array
from engine.operands import as_operand, operand
from engine.tensor import Tensor

__all__ = ["equal", "greater", "greater_equal", "less", "less_equal", "not_equal"]


def _compare(ufunc: np.ufunc, x: Any, y: Any) -> Array:
    x, y = (_operand(ufunc, name, argument) for name, argument in (("x", x), ("y", y)))
    try:
        return ufunc(x, y)
    except ValueError as error:
        raise ValueError(f"{ufunc.__name__}: shapes {np.shape(x)}, {np.shape(y)} do not fit") from error


def _operand(ufunc: np.ufunc, name: str, argument: Any) -> Any:
    """The array or number to compare; None is allowed, but has no order."""
    if isinstance(argument, Tensor) or (argument is None and ufunc in (np.equal, np.not_equal)):
        return as_operand(argument)
    return operand(ufunc.__name__, name, argument)


def equal(x: Any, y: Any) -> Array:
    """Elementwise x == y, a boolean array."""
    return _compare(np.equal, x, y)


def not_equal(x: Any, y: Any) -> Array:
    """Elementwise x != y, a boolean array."""
    return _compare(np.not_equal, x, y)


def less(x: Any, y: Any) -> Array:
    """Elementwise x < y, a boolean array."""
    return _compare(np.less, x, y)


def less_equal(x: Any, y: Any) -> Array:
    """Elementwise x <= y, a boolean array."""
    return _compare(np.less_equal, x, y)


def greater(x: Any, y: Any) -> Array:
    """Elementwise x > y, a boolean array."""
    return _compare(np.greater, x, y)


def greater_equal(x: Any, y: Any) -> Array:
    """Elementwise x >= y, a boolean array."""
    return _compare(np.greater_equal, x, y)

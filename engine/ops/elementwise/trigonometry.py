"""Trigonometric and hyperbolic functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.examples import REAL, elementwise
from engine.primitive import primitive


@primitive(
    vjp=(lambda g, out: g * (1 - out * out),), jvp=(lambda t, out: t * (1 - out * out),), examples=elementwise(REAL)
)
def tanh(x: Any) -> Any:
    """Elementwise hyperbolic tangent; d tanh(x) = (1 - tanh(x)**2) dx."""
    return np.tanh(x)

"""Functions that bend: what networks put between their linear maps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import special
from engine.examples import NONZERO, REAL, elementwise
from engine.ops.elementwise.powers import exp
from engine.primitive import primitive


@primitive(vjp=(lambda g, out: g * (out > 0),), jvp=(lambda t, out: t * (out > 0),), examples=elementwise(NONZERO))
def relu(x: Any) -> Any:
    """Elementwise max(x, 0); derivative 0 at the kink."""
    return np.maximum(x, 0)


_SLOPE_AT_ZERO = 2 / math.sqrt(math.pi)


@primitive(
    vjp=(lambda g, x: g * (_SLOPE_AT_ZERO * exp(-(x * x))),),
    jvp=(lambda t, x: t * (_SLOPE_AT_ZERO * exp(-(x * x))),),
    examples=elementwise(REAL),
)
def erf(x: Any) -> Any:
    """Elementwise error function; d erf(x) = 2 / sqrt(pi) exp(-x*x) dx."""
    return special.erf(np.asarray(x))

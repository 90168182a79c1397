"""Activation functions, the nonlinear functions between the linear maps of a network, erf and erfc. None overflows.

Read next: `engine/special.py`, how erf and erfc are computed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import special
from engine.declare import primitive
from engine.examples import NONZERO, REAL, elementwise
from engine.ops.elementwise.powers import exp, expm1
from engine.plan import written

__all__ = ["erf", "erfc", "relu", "sigmoid", "silu", "softplus"]


@primitive(
    vjp=(lambda g, out: g * (out > 0),),
    jvp=(lambda t, out: t * (out > 0),),
    examples=elementwise(NONZERO),
    pointwise=True,
    degree=1,
)
def relu(x: Any) -> Any:
    """Elementwise max(x, 0); d = dx where x > 0, else 0, at the kink too."""
    return np.maximum(x, 0)


def as_floating(x: Any) -> Any:
    """An array of floats; integers and booleans become float64, because the negative of an unsigned integer wraps."""
    x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(np.float64)


@primitive(
    vjp=(lambda g, x, out: g * (out * sigmoid(-x)),),  # 1 - out would cancel for large x
    jvp=(lambda t, x: t * (sigmoid(x) * sigmoid(-x)),),
    examples=elementwise(REAL),
    pointwise=True,
)
def sigmoid(x: Any) -> Any:
    """Elementwise 1 / (1 + exp(-x)); d sigmoid(x) = sigmoid(x) (1 - sigmoid(x)) dx."""
    with np.errstate(over="ignore"):  # for very negative x exp(-x) is inf, and 1 / inf = 0 is right
        return 1 / (1 + np.exp(-as_floating(x)))


@primitive(
    vjp=(lambda g, x: g * sigmoid(x),),
    jvp=(lambda t, out: t * -expm1(-out),),
    examples=elementwise(REAL),
    pointwise=True,
)
def softplus(x: Any) -> Any:
    """Elementwise log(1 + exp(x)), a smooth relu; d softplus(x) = sigmoid(x) dx."""
    x = as_floating(x)
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _silu_slope(x: Any, out: Any) -> Any:
    gate = sigmoid(x)
    return gate + out * sigmoid(-x)  # 1 - gate would cancel for large x


@primitive(
    vjp=(written("g * (s + x s (1 - s)), s = sigmoid(x)", lambda g, x, out: g * _silu_slope(x, out)),),
    jvp=(lambda t, x: t * (sigmoid(x) * (1 + x * sigmoid(-x))),),
    examples=elementwise(REAL),
    pointwise=True,
)
def silu(x: Any) -> Any:
    """Elementwise x sigmoid(x), also called swish; d = (s + x s (1 - s)) dx with s = sigmoid(x)."""
    return x * sigmoid(x)


_SLOPE_AT_ZERO = 2 / math.sqrt(math.pi)


@primitive(
    vjp=(written("g * 2 / sqrt(pi) * exp(-x**2)", lambda g, x: g * (_SLOPE_AT_ZERO * exp(-(x * x)))),),
    jvp=(lambda t, x: t * (_SLOPE_AT_ZERO * exp(-(x * x))),),
    examples=elementwise(REAL),
    pointwise=True,
)
def erf(x: Any) -> Any:
    """Elementwise error function, 2 / sqrt(pi) times the integral of exp(-s*s) from 0 to x.

    d erf(x) = 2 / sqrt(pi) exp(-x*x) dx.
    """
    return special.erf(np.asarray(x))


@primitive(
    vjp=(written("-g * 2 / sqrt(pi) * exp(-x**2)", lambda g, x: g * (-_SLOPE_AT_ZERO * exp(-(x * x)))),),
    jvp=(lambda t, x: t * (-_SLOPE_AT_ZERO * exp(-(x * x))),),
    examples=elementwise(REAL),
    pointwise=True,
)
def erfc(x: Any) -> Any:
    """Elementwise 1 - erf(x), precise for large x too; d erfc(x) = -2 / sqrt(pi) exp(-x*x) dx."""
    return special.erfc(as_floating(x))

"""gelu: x times the probability that a standard normal variable is below x (Hendrycks and Gimpel 2016).

Both forms are x * gate(x), with the derivative gate + x gate'. The exact form has gate = erfc(-x / sqrt 2) / 2, whose
derivative is the normal density; the tanh form of GPT-2 has gate = (1 + tanh u) / 2 = sigmoid(2u) with
u = sqrt(2/pi) (x + 0.044715 x^3). Neither gate is computed as a difference, which would cancel for very negative x. The
forward pass saves the gate.

Read next: `engine/ops/fused/softmax.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import special
from engine.arrays import Array
from engine.declare import primitive
from engine.examples import REAL, Arguments, Draw
from engine.ops.elementwise.activations import erfc, sigmoid
from engine.ops.elementwise.arithmetic import multiply

__all__ = ["gelu"]

_SLOPE = math.sqrt(2 / math.pi)
_CUBIC = 0.044715
_FAR = 100.0  # the gate of the tanh form is 0 or 1 beyond it


def _reference(x: Any, *, approximate: str) -> Any:
    if approximate == "tanh":
        return multiply(x, sigmoid(2 * _SLOPE * (x + _CUBIC * (x * x * x))))
    return multiply(x, 0.5 * erfc(x * -math.sqrt(0.5)))


def _example(draw: Draw) -> Arguments:
    return Arguments([draw.array(draw.shape(), REAL)], {"approximate": draw.choice(["none", "tanh"])})


def _gate(x: Array, approximate: str) -> Array:
    if approximate == "none":
        gate = special.erfc(np.asarray(x * -math.sqrt(0.5)))
        gate *= 0.5
        return gate
    with np.errstate(over="ignore"):  # for very negative x the exponential is inf, and 1 / inf = 0 is right
        gate = np.asarray(x * x)
        gate *= -2 * _SLOPE * _CUBIC
        gate -= 2 * _SLOPE
        gate *= x
        np.exp(gate, out=gate)
    gate += 1
    return np.divide(1, gate, out=gate)


def _derivative(x: Array, out: Array, gate: Array, approximate: str) -> Array:
    if approximate == "none":
        slope = np.asarray(x * x)
        slope *= -0.5
        np.exp(slope, out=slope)
        slope *= 1 / math.sqrt(2 * math.pi)
        slope *= x
    else:
        if not np.isfinite(np.vdot(x, x)):  # where a square overflows, the gate is 0 or 1, and any large x will do
            x = np.clip(x, -_FAR, _FAR)
        slope = np.asarray(x * x)
        slope *= 6 * _SLOPE * _CUBIC
        slope += 2 * _SLOPE
        slope *= 1 - gate
        slope *= out
    slope += gate
    return slope


def _rule(g: Array, x: Array, out: Array, gate: Array, *, approximate: str) -> Array:
    """g * (F(x) + x F'(x)), F the normal distribution or its tanh form"""
    result = _derivative(x, out, gate, approximate)
    result *= g
    return result


@primitive(vjp=(_rule,), jvp=(_rule,), examples=_example, pointwise=True, residuals=("gate",), reference=_reference)
def gelu(x: Any, *, approximate: str = "none") -> Any:
    """Gaussian error linear unit, elementwise x * gate(x); d = (gate + x gate') dx.

    `approximate` is "none" (exact) or "tanh" (faster, as in GPT-2); anything else is a ValueError.
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f'gelu: approximate must be "none" or "tanh", not {approximate!r}')
    x = np.asarray(x)
    gate = _gate(x, approximate)
    return x * gate, gate

"""gelu: x times the probability that a standard normal variable is below x (Hendrycks and Gimpel 2016).

Both forms are x * gate(x), with the derivative gate + x gate'. The exact form has gate = (1 + erf(x / sqrt 2)) / 2,
whose derivative is the normal density; the tanh form of GPT-2 has gate = (1 + tanh u) / 2 = sigmoid(2u) with
u = sqrt(2/pi) (x + 0.044715 x^3). The forward pass saves the gate.

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
from engine.ops.elementwise.activations import erf
from engine.ops.elementwise.arithmetic import multiply
from engine.ops.elementwise.trigonometry import tanh

__all__ = ["gelu"]

_SLOPE = math.sqrt(2 / math.pi)
_CUBIC = 0.044715


def _reference(x: Any, *, approximate: str) -> Any:
    if approximate == "tanh":
        inner = tanh(_SLOPE * (x + _CUBIC * (x * x * x)))
    else:
        inner = erf(x * math.sqrt(0.5))
    return multiply(x, 0.5 * (inner + 1))


def _example(draw: Draw) -> Arguments:
    return Arguments([draw.array(draw.shape(), REAL)], {"approximate": draw.choice(["none", "tanh"])})


def _gate(x: Array, approximate: str) -> Array:
    if approximate == "none":
        gate = special.erf_absolute(np.asarray(x * math.sqrt(0.5)))
    else:
        gate = np.asarray(x * x)
        gate *= _SLOPE * _CUBIC
        gate += _SLOPE
        gate *= x
        np.tanh(gate, out=gate)
    gate *= 0.5
    gate += 0.5
    return gate


def _derivative(x: Array, gate: Array, approximate: str) -> Array:
    slope = np.asarray(x * x)
    if approximate == "none":
        slope *= -0.5
        np.exp(slope, out=slope)
        slope *= 1 / math.sqrt(2 * math.pi)
    else:
        slope *= 6 * _SLOPE * _CUBIC
        slope += 2 * _SLOPE
        slope *= gate
        slope *= 1 - gate
    slope *= x
    slope += gate
    return slope


def _rule(g: Array, x: Array, gate: Array, *, approximate: str) -> Array:
    """g * (F(x) + x F'(x)), F the normal distribution or its tanh form"""
    result = _derivative(x, gate, approximate)
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

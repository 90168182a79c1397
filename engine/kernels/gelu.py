"""gelu in its tanh form: one pass forward, one backward.

Read next: `engine/kernels/layer_norm.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.kernels.exponential import exp
from engine.kernels.taken import plain
from engine.kernels.team import own, shared

_SLOPE, _CUBIC = np.float32(math.sqrt(2 / math.pi)), np.float32(0.044715)
_FAR = np.float32(100)
_ZERO, _ONE, _TWO, _SIX = (np.float32(number) for number in (0, 1, 2, 6))


@shared
def _forward(part: Any, x: Array, out: Array, gate: Array) -> None:
    x, out, gate = own(x, part), own(out, part), own(gate, part)
    for k in range(x.size):
        u = _TWO * _SLOPE * x[k] * (_ONE + _CUBIC * x[k] * x[k])
        gate[k] = _ONE / (_ONE + exp(-u))
        out[k] = x[k] * gate[k]


def forward(x: Any, *, approximate: str) -> tuple[Array, Array] | None:
    """x * gate and the gate, of the tanh form alone."""
    if approximate != "tanh" or not plain(x):
        return None
    out, gate = np.empty_like(x), np.empty_like(x)
    _forward(x.size, x.reshape(-1), out.reshape(-1), gate.reshape(-1))
    return out, gate


@shared
def _backward(part: Any, g: Array, x: Array, out: Array, gate: Array, result: Array) -> None:
    g, x, out, gate, result = own(g, part), own(x, part), own(out, part), own(gate, part), own(result, part)
    for k in range(x.size):
        near = min(max(x[k], -_FAR), _FAR)  # beyond, the gate is 0 or 1, and a square might overflow
        slope = (_SIX * _SLOPE * _CUBIC) * near * near + _TWO * _SLOPE
        derivative = gate[k] + out[k] * (_ONE - gate[k]) * slope
        result[k] = _ZERO if g[k] == _ZERO else g[k] * derivative


def backward(g: Any, x: Any, out: Any, gate: Any, *, approximate: str) -> Array | None:
    """g (gate + out (1 - gate) 2u'), of the tanh form alone."""
    if approximate != "tanh" or not plain(g, x, out, gate):
        return None
    result = np.empty_like(x)
    _backward(x.size, *(array.reshape(-1) for array in (g, x, out, gate, result)))
    return result

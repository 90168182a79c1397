"""The kernels themselves; importing this file imports Numba.

Sums are taken in float64: that costs little inside one pass, and no square of a float32 leaves its range. A kernel
raises no alarm of NumPy's, by which a sweep finds out that a value which was not used is infinite or nan (see
`engine/zero_cotangent.py`). So each kernel itself sends zero where the cotangent is zero.

Read next: `engine/ops/__init__.py`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, TypeVar

import numba
import numpy as np

from engine.arrays import Array

F = TypeVar("F", bound=Callable[..., Any])

_BLOCK = 1024  # elements that are in the fastest cache together
_SLOPE = np.float32(math.sqrt(2 / math.pi))
_CUBIC = np.float32(0.044715)
_FAR = np.float32(100.0)
_ZERO, _ONE, _TWO, _SIX = (np.float32(number) for number in (0, 1, 2, 6))

# exp(u) = 2^n exp(r) with n the whole number next to u / log 2, and so |r| <= log(2) / 2, where a polynomial is as
# exact as float32 is (Cephes, expf). To add and subtract 1.5 * 2^23 rounds to a whole number. 2^(n - 1) is written as
# the bits of a float; its exponent is n - 1, not n, so that 2^128 times a number below 1 does not overflow.
_LEAST, _GREATEST = np.float32(-87), np.float32(89)
_PER_LOG2, _ROUNDS = np.float32(1 / math.log(2)), np.float32(1.5 * 2**23)
_LOG2_HIGH, _LOG2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_P5, _P4, _P3, _P2, _P1, _P0 = (
    np.float32(number)
    for number in (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
)
_BIAS, _EXPONENT_AT = np.int32(126), np.int32(23)


class Kernels(NamedTuple):
    """The kernels of one op: of its function, and of its vjp rule.

    They have the parameters of the op's own functions, and return None for a call that they do not take.
    """

    forward: Callable[..., Any]
    rule: Callable[..., Any]


def _compile(function: F) -> F:
    """Compiled at its first call, without Python's lock, and kept on disk where that is possible."""
    settings: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        compiled: F = numba.njit(cache=True, **settings)(function)
    except RuntimeError:  # no folder for the cache can be written to
        _say_that_nothing_is_kept()
        compiled = numba.njit(**settings)(function)
    return compiled


@cache
def _say_that_nothing_is_kept() -> None:
    """Once in a process."""
    warnings.warn("kernels: no folder can be written to, so they are compiled in every process", stacklevel=2)


# ---- gelu ------------------------------------------------------------------------------------------------------------


@_compile
def _gelu(x: Array, out: Array, gate: Array, bits: Array, power: Array) -> None:
    """`bits` and `power` are one block of memory, as whole numbers and as the floats with these bits."""
    for start in range(0, x.size, bits.size):
        size = min(bits.size, x.size - start)
        x_here, gate_here, out_here = x[start : start + size], gate[start : start + size], out[start : start + size]
        for k in range(size):
            u = -_TWO * _SLOPE * x_here[k] * (_ONE + _CUBIC * x_here[k] * x_here[k])
            u = min(max(u, _LEAST), _GREATEST)
            whole = u * _PER_LOG2 + _ROUNDS - _ROUNDS
            r = u - whole * _LOG2_HIGH - whole * _LOG2_LOW
            p = ((((_P5 * r + _P4) * r + _P3) * r + _P2) * r + _P1) * r + _P0
            gate_here[k] = p * r * r + r + _ONE
            bits[k] = (np.int32(whole) + _BIAS) << _EXPONENT_AT
        for k in range(size):
            gate_here[k] = _ONE / (_ONE + gate_here[k] * power[k] * _TWO)
            out_here[k] = x_here[k] * gate_here[k]


def gelu(x: Array, *, approximate: str) -> tuple[Array, Array] | None:
    """x * gate and the gate, of the tanh form alone."""
    if approximate != "tanh":
        return None
    out, gate = np.empty_like(x), np.empty_like(x)
    bits = np.empty(_BLOCK, np.int32)
    _gelu(x.reshape(-1), out.reshape(-1), gate.reshape(-1), bits, bits.view(np.float32))
    return out, gate


@_compile
def _gelu_rule(g: Array, x: Array, out: Array, gate: Array, result: Array) -> None:
    for k in range(x.size):
        near = min(max(x[k], -_FAR), _FAR)  # beyond, the gate is 0 or 1, and a square might overflow
        slope = (_SIX * _SLOPE * _CUBIC) * near * near + _TWO * _SLOPE
        derivative = gate[k] + out[k] * (_ONE - gate[k]) * slope
        result[k] = _ZERO if g[k] == _ZERO else g[k] * derivative


def gelu_rule(g: Array, x: Array, out: Array, gate: Array, *, approximate: str) -> Array | None:
    """g (gate + out (1 - gate) 2u'), of the tanh form alone."""
    if approximate != "tanh":
        return None
    result = np.empty_like(x)
    _gelu_rule(g.reshape(-1), x.reshape(-1), out.reshape(-1), gate.reshape(-1), result.reshape(-1))
    return result


# ---- layer_norm ------------------------------------------------------------------------------------------------------


@_compile
def _layer_norm(x: Array, eps: float, normalized: Array, inverse: Array) -> None:
    rows, channels = x.shape
    for row in range(rows):
        total = 0.0
        for k in range(channels):
            total += np.float64(x[row, k])
        mean = total / channels
        squares = 0.0
        for k in range(channels):
            centred = np.float64(x[row, k]) - mean
            squares += centred * centred
        scale = 1.0 / math.sqrt(squares / channels + eps)
        inverse[row] = np.float32(scale)
        for k in range(channels):
            normalized[row, k] = np.float32((np.float64(x[row, k]) - mean) * scale)


@_compile
def _affine(normalized: Array, weight: Array, bias: Array, out: Array) -> None:
    rows, channels = normalized.shape
    for row in range(rows):
        for k in range(channels):
            out[row, k] = normalized[row, k] * weight[k] + bias[k]


def layer_norm(x: Array, weight: Any, bias: Any, *, eps: float) -> tuple[Array, Array, Array] | None:
    """The rows shifted and scaled; what does not fit is left to the op, which says what is wrong."""
    channels = x.shape[-1]
    if not eps > 0 or any(v is not None and v.shape != (channels,) for v in (weight, bias)):
        return None
    normalized, inverse = np.empty_like(x), np.empty((*x.shape[:-1], 1), x.dtype)
    flat = normalized.reshape(-1, channels)
    _layer_norm(x.reshape(-1, channels), float(eps), flat, inverse.reshape(-1))
    if weight is None and bias is None:
        return normalized, normalized, inverse
    out = np.empty_like(x)
    weight = np.ones(channels, x.dtype) if weight is None else weight
    bias = np.zeros(channels, x.dtype) if bias is None else bias
    _affine(flat, weight, bias, out.reshape(-1, channels))
    return out, normalized, inverse


@_compile
def _layer_norm_rule(
    g: Array, normalized: Array, inverse: Array, weight: Array, result: Array, d_weight: Array, d_bias: Array
) -> None:
    rows, channels = g.shape
    for row in range(rows):
        mean = along = 0.0
        used = False
        for k in range(channels):
            h = np.float64(g[row, k]) * np.float64(weight[k])
            mean += h
            along += h * np.float64(normalized[row, k])
            used = used or g[row, k] != _ZERO
        if not used:
            for k in range(channels):
                result[row, k] = _ZERO
            continue
        mean /= channels
        along /= channels
        for k in range(channels):
            n, g_k = np.float64(normalized[row, k]), np.float64(g[row, k])
            result[row, k] = np.float32((g_k * np.float64(weight[k]) - mean - n * along) * np.float64(inverse[row]))
            d_weight[k] += g_k * n
            d_bias[k] += g_k


def layer_norm_rule(
    g: Array, normalized: Array, inverse: Array, weight: Any, *, wanted: tuple[bool, ...]
) -> tuple[Any, ...]:
    """All three contributions, in one walk over the rows."""
    channels = g.shape[-1]
    result, d_weight, d_bias = np.empty_like(g), np.zeros(channels), np.zeros(channels)
    _layer_norm_rule(
        g.reshape(-1, channels),
        normalized.reshape(-1, channels),
        inverse.reshape(-1),
        np.ones(channels, g.dtype) if weight is None else weight,
        result.reshape(-1, channels),
        d_weight,
        d_bias,
    )
    return tuple(
        found.astype(g.dtype, copy=False) if asked else None
        for found, asked in zip((result, d_weight, d_bias), wanted, strict=True)
    )


KERNELS = {"gelu": Kernels(gelu, gelu_rule), "layer_norm": Kernels(layer_norm, layer_norm_rule)}

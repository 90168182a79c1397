"""layer_norm: two walks over each row forward, which stays in the cache, and two backward.

Sums are taken in float64: that costs little inside one pass, and no square of a float32 leaves its range.

Read next: `engine/kernels/products.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.kernels.taken import plain
from engine.kernels.team import PARTS, own, shared

_ZERO = np.float32(0)


@shared
def _forward(part: Any, x: Array, eps: float, normalized: Array, inverse: Array) -> None:
    x, normalized, inverse = own(x, part), own(normalized, part), own(inverse, part)
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


@shared
def _affine(part: Any, normalized: Array, weight: Array, bias: Array, out: Array) -> None:
    normalized, out = own(normalized, part), own(out, part)
    rows, channels = normalized.shape
    for row in range(rows):
        for k in range(channels):
            out[row, k] = normalized[row, k] * weight[k] + bias[k]


def forward(x: Any, weight: Any, bias: Any, *, eps: float) -> tuple[Array, Array, Array] | None:
    """The rows shifted and scaled; what does not fit is left to the op, which says what is wrong."""
    if not plain(x, weight, bias) or not eps > 0:
        return None
    channels = x.shape[-1]
    if any(v is not None and v.shape != (channels,) for v in (weight, bias)):
        return None
    normalized, inverse = np.empty_like(x), np.empty((*x.shape[:-1], 1), x.dtype)
    flat = normalized.reshape(-1, channels)
    _forward(x.size, x.reshape(-1, channels), float(eps), flat, inverse.reshape(-1))
    if weight is None and bias is None:
        return normalized, normalized, inverse
    out = np.empty_like(x)
    weight = np.ones(channels, x.dtype) if weight is None else weight
    bias = np.zeros(channels, x.dtype) if bias is None else bias
    _affine(x.size, flat, weight, bias, out.reshape(-1, channels))
    return out, normalized, inverse


@shared
def _backward(
    part: Any,
    g: Array,
    normalized: Array,
    inverse: Array,
    weight: Array,
    result: Array,
    d_weight: Array,
    d_bias: Array,
) -> None:
    """`d_weight` and `d_bias` have a row for each part."""
    g, normalized, inverse, result = own(g, part), own(normalized, part), own(inverse, part), own(result, part)
    of_weight, of_bias = d_weight[part], d_bias[part]
    rows, channels = g.shape
    for row in range(rows):
        mean = along = 0.0
        used = False
        for k in range(channels):
            h = np.float64(g[row, k]) * np.float64(weight[k])
            mean += h
            along += h * np.float64(normalized[row, k])
            used |= g[row, k] != _ZERO
        if not used:
            for k in range(channels):
                result[row, k] = _ZERO
            continue
        mean /= channels
        along /= channels
        scale = np.float64(inverse[row])
        for k in range(channels):
            n, g_k = np.float64(normalized[row, k]), np.float64(g[row, k])
            result[row, k] = np.float32((g_k * np.float64(weight[k]) - mean - n * along) * scale)
            of_weight[k] += g_k * n
            of_bias[k] += g_k


def backward(g: Any, normalized: Any, inverse: Any, weight: Any, *, wanted: tuple[bool, ...]) -> tuple[Any, ...] | None:
    """All three contributions, in one walk over the rows."""
    if not plain(g, normalized, inverse, weight):
        return None
    channels = g.shape[-1]
    result, d_weight, d_bias = np.empty_like(g), np.zeros((PARTS, channels)), np.zeros((PARTS, channels))
    _backward(
        g.size,
        g.reshape(-1, channels),
        normalized.reshape(-1, channels),
        inverse.reshape(-1),
        np.ones(channels, g.dtype) if weight is None else weight,
        result.reshape(-1, channels),
        d_weight,
        d_bias,
    )
    found = result, d_weight.sum(axis=0), d_bias.sum(axis=0)
    return tuple(x.astype(g.dtype, copy=False) if asked else None for x, asked in zip(found, wanted, strict=True))

"""layer_norm: each row shifted to mean 0 and scaled to variance 1, then an affine map (Ba, Kiros, Hinton 2016).

With n the normalised row, r = 1 / sqrt(var + eps) and h = g * weight, the gradient of the row is

    r * (h - mean(h) - n * mean(h * n))

which says: of the incoming cotangent, the part along the two directions that normalising erases (the constant
one and the row itself) is removed. Row sums are products with a vector of ones: BLAS does them five times
faster than a reduction.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.arrays import Array
from engine.declare import primitive
from engine.examples import REAL, Arguments, Draw
from engine.ops.elementwise.activations import floating
from engine.ops.elementwise.arithmetic import add, divide, multiply, square, subtract
from engine.ops.elementwise.powers import sqrt
from engine.ops.fused.linear import rows
from engine.ops.reductions import mean
from engine.plan import Joint

__all__ = ["layer_norm"]


def _reference(x: Any, weight: Any = None, bias: Any = None, *, eps: float) -> Any:
    centred = subtract(x, mean(x, axis=-1, keepdims=True))
    out = divide(centred, sqrt(add(mean(square(centred), axis=-1, keepdims=True), eps)))
    out = out if weight is None else multiply(out, weight)
    return out if bias is None else add(out, bias)


def _example(draw: Draw) -> Arguments:
    shape = (*draw.shape(max_dims=2), draw.integer(1, 3))
    affine = [draw.array(shape[-1:], REAL) if draw.choice([True, False]) else None for _ in range(2)]
    return Arguments([draw.array(shape, REAL), *affine], {"eps": 0.25})


def row_means(x: Array) -> Array:
    """The mean of each row, with its axis kept. Raises ValueError for rows without values."""
    if not x.shape[-1]:
        raise ValueError("a row without values has no mean")
    return (x @ np.full(x.shape[-1], 1.0 / x.shape[-1], x.dtype))[..., None]


def _remove_erased(h: Array, normalized: Array, inverse: Array) -> Array:
    """r * (h - mean(h) - n * mean(h n)). The map is symmetric, so it carries cotangents and tangents alike."""
    result = h - row_means(h)
    result -= normalized * row_means(h * normalized)
    result *= inverse
    return result


def _backward(g: Array, normalized: Array, inverse: Array, weight: Any, *, wanted: tuple[bool, ...]) -> tuple[Any, ...]:
    ones = np.ones(rows(g).shape[0], g.dtype)
    return (
        _remove_erased(g if weight is None else g * weight, normalized, inverse) if wanted[0] else None,
        ones @ rows(g * normalized) if wanted[1] else None,
        ones @ rows(g) if wanted[2] else None,
    )


def _forward_tangent(tangents: Any, normalized: Array, inverse: Array, weight: Any) -> Any:
    of_x, of_weight, of_bias = tangents
    total = np.zeros_like(normalized)
    if of_x is not None:
        moved = _remove_erased(of_x, normalized, inverse)
        total += moved if weight is None else moved * weight
    if of_weight is not None:
        total += normalized * of_weight
    return total if of_bias is None else total + of_bias


@primitive(
    vjp=Joint(_backward),
    jvp=Joint(_forward_tangent),
    examples=_example,
    broadcasts=True,
    residuals=("normalized", "inverse"),
    reference=_reference,
    along=-1,
)
def layer_norm(x: Any, weight: Any = None, bias: Any = None, *, eps: float = 1e-5) -> Any:
    """Normalise the last axis to mean 0 and variance 1, then scale and shift.

    Shapes: x (..., channels), weight and bias (channels,) or None. `eps` is added to the variance.
    """
    if eps <= 0:
        raise ValueError(f"layer_norm: eps must be positive, not {eps}: a constant row has variance 0")
    if x.ndim < 1 or any(v is not None and v.shape != x.shape[-1:] for v in (weight, bias)):
        shapes = ", ".join(str(None if v is None else v.shape) for v in (weight, bias))
        raise ValueError(f"layer_norm: weight and bias of shapes {shapes} do not fit the last axis of x of {x.shape}")
    x = floating(x)
    normalized = x - row_means(x)
    inverse = 1.0 / np.sqrt(row_means(normalized * normalized) + float(eps))
    normalized *= inverse
    out = normalized if weight is None else normalized * weight
    return (out if bias is None else out + bias), normalized, inverse

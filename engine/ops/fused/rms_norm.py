"""rms_norm: each row divided by its root mean square, then scaled (Zhang and Sennrich 2019); no shift, no bias.

With n the normalised row, r = 1 / sqrt(mean(x^2) + eps) and h = g * weight, the gradient of the row is

    r * (h - n * mean(h * n))

the cotangent without its component along the row, because scaling a row does not change the normalised row.

Read next: `engine/ops/fused/embedding.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.arrays import Array
from engine.declare import primitive
from engine.examples import REAL, Arguments, Draw
from engine.ops.elementwise.activations import as_floating
from engine.ops.elementwise.arithmetic import add, divide, multiply, square
from engine.ops.elementwise.powers import sqrt
from engine.ops.fused.layer_norm import inverse_root_mean_square, row_means
from engine.ops.fused.linear import rows
from engine.ops.reductions import mean
from engine.plan import Joint

__all__ = ["rms_norm"]


def _reference(x: Any, weight: Any = None, *, eps: float) -> Any:
    out = divide(x, sqrt(add(mean(square(x), axis=-1, keepdims=True), eps)))
    return out if weight is None else multiply(out, weight)


def _example(draw: Draw) -> Arguments:
    shape = (*draw.shape(max_dims=2), draw.integer(1, 3))
    weight = draw.array(shape[-1:], REAL) if draw.choice([True, False]) else None
    return Arguments([draw.array(shape, REAL), weight], {"eps": 0.25})


def _row_derivative(h: Array, normalized: Array, inverse: Array) -> Array:
    """r * (h - n * mean(h n)). The map is symmetric, so it is right for cotangents and tangents."""
    result = normalized * row_means(h * normalized)
    np.subtract(h, result, out=result)
    result *= inverse
    return result


def _backward(g: Array, normalized: Array, inverse: Array, weight: Any, *, wanted: tuple[bool, ...]) -> tuple[Any, ...]:
    """With h = g * weight and n the normalized rows

    x: (h - n mean(h n)) / root mean square
    weight: the sum of g * n over all rows
    """
    return (
        _row_derivative(g if weight is None else g * weight, normalized, inverse) if wanted[0] else None,
        np.ones(rows(g).shape[0], g.dtype) @ rows(g * normalized) if wanted[1] else None,
    )


def _forward_tangent(tangents: Any, normalized: Array, inverse: Array, weight: Any) -> Any:
    t_x, t_weight = tangents
    total = np.zeros_like(normalized)
    if t_x is not None:
        t_normalized = _row_derivative(t_x, normalized, inverse)
        total += t_normalized if weight is None else t_normalized * weight
    return total if t_weight is None else total + normalized * t_weight


@primitive(
    vjp=Joint(_backward),
    jvp=Joint(_forward_tangent),
    examples=_example,
    broadcasts=True,
    residuals=("normalized", "inverse"),
    reference=_reference,
    along=-1,
    degree={"x, eps^2": 0, "weight": 1},
)
def rms_norm(x: Any, weight: Any = None, *, eps: float = 1e-5) -> Any:
    """Divide the last axis by its root mean square, then scale by `weight`.

    Shapes: x (..., channels), weight (channels,) or None; result (..., channels). `eps` is added to the mean square.
    With n the normalised row and r = 1 / sqrt(mean(x^2) + eps):

        d = weight r (dx - n mean(n dx)) + n dweight

    Raises ValueError for other shapes, no channels, or an eps that is not positive.
    """
    if not eps > 0:
        raise ValueError(f"rms_norm: eps must be positive, not {eps}: a row of zeros has mean square 0")
    if x.ndim < 1 or (weight is not None and weight.shape != x.shape[-1:]):
        shape = None if weight is None else weight.shape
        raise ValueError(f"rms_norm: weight of shape {shape} does not fit the last axis of x of {x.shape}")
    x = as_floating(x)
    with np.errstate(over="ignore"):
        inverse = inverse_root_mean_square(x, float(eps))
    normalized = x * inverse
    return (normalized if weight is None else normalized * weight), normalized, inverse

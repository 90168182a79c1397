"""layer_norm: each row shifted to mean 0 and scaled to variance 1, then an affine map (Ba, Kiros and Hinton 2016).

With n the normalised row, r = 1 / sqrt(var + eps) and h = g * weight, the gradient of the row is

    r * (h - mean(h) - n * mean(h * n))

the cotangent without its components along two directions: the constant row, which the shift removes, and the row
itself, which the scaling removes. Row sums are computed as products with a vector of ones, because BLAS does these five
times faster than NumPy a reduction.

Read next: `engine/ops/fused/rms_norm.py`.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.declare import primitive
from engine.examples import REAL, Arguments, Draw
from engine.ops.elementwise.activations import as_floating
from engine.ops.elementwise.arithmetic import add, divide, multiply, square, subtract
from engine.ops.elementwise.powers import sqrt
from engine.ops.fused.linear import rows
from engine.ops.reductions import mean, scaled_to_one
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
    return (x @ _equal_weights(x.shape[-1], x.dtype))[..., None]


@lru_cache(maxsize=16)
def _equal_weights(count: int, dtype: Any) -> Array:
    weights = np.full(count, 1.0 / count, dtype)
    weights.flags.writeable = False
    return weights


def every(flags: Array) -> bool:
    """Whether all flags are set; for a few of them, counting takes a quarter of the time of `all`."""
    return np.count_nonzero(flags) == flags.size


_EPS = 2.0**-100, 2.0**100  # between these, an eps is far larger than what squares lose to underflow


def inverse_root_mean_square(x: Array, eps: float) -> Array:
    """1 / sqrt(mean(x^2) + eps) of each row; rows whose squares leave the range are scaled by a power of two first.

    The caller has NumPy ignore overflow.
    """
    squares = row_means(x * x)
    if _EPS[0] < eps < _EPS[1] and every(np.isfinite(squares)):
        return 1.0 / np.sqrt(squares + eps)
    scaled, exponent = scaled_to_one(x, -1, least=math.sqrt(eps))
    scaled_eps = np.ldexp(eps, -2 * exponent).astype(x.dtype)
    return np.ldexp(1.0 / np.sqrt(row_means(scaled * scaled) + scaled_eps), -exponent)


def _normalized(x: Array, eps: float) -> tuple[Array, Array]:
    """The rows shifted and scaled, and the inverse of their deviations."""
    with np.errstate(over="ignore", invalid="ignore"):
        normalized = x - row_means(x)
        inverse = inverse_root_mean_square(normalized, eps)
        normalized *= inverse
    return normalized, inverse


def _row_derivative(h: Array, normalized: Array, inverse: Array) -> Array:
    """r * (h - mean(h) - n * mean(h n)). The map is symmetric, so it is right for cotangents and tangents."""
    result = normalized * row_means(h * normalized)
    result += row_means(h)
    np.subtract(h, result, out=result)
    result *= inverse
    return result


def _backward(g: Array, normalized: Array, inverse: Array, weight: Any, *, wanted: tuple[bool, ...]) -> tuple[Any, ...]:
    """With h = g * weight and n the normalized rows

    x: (h - mean(h) - n mean(h n)) / deviation
    weight: the sum of g * n over all rows
    bias: the sum of g over all rows
    """
    ones = np.ones(rows(g).shape[0], g.dtype)
    return (
        _row_derivative(g if weight is None else g * weight, normalized, inverse) if wanted[0] else None,
        ones @ rows(g * normalized) if wanted[1] else None,
        ones @ rows(g) if wanted[2] else None,
    )


def _forward_tangent(tangents: Any, normalized: Array, inverse: Array, weight: Any) -> Any:
    t_x, t_weight, t_bias = tangents
    total = np.zeros_like(normalized)
    if t_x is not None:
        t_normalized = _row_derivative(t_x, normalized, inverse)
        total += t_normalized if weight is None else t_normalized * weight
    if t_weight is not None:
        total += normalized * t_weight
    return total if t_bias is None else total + t_bias


@primitive(
    vjp=Joint(_backward),
    jvp=Joint(_forward_tangent),
    examples=_example,
    broadcasts=True,
    residuals=("normalized", "inverse"),
    reference=_reference,
    along=-1,
    degree={"x, eps^2": 0, "weight, bias": lambda weight_shape: 1 if weight_shape else None},
)
def layer_norm(x: Any, weight: Any = None, bias: Any = None, *, eps: float = 1e-5) -> Any:
    """Normalise the last axis to mean 0 and variance 1, then scale by `weight` and add `bias`.

    Shapes: x (..., channels), weight and bias (channels,) or None; result (..., channels). `eps` is added to the
    variance. With n the normalised row and r = 1 / sqrt(var + eps):

        d = weight r (dx - mean(dx) - n mean(n dx)) + n dweight + dbias

    Raises ValueError for other shapes, no channels, or an eps that is not positive.
    """
    if not eps > 0:
        raise ValueError(f"layer_norm: eps must be positive, not {eps}: a constant row has variance 0")
    if x.ndim < 1 or any(v is not None and v.shape != x.shape[-1:] for v in (weight, bias)):
        shapes = ", ".join(str(None if v is None else v.shape) for v in (weight, bias))
        raise ValueError(f"layer_norm: weight and bias of shapes {shapes} do not fit the last axis of x of {x.shape}")
    x = as_floating(x)
    normalized, inverse = _normalized(x, float(eps))
    if not every(inverse):  # a deviation was infinite; the half of it is not
        normalized, inverse = _normalized(0.5 * x, float(eps) / 4)
        inverse *= 0.5
    out = normalized if weight is None else normalized * weight
    return (out if bias is None else out + bias), normalized, inverse

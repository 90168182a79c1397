"""scaled_dot_product_attention (Vaswani et al. 2017) and the rotation of queries and keys by position (Su et al. 2021).

With S = scale Q K^T, P = softmax(S) by rows and O = P V, the backward pass is

    dV = P^T dO      dP = dO V^T      dS = P * (dP - delta)      dQ = scale dS K      dK = scale dS^T Q

where delta = rowsum(dP * P) = rowsum(dO * O); the second form is cheaper (Dao et al. 2022). P = E / rowsum(E) with
E = exp(S) is the largest array here, so E is not divided: O and dO, which are smaller, are multiplied by 1 / rowsum(E).

Read next: `engine/examples.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.declare import primitive
from engine.examples import REAL, Arguments, Draw
from engine.operands import as_operand
from engine.ops.elementwise.arithmetic import add, divide, multiply, subtract
from engine.ops.elementwise.choices import where
from engine.ops.elementwise.powers import exp
from engine.ops.indexing import getitem
from engine.ops.linalg import matmul
from engine.ops.reductions import sum
from engine.ops.shapes import concat, reshape, swapaxes
from engine.plan import Joint

__all__ = ["rotary", "scaled_dot_product_attention"]

_VANISHING = 1e-15  # a row sum below this may have lost terms to underflow
_SMALL = 2.0**-120  # a sum of squares of results; below it, products of small weights and values may underflow


def _bias(queries: int, keys: int, mask: Any, causal: bool, dtype: Any) -> Any:
    """The array added to the scores: 0 where attention is allowed, -inf elsewhere; plus a floating mask, as given."""
    bias = None
    if causal:
        bias = np.where(np.tri(queries, keys, dtype=bool), 0, -np.inf).astype(dtype)
    if mask is not None:
        mask = np.asarray(as_operand(mask))
        if mask.dtype.kind not in "fb":
            raise TypeError(
                f"scaled_dot_product_attention: mask must be boolean, or floats to add, not {mask.dtype}: mask != 0"
            )
        given = np.where(mask, 0, -np.inf) if mask.dtype == bool else mask
        bias = given.astype(dtype) if bias is None else bias + given.astype(dtype)
    return bias


def _default_scale(query: Any, scale: float | None) -> float:
    return 1 / math.sqrt(query.shape[-1] or 1) if scale is None else float(scale)  # without channels, all scores are 0


def _reference(query: Any, key: Any, value: Any, *, mask: Any, causal: bool, scale: float | None) -> Any:
    bias = _bias(query.shape[-2], key.shape[-2], mask, causal, query.dtype)
    if bias is not None and not (_is_finite(key) and _is_finite(value)):
        masked = np.equal(bias, -np.inf) & np.ones((query.shape[-2], 1), bool)
        unread = masked.all(axis=-2)[..., None]  # keys and values that no query may look at
        key, value = where(unread, 0.0, key), where(unread, 0.0, value)
    scores = matmul(multiply(query, _default_scale(query, scale)), swapaxes(key, axis1=-1, axis2=-2))
    scores = scores if bias is None else add(scores, bias)
    largest = np.max(as_operand(scores), axis=-1, keepdims=True, initial=-np.inf)
    e = exp(subtract(scores, np.where(np.isfinite(largest), largest, 0).astype(scores.dtype)))
    total = sum(e, axis=-1, keepdims=True)
    fully_masked = (as_operand(total) == 0).astype(scores.dtype)  # then e is 0, and 0 / 1 = 0
    return matmul(divide(e, add(total, fully_masked)), value)


def _example(draw: Draw) -> Arguments:
    queries, keys, channels, values = (draw.integer(1, 3) for _ in range(4))
    batch = draw.shape(max_dims=2)
    shared = draw.choice([batch, batch[1:]])  # keys and values may broadcast over a leading axis
    mask = draw.choice([None, draw.integers((queries, keys), 0, 1) == 1])
    metadata = {"mask": mask, "causal": draw.choice([False, True]), "scale": draw.choice([None, 0.5])}
    shapes = [(*batch, queries, channels), (*shared, keys, channels), (*shared, keys, values)]
    return Arguments([draw.array(shape, REAL) for shape in shapes], metadata)


def _exponentials(scores: Array, bias: Any) -> tuple[Array, Array]:
    """exp(scores + bias - shift), where the shift prevents overflow, and 1 / its row sums.

    Any shift is right that makes no row sum underflow. The largest of all scores is found ten times faster than the
    largest of each short row, so it is tried first. If it makes a row sum too small, or is not finite, each row is
    shifted by its own largest score.
    """
    bias = np.zeros((), scores.dtype) if bias is None else bias
    largest = scores.max(initial=-np.inf)
    if np.isfinite(largest):
        weights = scores + (bias - largest)
        np.exp(weights, out=weights)
        total = weights.reshape(-1, weights.shape[-1]) @ np.ones(weights.shape[-1], weights.dtype)
        total = total.reshape(*weights.shape[:-1], 1)
        if total.min(initial=1) > _VANISHING:
            return weights, 1 / total
    weights = scores + bias
    row_largest = weights.max(axis=-1, keepdims=True, initial=-np.inf)
    weights -= np.where(np.isinf(row_largest), 0, row_largest)
    np.exp(weights, out=weights)
    total = weights.sum(axis=-1, keepdims=True)
    total[total == 0] = 1  # a query with every key masked: its weights are 0, and 0 / 1 = 0
    return weights, 1 / total


def _is_finite(x: Any) -> bool:
    """Whether the sum of squares is finite, and so every value is; much cheaper than a look at each."""
    return bool(np.isfinite(np.vdot(as_operand(x), as_operand(x))))


def _with_care(scores: Array, bias: Any, value: Array) -> tuple[Array, Array, Array]:
    """The result, weights and inverse where values are not finite, or very large or small; what is masked is not read.

    The weights are divided first, because a sum of values may leave the range of floats where their mean does not.
    """
    masked = False if bias is None else bias == -np.inf
    weights, inverse = _exponentials(np.where(masked, -np.inf, scores).astype(scores.dtype), bias)
    p, finite = weights * inverse, np.isfinite(value)
    reads = (p > 0).astype(scores.dtype) @ (~finite).astype(scores.dtype) > 0
    return np.where(reads, p @ value, p @ np.where(finite, value, 0).astype(value.dtype)), weights, inverse


def _without_unused(g: Array, *by_key: Array, by_query: tuple[Array, ...]) -> list[Array]:
    """Keys and values without what is not finite, then what belongs to queries, without those whose cotangent is zero.

    What a query did read and is not finite has made its own result nan, which is enough to make its gradients nan.
    """
    used = (g != 0).any(axis=-1, keepdims=True)
    kept = [np.where(np.isfinite(x), x, 0).astype(x.dtype) for x in by_key]
    return kept + [np.where(used, x, 0).astype(x.dtype) for x in by_query]


def _transposed(x: Array) -> Array:
    return np.swapaxes(x, -1, -2)


def _row_sums(x: Array) -> Array:
    """The sum of each row, with its axis kept; as a product, because NumPy's sum is slow for short rows."""
    return (x @ np.ones(x.shape[-1], x.dtype))[..., None]


def _contributions(
    g: Array,
    query: Array,
    key: Array,
    value: Array,
    out: Array,
    weights: Array,
    inverse: Array,
    scale: float | None,
    wanted: tuple[bool, ...],
) -> tuple[Any, ...]:
    g = g * inverse
    d_value = _transposed(weights) @ g if wanted[2] else None
    if not (wanted[0] or wanted[1]):
        return None, None, d_value
    d_scores = g @ _transposed(value)
    d_scores -= _row_sums(g * out)
    d_scores *= weights
    factor = _default_scale(query, scale)
    d_query = (d_scores @ key) * factor if wanted[0] else None
    d_key = _transposed(d_scores) @ (query * factor) if wanted[1] else None
    return d_query, d_key, d_value


def _backward(
    g: Array,
    query: Array,
    key: Array,
    value: Array,
    out: Array,
    weights: Array,
    inverse: Array,
    *,
    scale: float | None,
    wanted: tuple[bool, ...],
) -> tuple[Any, ...]:
    """With P = softmax(Q K.T scale) and D = P * (g V.T - sum(g * out)), for each pair of a query and a key

    query: D K scale
    key: D.T Q scale
    value: P.T g
    """
    found = _contributions(g, query, key, value, out, weights, inverse, scale, wanted)
    if all(contribution is None or _is_finite(contribution) for contribution in found):
        return found
    key, value, out, weights, inverse = _without_unused(g, key, value, by_query=(out, weights, inverse))
    return _contributions(g, query, key, value, out, weights, inverse, scale, wanted)


def _forward_tangent(
    tangents: Any, query: Array, key: Array, value: Array, weights: Array, inverse: Array, *, scale: float | None
) -> Array:
    t_query, t_key, t_value = tangents
    p = weights * inverse
    factor = _default_scale(query, scale)
    total = np.zeros(np.broadcast_shapes(p.shape[:-1], (*value.shape[:-2], 1)) + value.shape[-1:], p.dtype)
    t_scores = np.zeros_like(p)
    if t_query is not None:
        t_scores += t_query @ _transposed(key) * factor
    if t_key is not None:
        t_scores += query @ _transposed(t_key) * factor
    total += (p * (t_scores - (p * t_scores).sum(axis=-1, keepdims=True))) @ value
    return total if t_value is None else total + p @ t_value


@primitive(
    vjp=Joint(_backward),
    jvp=Joint(_forward_tangent),
    examples=_example,
    broadcasts=True,
    residuals=("weights", "inverse"),
    reference=_reference,
    degree={"query, key^-1": 0, "value": 1},
)
def scaled_dot_product_attention(
    query: Any, key: Any, value: Any, *, mask: Any = None, causal: bool = False, scale: float | None = None
) -> Any:
    """softmax(scale Q K^T) V: for each query the mean of the values, weighted by how well their keys match it.

    Shapes: query (..., queries, channels), key (..., keys, channels), value (..., keys, values); result (...,
    queries, values).

    Args:
        mask: boolean, True where attention is allowed, or numbers added to the scores; broadcasts to
            (..., queries, keys).
        causal: whether query t attends to keys 0 to t only.
        scale: 1 / sqrt(channels) by default.

    With P the weights and dS = scale (dQ K^T + Q dK^T), d = P * (dS - rowsum(P * dS)) V + P dV. The result for a query
    with every key masked is 0, and its gradients are 0. What is masked is not read, so a nan stays there. Raises
    ValueError for shapes that do not fit.
    """
    if (
        min(query.ndim, key.ndim, value.ndim) < 2
        or query.shape[-1] != key.shape[-1]
        or key.shape[-2] != value.shape[-2]
    ):
        raise ValueError(
            f"scaled_dot_product_attention: query {query.shape}, key {key.shape}, value {value.shape} do not fit; "
            "they are (..., queries, channels), (..., keys, channels), (..., keys, values)"
        )
    with np.errstate(over="ignore", invalid="ignore"):  # which may come from what is masked
        scores = (query * _default_scale(query, scale)) @ _transposed(key)
        bias = _bias(query.shape[-2], key.shape[-2], mask, causal, scores.dtype)
        weights, inverse = _exponentials(scores, bias)
        out = weights @ value
        out *= inverse
        ordinary = _SMALL < np.vdot(out, out) < np.inf
        return (out, weights, inverse) if ordinary else _with_care(scores, bias, value)


# ---- rotary positions ----------------------------------------------------------------------------------------------


def _rotary_reference(x: Any, *, phases: Any) -> Any:
    pairs = reshape(x, shape=(*x.shape[:-1], x.shape[-1] // 2, 2))
    a, b = getitem(pairs, (..., slice(0, 1))), getitem(pairs, (..., slice(1, 2)))
    cos, sin = phases.real[..., None], phases.imag[..., None]
    return reshape(concat([a * cos - b * sin, a * sin + b * cos], axis=-1), shape=x.shape)


def _rotary_example(draw: Draw) -> Arguments:
    time, pairs = draw.integer(1, 3), draw.integer(1, 2)
    angles = draw.array((time, pairs), REAL)
    x = draw.array((*draw.shape(max_dims=2), time, 2 * pairs), REAL)
    return Arguments([x], {"phases": np.exp(1j * angles)})


@primitive(
    vjp=(lambda g, *, phases: rotary(g, phases=phases.conj()),),
    jvp=(lambda t, *, phases: rotary(t, phases=phases),),
    examples=_rotary_example,
    reference=_rotary_reference,
    degree=1,
)
def rotary(x: Any, *, phases: Any) -> Any:
    """Rotate each pair of neighbouring channels (a, b) by an angle, as the complex product (a + ib) e^{i angle}.

    Shapes: x (..., time, channels), phases (time, channels / 2), complex, e^{i angle}; result (..., time, channels).
    The inner product of two rotated vectors depends on the difference of their angles only, so attention scores depend
    on relative positions. The transpose, which the vjp rule applies, is the rotation by minus the angle. Raises
    ValueError for shapes that do not fit.
    """
    if not isinstance(phases, np.ndarray):
        raise TypeError(f"rotary: phases must be an array of complex numbers, not {phases!r:.40}")
    if x.shape[-1] != 2 * phases.shape[-1]:
        raise ValueError(f"rotary: phases of shape {phases.shape} do not fit x of shape {x.shape}, two channels each")
    if x.strides[-1] != x.itemsize:
        x = np.ascontiguousarray(x)
    kind = np.result_type(x.dtype, np.complex64)
    return (x.view(kind) * phases.astype(kind, copy=False)).view(x.dtype)

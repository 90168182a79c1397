"""scaled_dot_product_attention (Vaswani et al. 2017).

With S = scale Q K^T, P = softmax(S) by rows and O = P V, the backward pass is

    dV = P^T dO      dP = dO V^T      dS = P * (dP - delta)      dQ = scale dS K      dK = scale dS^T Q

where delta = rowsum(dP * P) = rowsum(dO * O); the second form is cheaper (Dao et al. 2022). P = E / rowsum(E) with
E = exp(S) is the largest array here, so E is not divided: O and dO, which are smaller, are multiplied by 1 / rowsum(E).

Read next: `engine/ops/fused/rotary.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.arrays import Array
from engine.declare import primitive
from engine.examples import REAL, Arguments, Draw
from engine.operands import as_operand
from engine.ops.elementwise.arithmetic import add, divide, multiply, subtract
from engine.ops.elementwise.choices import where
from engine.ops.elementwise.powers import exp
from engine.ops.fused.attention_weights import (
    SMALL,
    are_kept,
    bias_of,
    default_scale,
    exponentials,
    row_sums,
    scores_of,
    slices,
    transposed,
    weights_of,
)
from engine.ops.linalg import matmul
from engine.ops.reductions import sum
from engine.ops.shapes import swapaxes
from engine.plan import Joint

__all__ = ["scaled_dot_product_attention"]


def _reference(query: Any, key: Any, value: Any, *, mask: Any, causal: bool, scale: float | None) -> Any:
    bias = bias_of(slice(0, query.shape[-2]), key.shape[-2], mask, causal, query.dtype)
    if bias is not None and not (_is_finite(key) and _is_finite(value)):
        masked = np.equal(bias, -np.inf) & np.ones((query.shape[-2], 1), bool)
        unread = masked.all(axis=-2)[..., None]  # keys and values that no query may look at
        key, value = where(unread, 0.0, key), where(unread, 0.0, value)
    scores = matmul(multiply(query, default_scale(query, scale)), swapaxes(key, axis1=-1, axis2=-2))
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


def _is_finite(x: Any) -> bool:
    """Whether the sum of squares is finite, and so every value is; much cheaper than a look at each."""
    return bool(np.isfinite(np.vdot(as_operand(x), as_operand(x))))


def _with_care(scores: Array, bias: Any, value: Array) -> tuple[Array, Array, Array, Array]:
    """The same as `_averages` where values are not finite, or very large or small; what is masked is not read.

    The weights are divided first, because a sum of values may leave the range of floats where their mean does not.
    """
    masked = False if bias is None else bias == -np.inf
    weights, shift, inverse = exponentials(np.where(masked, -np.inf, scores).astype(scores.dtype), bias)
    p, finite = weights * inverse, np.isfinite(value)
    reads = (p > 0).astype(scores.dtype) @ (~finite).astype(scores.dtype) > 0
    out = np.where(reads, p @ value, p @ np.where(finite, value, 0).astype(value.dtype))
    return out, weights, shift, inverse


def _averages(scores: Array, bias: Any, value: Array) -> tuple[Array, Array, Array, Array]:
    """The result, the weights, what was subtracted from the scores, and 1 / the row sums of the weights."""
    weights, shift, inverse = exponentials(scores, bias)
    out = weights @ value
    out *= inverse
    ordinary = SMALL < np.vdot(out, out) < np.inf
    return (out, weights, shift, inverse) if ordinary else _with_care(scores, bias, value)


# ---- backward --------------------------------------------------------------------------------------------------------


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
    d_value = transposed(weights) @ g if wanted[2] else None
    if not (wanted[0] or wanted[1]):
        return None, None, d_value
    d_scores = g @ transposed(value)
    d_scores -= row_sums(g * out)
    d_scores *= weights
    factor = default_scale(query, scale)
    d_query = (d_scores @ key) * factor if wanted[0] else None
    d_key = transposed(d_scores) @ (query * factor) if wanted[1] else None
    return d_query, d_key, d_value


def _sums(
    g: Array,
    query: Array,
    key: Array,
    value: Array,
    out: Array,
    weights: Any,
    shift: Array,
    inverse: Array,
    *,
    scale: float | None,
    wanted: tuple[bool, ...],
    **settings: Any,
) -> tuple[Any, ...]:
    """The contributions of all slices of the queries, each where it belongs."""
    if weights is not None:
        return _contributions(g, query, key, value, out, weights, inverse, scale, wanted)
    total: list[Any] = [None, None, None]
    for rows, keys, here in weights_of(weights, query, key, shift, scale=scale, **settings):
        at_rows, at_keys = (..., rows, slice(None)), (..., slice(0, keys), slice(None))
        of_rows = g[at_rows], query[at_rows]
        of_keys = key[at_keys], value[at_keys]
        found = _contributions(*of_rows, *of_keys, out[at_rows], here, inverse[at_rows], scale, wanted)
        for k, (x, at) in enumerate(((query, at_rows), (key, at_keys), (value, at_keys))):
            if found[k] is not None:
                if total[k] is None:
                    total[k] = np.zeros((*found[k].shape[:-2], *x.shape[-2:]), g.dtype)
                total[k][at] += found[k]
    return tuple(total)


def _without_unused(g: Array, *by_key: Array, by_query: tuple[Any, ...]) -> list[Any]:
    """Keys and values without what is not finite, then what belongs to queries, without those whose cotangent is zero.

    What a query did read and is not finite has made its own result nan, which is enough to make its gradients nan.
    """
    used = (g != 0).any(axis=-1, keepdims=True)
    kept = [np.where(np.isfinite(x), x, 0).astype(x.dtype) for x in by_key]
    return kept + [None if x is None else np.where(used, x, 0).astype(x.dtype) for x in by_query]


def _backward(
    g: Array,
    query: Array,
    key: Array,
    value: Array,
    out: Array,
    weights: Any,
    shift: Array,
    inverse: Array,
    *,
    mask: Any,
    causal: bool,
    scale: float | None,
    wanted: tuple[bool, ...],
) -> tuple[Any, ...]:
    """With P = softmax(Q K.T scale) and D = P * (g V.T - sum(g * out)), for each pair of a query and a key

    query: D K scale
    key: D.T Q scale
    value: P.T g
    """
    settings: dict[str, Any] = {"mask": mask, "causal": causal, "scale": scale, "wanted": wanted}
    found = _sums(g, query, key, value, out, weights, shift, inverse, **settings)
    if all(contribution is None or _is_finite(contribution) for contribution in found):
        return found
    of_queries = (query, out, weights, shift, inverse)
    key, value, query, out, weights, shift, inverse = _without_unused(g, key, value, by_query=of_queries)
    return _sums(g, query, key, value, out, weights, shift, inverse, **settings)


def _forward_tangent(
    tangents: Any,
    query: Array,
    key: Array,
    value: Array,
    weights: Any,
    shift: Array,
    inverse: Array,
    *,
    mask: Any,
    causal: bool,
    scale: float | None,
) -> Array:
    t_query, t_key, t_value = tangents
    factor = default_scale(query, scale)
    outer = np.broadcast_shapes(shift.shape[:-2], value.shape[:-2])
    total = np.zeros((*outer, query.shape[-2], value.shape[-1]), query.dtype)
    for rows, keys, here in weights_of(weights, query, key, shift, mask=mask, causal=causal, scale=scale):
        p = here * inverse[..., rows, :]
        if t_query is not None or t_key is not None:
            t_scores = np.zeros_like(p)
            if t_query is not None:
                t_scores += t_query[..., rows, :] @ transposed(key[..., :keys, :]) * factor
            if t_key is not None:
                t_scores += query[..., rows, :] @ transposed(t_key[..., :keys, :]) * factor
            t_weights = p * (t_scores - (p * t_scores).sum(axis=-1, keepdims=True))
            total[..., rows, :] += t_weights @ value[..., :keys, :]
        if t_value is not None:
            total[..., rows, :] += p @ t_value[..., :keys, :]
    return total


@primitive(
    vjp=Joint(_backward),
    jvp=Joint(_forward_tangent),
    examples=_example,
    broadcasts=True,
    residuals=("weights", "shift", "inverse"),
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
    queries, keys = query.shape[-2], key.shape[-2]
    outer = query.shape[:-2]
    if mask is not None or key.shape[:-2] != outer:
        outer = np.broadcast_shapes(outer, key.shape[:-2], np.shape(mask)[:-2])
    shape = (*outer, queries, 1)
    with np.errstate(over="ignore", invalid="ignore"):  # which may come from what is masked
        if are_kept(shape, keys):
            scores = scores_of(query, key, scale)
            return _averages(scores, bias_of(slice(0, queries), keys, mask, causal, scores.dtype), value)
        outer = np.broadcast_shapes(outer, value.shape[:-2])
        out = np.empty((*outer, queries, value.shape[-1]), query.dtype)
        shift, inverse = np.empty(shape, query.dtype), np.empty(shape, query.dtype)
        for rows, end in slices(shape, keys, causal):
            scores = scores_of(query[..., rows, :], key[..., :end, :], scale)
            bias = bias_of(rows, end, mask, causal, scores.dtype)
            here, _, shift[..., rows, :], inverse[..., rows, :] = _averages(scores, bias, value[..., :end, :])
            out[..., rows, :] = here
        return out, None, shift, inverse

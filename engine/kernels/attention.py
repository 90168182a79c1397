"""scaled_dot_product_attention without a mask, for each text and head alone, in slices of the queries.

Arrays are (batch, time, heads, channels) here, as they lie in memory where heads were split off from the channels.

The scores of a slice stay in the cache, and with `causal` those of later keys are never computed. No weights are kept:
the backward pass computes each slice of them again (see `engine/ops/fused/attention_weights.py`).

Read next: `engine/kernels/adam.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.kernels.compiling import compiled
from engine.kernels.exponential import exp
from engine.kernels.products import ONE, ZERO, add_transposed_times, one_thread, times, times_transposed
from engine.kernels.taken import matrices
from engine.kernels.team import PARTS, shared
from engine.ops.fused.attention_weights import SMALL, default_scale

_QUERIES = 64  # of a slice


@shared
def _forward(
    part: Any,
    query: Array,
    key: Array,
    value: Array,
    scale: float,
    causal: bool,
    scores: Array,
    out: Array,
    shift: Array,
    inverse: Array,
    squares: Array,
) -> None:
    """Each part has its own `scores`, memory for those of a slice, and `squares`, the sum of squares of its results."""
    batch, queries, heads, _ = query.shape
    keys = key.shape[1]
    found = 0.0
    for index in range(batch * heads * part // PARTS, batch * heads * (part + 1) // PARTS):
        b, h = index // heads, index % heads
        for start in range(0, queries, _QUERIES):
            stop = min(start + _QUERIES, queries)
            end = min(stop, keys) if causal else keys
            here = _matrix(scores[part], stop - start, end)
            times_transposed(query[b, start:stop, h], key[b, :end, h], scale, here)
            for i in range(stop - start):
                seen = here[i, : min(start + i + 1, end)] if causal else here[i]
                largest, total = _largest(seen), ZERO
                for j in range(seen.size):
                    seen[j] = exp(seen[j] - largest)
                    total += seen[j]
                here[i, seen.size :] = ZERO
                shift[b, h, start + i], inverse[b, h, start + i] = largest, ONE / total
            times(here, value[b, :end, h], ONE, out[b, start:stop, h])
            for i in range(start, stop):
                row, factor = out[b, i, h], inverse[b, h, i]
                for j in range(row.size):
                    row[j] *= factor
                    found += np.float64(row[j]) * np.float64(row[j])
    squares[part] = found


@compiled
def _matrix(memory: Array, rows: Any, columns: Any) -> Any:
    """A matrix at the beginning of some memory."""
    return memory[: rows * columns].reshape(rows, columns)


def _largest(row: Array) -> Any:
    found = row[0]
    for j in range(row.size):
        found = row[j] if row[j] > found else found
    return found


_largest = compiled(_largest, no_nan=True)  # a nan makes the results nan, whatever is subtracted from the scores


def forward(
    query: Any, key: Any, value: Any, *, mask: Any, causal: bool, scale: float | None
) -> tuple[Array, None, Array, Array] | None:
    """The averages, no weights, the shifts of the scores, and 1 / the row sums; None if a result is not ordinary."""
    if mask is not None or not matrices(query, key, value) or not _fit(query, key, value):
        return None
    (batch, heads, queries, _), (_, _, keys, columns) = query.shape, value.shape
    out = np.empty((batch, queries, heads, columns), query.dtype)
    shift, inverse = (np.empty((batch, heads, queries), query.dtype) for _ in range(2))
    squares = np.empty(PARTS)
    settings = np.float32(default_scale(query, scale)), bool(causal)
    with one_thread():
        _forward(
            query.size * keys,
            *map(_by_time, (query, key, value)),
            *(*settings, _scratch(queries, keys), out, shift, inverse, squares),
        )
    ordinary = SMALL < squares.sum() < math.inf
    return (out.swapaxes(1, 2), None, shift[..., None], inverse[..., None]) if ordinary else None


@shared
def _backward(
    part: Any,
    g: Array,
    query: Array,
    key: Array,
    value: Array,
    scale: float,
    causal: bool,
    scores: Array,
    d_scores: Array,
    scaled: Array,
    out: Array,
    shift: Array,
    inverse: Array,
    d_query: Array,
    d_key: Array,
    d_value: Array,
    squares: Array,
) -> None:
    """`scores`, `d_scores` and `scaled` (cotangents) are scratch memory of each part."""
    batch, queries, heads, _ = query.shape
    keys = key.shape[1]
    found = 0.0
    for index in range(batch * heads * part // PARTS, batch * heads * (part + 1) // PARTS):
        b, h = index // heads, index % heads
        k, v, d_k, d_v = key[b, :, h], value[b, :, h], d_key[b, :, h], d_value[b, :, h]
        for start in range(0, queries, _QUERIES):
            stop = min(start + _QUERIES, queries)
            size, end = stop - start, (min(stop, keys) if causal else keys)
            q = query[b, start:stop, h]
            weights, slopes = _matrix(scores[part], size, end), _matrix(d_scores[part], size, end)
            here = _matrix(scaled[part], size, value.shape[3])
            times_transposed(q, k[:end], scale, weights)
            for i in range(size):
                seen = weights[i, : min(start + i + 1, end)] if causal else weights[i]
                subtracted = shift[b, h, start + i]
                for j in range(seen.size):
                    seen[j] = exp(seen[j] - subtracted)
                weights[i, seen.size :] = ZERO
                cotangent, factor = g[b, start + i, h], inverse[b, h, start + i]
                for j in range(cotangent.size):
                    here[i, j] = cotangent[j] * factor
            add_transposed_times(weights, here, ONE, d_v[:end])
            times_transposed(here, v[:end], ONE, slopes)
            for i in range(size):
                scaled_row, result, delta = here[i], out[b, start + i, h], ZERO
                for j in range(result.size):
                    delta += scaled_row[j] * result[j]
                slope, weight = slopes[i], weights[i]
                for j in range(end):
                    slope[j] = (slope[j] - delta) * weight[j]
            times(slopes, k[:end], scale, d_query[b, start:stop, h])
            add_transposed_times(slopes, q, scale, d_k[:end])
        for t in range(queries):
            found += _sum_of_squares(d_query[b, t, h])
        for t in range(keys):
            found += _sum_of_squares(d_key[b, t, h]) + _sum_of_squares(d_value[b, t, h])
    squares[part] = found


def _sum_of_squares(row: Array) -> Any:
    total = 0.0
    for j in range(row.size):
        total += np.float64(row[j]) * np.float64(row[j])
    return total


_sum_of_squares = compiled(_sum_of_squares, reordered=True)


def backward(
    g: Any,
    query: Any,
    key: Any,
    value: Any,
    out: Any,
    weights: Any,
    shift: Any,
    inverse: Any,
    *,
    mask: Any,
    causal: bool,
    scale: float | None,
    wanted: tuple[bool, ...],
) -> tuple[Any, ...] | None:
    """All three contributions; None if one is not finite, which the op then treats with care."""
    if mask is not None or not all(wanted) or not matrices(query, key, value, g, out) or not _fit(query, key, value):
        return None
    (_, _, queries, _), (_, _, keys, columns) = query.shape, value.shape
    g, query, key, value, out = map(_by_time, (g, query, key, value, out))
    found = np.empty_like(query), np.zeros_like(key), np.zeros_like(value)
    squares = np.empty(PARTS)
    with one_thread():
        _backward(
            query.size * keys,
            *(g, query, key, value, np.float32(default_scale(query, scale)), bool(causal)),
            *(_scratch(queries, keys), _scratch(queries, keys), _scratch(queries, columns)),
            *(out, shift[..., 0], inverse[..., 0], *found, squares),
        )
    return tuple(x.swapaxes(1, 2) for x in found) if math.isfinite(squares.sum()) else None


def _fit(query: Any, key: Any, value: Any) -> bool:
    return bool(
        query.shape[:2] == key.shape[:2] == value.shape[:2]
        and query.shape[3] == key.shape[3]
        and key.shape[2] == value.shape[2]
    )


def _by_time(x: Array) -> Array:
    """(batch, heads, time, channels) to (batch, time, heads, channels), copied only if memory is in another order."""
    return np.ascontiguousarray(x.swapaxes(1, 2))


def _scratch(queries: int, columns: int) -> Array:
    """Memory for a matrix of each part."""
    return np.empty((PARTS, min(_QUERIES, queries) * columns), np.float32)

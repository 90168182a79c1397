"""The weights of attention, exp(S) before it is divided by its row sums: as one array, or slice by slice.

They grow with the square of the text. A small array of weights is kept for the backward pass. A large one is never
whole in memory: the queries are taken in slices, and the backward pass computes the weights of each slice again, from
Q, K and what was subtracted from the scores (as in Dao et al. 2022).

Read next: `engine/ops/fused/attention.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.operands import as_operand

_VANISHING = 1e-15  # a row sum below this may have lost terms to underflow
SMALL = 2.0**-120  # a sum of squares of results; below it, products of small weights and values may underflow
_KEPT = 1 << 24  # weights of a call that are kept for the backward pass: 64 MB of float32
_SLICE = 1 << 19  # weights that are computed together where they are not kept: 2 MB of float32


def default_scale(query: Any, scale: float | None) -> float:
    return 1 / math.sqrt(query.shape[-1] or 1) if scale is None else float(scale)  # without channels, all scores are 0


def bias_of(queries: slice, keys: int, mask: Any, causal: bool, dtype: Any) -> Any:
    """The array added to the scores of some queries with the first `keys` keys, or None.

    It is 0 where attention is allowed and -inf elsewhere, plus a floating mask as given.
    """
    bias = None
    if causal:
        allowed = np.tri(queries.stop - queries.start, keys, queries.start, dtype=bool)
        bias = np.where(allowed, 0, -np.inf).astype(dtype)
    if mask is not None:
        mask = np.asarray(as_operand(mask))
        if mask.dtype.kind not in "fb":
            raise TypeError(
                f"scaled_dot_product_attention: mask must be boolean, or floats to add, not {mask.dtype}: mask != 0"
            )
        if mask.ndim > 1 and mask.shape[-2] > 1:
            mask = mask[..., queries, :]
        mask = mask[..., :keys] if mask.ndim and mask.shape[-1] > 1 else mask
        given = np.where(mask, 0, -np.inf) if mask.dtype == bool else mask
        bias = given.astype(dtype) if bias is None else bias + given.astype(dtype)
    return bias


def scores_of(query: Array, key: Array, scale: float | None) -> Array:
    scores: Array = (query * default_scale(query, scale)) @ transposed(key)
    return scores


def exponentials(scores: Array, bias: Any) -> tuple[Array, Array, Array]:
    """exp(scores + bias - shift), the shift, which prevents overflow, and 1 / the row sums.

    Any shift is right that makes no row sum underflow. The largest of all scores is found ten times faster than the
    largest of each short row, so it is tried first. If it makes a row sum too small, or is not finite, each row is
    shifted by its own largest score.
    """
    largest = scores.max(initial=-np.inf)
    if math.isfinite(largest):
        weights = scores - largest if bias is None else scores + (bias - largest)
        np.exp(weights, out=weights)
        total = row_sums(weights)
        if total.min(initial=1) > _VANISHING:
            return weights, np.full(total.shape, largest), 1 / total
    weights = scores.copy() if bias is None else scores + bias
    shift = weights.max(axis=-1, keepdims=True, initial=-np.inf)
    shift[np.isinf(shift)] = 0
    weights -= shift
    np.exp(weights, out=weights)
    total = weights.sum(axis=-1, keepdims=True)
    total[total == 0] = 1  # a query with every key masked: its weights are 0, and 0 / 1 = 0
    total[np.isinf(total)] = np.nan  # an infinite score: infinity / infinity
    return weights, shift, 1 / total


def slices(shape: tuple[int, ...], keys: int, causal: bool) -> Iterator[tuple[slice, int]]:
    """The queries in slices, and how many keys each slice looks at, given the shape of the queries' row sums.

    One slice if the weights are kept.
    """
    *others, queries, _ = shape
    if are_kept(shape, keys):
        yield slice(0, queries), keys
        return
    size = max(1, _SLICE // (keys * math.prod(others)))
    for start in range(0, queries, size):
        rows = slice(start, min(start + size, queries))
        yield rows, min(rows.stop, keys) if causal else keys


def are_kept(shape: tuple[int, ...], keys: int) -> bool:
    return math.prod(shape) * keys <= _KEPT


def weights_of(
    kept: Any, query: Array, key: Array, shift: Array, *, mask: Any, causal: bool, scale: float | None
) -> Iterator[tuple[slice, int, Array]]:
    """A slice of the queries, how many keys it looks at, and their weights: those kept, or computed again."""
    for rows, keys in slices(shift.shape, key.shape[-2], causal):
        if kept is not None:
            yield rows, keys, kept
            continue
        scores = scores_of(query[..., rows, :], key[..., :keys, :], scale)
        bias = bias_of(rows, keys, mask, causal, scores.dtype)
        scores = (scores if bias is None else scores + bias) - shift[..., rows, :]
        yield rows, keys, np.exp(scores, out=scores)


def row_sums(x: Array) -> Array:
    """The sum of each row, with its axis kept; as a product, because NumPy's sum is slow for short rows."""
    return (x @ _ones(x.shape[-1], x.dtype))[..., None]


@lru_cache(maxsize=16)
def _ones(count: int, dtype: Any) -> Array:
    ones = np.ones(count, dtype)
    ones.flags.writeable = False
    return ones


def transposed(x: Array) -> Array:
    return x.swapaxes(-1, -2)

"""Attention moves information between positions: each gathers values from the positions whose keys fit its query.

Several heads do so side by side. Heads may share keys and values in groups, which makes both smaller, above all in a
cache (grouped-query attention, Ainslie et al. 2023); with `kv_heads=1` all heads share them (Shazeer 2019).

Read next: `nn/feed_forward.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import engine
from nn.cache import Cache
from nn.layers import Dropout, Linear
from nn.module import Module
from nn.positions import RotaryPositions
from nn.settings import flag, probability, size, sizes


class MultiHeadAttention(Module):
    """Self-attention with several heads: (batch, time, channels) to the same shape.

    Fields:
        query: channels to channels; head h is the h-th group of output channels.
        key, value: channels to `kv_heads` heads of the same size. Head h reads number h // (heads / kv_heads) of them.
        kv_heads: as many as `heads` unless said otherwise, or a divisor of it.
        output: mixes the outputs of the heads.
        causal: whether a position attends to itself and those before it only (GPT), or to all (BERT).
        rotary: rotates queries and keys by position, or None.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        *,
        kv_heads: int | None = None,
        bias: bool = True,
        causal: bool = True,
        dropout: float = 0.0,
        rotary: RotaryPositions | None = None,
    ) -> None:
        channels, heads = sizes("MultiHeadAttention", channels=channels, heads=heads)
        if channels % heads:
            raise ValueError(f"MultiHeadAttention: {channels} channels do not divide into {heads} heads")
        kv_heads = heads if kv_heads is None else size("MultiHeadAttention", "kv_heads", kv_heads)
        if heads % kv_heads:
            raise ValueError(f"MultiHeadAttention: {heads} heads do not divide into groups for {kv_heads} kv_heads")
        if rotary is not None and (not isinstance(rotary, RotaryPositions) or rotary.channels != channels // heads):
            raise ValueError(
                f"MultiHeadAttention: rotary must be nn.RotaryPositions(block, {channels // heads}), the channels of a "
                f"head, not {rotary!r}"
            )
        self.heads, self.kv_heads = heads, kv_heads
        self.causal = flag("MultiHeadAttention", "causal", causal)
        shared = channels // heads * kv_heads
        self.query = Linear(channels, channels, bias=bias)
        self.key = Linear(channels, shared, bias=bias)
        self.value = Linear(channels, shared, bias=bias)
        self.rotary = rotary
        self.output = Linear(channels, channels, bias=bias)
        self.dropout = Dropout(dropout) if probability("MultiHeadAttention", "dropout", dropout) else None

    def forward(self, x: Any, cache: Cache | None = None) -> Any:
        """With a cache, x is what follows on the positions that were read, which it looks at too."""
        if cache is not None and not self.causal:
            raise ValueError("MultiHeadAttention: a cache needs causal=True, or earlier positions would change")
        start = 0 if cache is None else cache.length
        query, key = self._query_and_key(x, start)
        value = _split(self.value(x), self.kv_heads)
        if cache is not None:
            key, value = cache.extended(self, key, value)
        mask = np.tri(x.shape[1], start + x.shape[1], start, dtype=bool) if start and x.shape[1] > 1 else None
        averages = _averages(query, key, value, mask=mask, causal=self.causal and not start)
        averages = averages.swapaxes(1, 2).reshape(x.shape)  # from (batch, heads, time, channels / heads)
        out = self.output(averages)
        return out if self.dropout is None else self.dropout(out)

    def weights(self, x: Any) -> Any:
        """How much each position attends to each, (batch, heads, time, time): the weights of `forward`'s averages.

        Each row adds up to 1. They are for inspection, so no graph is recorded.
        """
        with engine.no_grad():
            query, key = self._query_and_key(x)
            scores = query @ _repeated(key, self.heads).mT / math.sqrt(query.shape[-1])
            if self.causal:
                scores = engine.where(np.tri(x.shape[1], dtype=bool), scores, -math.inf)
            return engine.softmax(scores)

    def _query_and_key(self, x: Any, start: int = 0) -> tuple[Any, Any]:
        """Queries (batch, heads, time, channels / heads) and keys (batch, kv_heads, time, channels / heads).

        Both are rotated by position if there is a `rotary`.
        """
        query, key = _split(self.query(x), self.heads), _split(self.key(x), self.kv_heads)
        return (query, key) if self.rotary is None else (self.rotary(query, start), self.rotary(key, start))

    def extra_repr(self) -> str:
        shared = f", kv_heads={self.kv_heads}" if self.kv_heads < self.heads else ""
        return f"heads={self.heads}{shared}{'' if self.causal else ', causal=False'}"


def _split(x: Any, heads: int) -> Any:
    """(batch, time, heads * channels) to (batch, heads, time, channels)."""
    batch, time, channels = x.shape
    return x.reshape(batch, time, heads, channels // heads).swapaxes(1, 2)


def _averages(query: Any, key: Any, value: Any, *, mask: Any, causal: bool) -> Any:
    """For each query the weighted mean of the values of its group: (batch, heads, time, channels)."""
    batch, heads, time, channels = query.shape
    shared = key.shape[1]
    if time == 1 and shared < heads:  # no query has a later key: a group is like one head that reads several positions
        groups = query.reshape(batch, shared, heads // shared, channels)
        return engine.scaled_dot_product_attention(groups, key, value).reshape(query.shape)
    key, value = _repeated(key, heads), _repeated(value, heads)
    return engine.scaled_dot_product_attention(query, key, value, mask=mask, causal=causal, scale=None)


def _repeated(x: Any, heads: int) -> Any:
    """Keys or values, each repeated for the heads of its group: (batch, heads, time, channels)."""
    batch, shared, time, channels = x.shape
    if shared == heads:
        return x
    x = engine.expand_dims(x.swapaxes(1, 2), axis=3)  # kernels for attention take (batch, time, heads, channels)
    x = engine.broadcast_to(x, shape=(batch, time, shared, heads // shared, channels))
    return x.reshape(batch, time, heads, channels).swapaxes(1, 2)

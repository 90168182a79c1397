"""Attention moves information between positions: each gathers values from the positions whose keys fit its query.

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
from nn.settings import flag, probability, sizes


class MultiHeadAttention(Module):
    """Self-attention with several heads, causal by default: (batch, time, channels) to the same shape.

    Fields:
        query, key, value: channels to channels; head h is the h-th group of output channels.
        output: mixes the outputs of the heads.
        rotary: rotates queries and keys by position, or None.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        *,
        bias: bool = True,
        causal: bool = True,
        dropout: float = 0.0,
        rotary: RotaryPositions | None = None,
    ) -> None:
        channels, heads = sizes("MultiHeadAttention", channels=channels, heads=heads)
        if channels % heads:
            raise ValueError(f"MultiHeadAttention: {channels} channels do not divide into {heads} heads")
        if rotary is not None and (not isinstance(rotary, RotaryPositions) or rotary.channels != channels // heads):
            raise ValueError(
                f"MultiHeadAttention: rotary must be nn.RotaryPositions(block, {channels // heads}), the channels of a "
                f"head, not {rotary!r}"
            )
        self.heads = heads
        self.causal = flag("MultiHeadAttention", "causal", causal)
        self.query = Linear(channels, channels, bias=bias)
        self.key = Linear(channels, channels, bias=bias)
        self.value = Linear(channels, channels, bias=bias)
        self.rotary = rotary
        self.output = Linear(channels, channels, bias=bias)
        self.dropout = Dropout(dropout) if probability("MultiHeadAttention", "dropout", dropout) else None

    def forward(self, x: Any, cache: Cache | None = None) -> Any:
        """With a cache, x is what follows on the positions that were read, which it looks at too."""
        if cache is not None and not self.causal:
            raise ValueError("MultiHeadAttention: a cache needs causal=True, or earlier positions would change")
        start = 0 if cache is None else cache.length
        query, key = self._query_and_key(x, start)
        value = self._split(self.value(x))
        if cache is not None:
            key, value = cache.extended(self, key, value)
        mask = np.tri(x.shape[1], start + x.shape[1], start, dtype=bool) if start and x.shape[1] > 1 else None
        causal = self.causal and not start
        averages = engine.scaled_dot_product_attention(query, key, value, mask=mask, causal=causal)
        averages = averages.swapaxes(1, 2).reshape(x.shape)  # from (batch, heads, time, channels / heads)
        out = self.output(averages)
        return out if self.dropout is None else self.dropout(out)

    def weights(self, x: Any) -> Any:
        """How much each position attends to each, (batch, heads, time, time): the weights of `forward`'s averages.

        Each row adds up to 1. They are for inspection, so no graph is recorded.
        """
        with engine.no_grad():
            query, key = self._query_and_key(x)
            scores = query @ key.mT / math.sqrt(query.shape[-1])
            if self.causal:
                scores = engine.where(np.tri(x.shape[1], dtype=bool), scores, -math.inf)
            return engine.softmax(scores)

    def _query_and_key(self, x: Any, start: int = 0) -> tuple[Any, Any]:
        """Queries and keys, each (batch, heads, time, channels / heads), rotated by position if there is a `rotary`."""
        query, key = self._split(self.query(x)), self._split(self.key(x))
        return (query, key) if self.rotary is None else (self.rotary(query, start), self.rotary(key, start))

    def _split(self, x: Any) -> Any:
        """(batch, time, channels) to (batch, heads, time, channels / heads)."""
        batch, time, channels = x.shape
        return x.reshape(batch, time, self.heads, channels // self.heads).swapaxes(1, 2)

    def extra_repr(self) -> str:
        return f"heads={self.heads}"

"""The transformer: attention moves information between positions, the feed-forward works on each position alone.

Both add to the residual stream x, which runs unchanged from the embedding to the head:

    x = x + attention(norm(x))             (norm="pre", as in GPT-2; norm="post" normalises after the addition)
    x = x + feed_forward(norm(x))

Read next: `nn/losses.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import engine
from nn.cache import Cache
from nn.layers import Dropout, LayerNorm, Linear
from nn.module import Module
from nn.positions import RotaryPositions
from nn.settings import choice, flag, probability, size, sizes

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "gelu": lambda x: engine.gelu(x, approximate="tanh"),
    "relu2": lambda x: engine.square(engine.relu(x)),
}


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
        averages = engine.scaled_dot_product_attention(query, key, value, mask=mask, causal=causal, scale=None)
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


class FeedForward(Module):
    """Two affine maps with an activation between them, at each position alone: (..., channels) to the same shape.

    Fields:
        expand: channels to `hidden`, four times as many unless said otherwise.
        activation: "gelu" (its tanh form) or "relu2", relu(x)**2 (So et al. 2021), cheaper and no worse.
        contract: back to channels.
    """

    def __init__(
        self,
        channels: int,
        hidden: int | None = None,
        *,
        bias: bool = True,
        dropout: float = 0.0,
        activation: str = "gelu",
    ) -> None:
        channels = size("FeedForward", "channels", channels)
        hidden = 4 * channels if hidden is None else size("FeedForward", "hidden", hidden)
        self.activation = choice("FeedForward", "activation", activation, [*ACTIVATIONS])
        self.expand = Linear(channels, hidden, bias=bias)
        self.contract = Linear(hidden, channels, bias=bias)
        self.dropout = Dropout(dropout) if probability("FeedForward", "dropout", dropout) else None

    def forward(self, x: Any) -> Any:
        out = self.contract(ACTIVATIONS[self.activation](self.expand(x)))
        return out if self.dropout is None else self.dropout(out)

    def extra_repr(self) -> str:
        return self.activation


class TransformerBlock(Module):
    """One layer of the transformer: (batch, time, channels) to the same shape."""

    def __init__(
        self,
        channels: int,
        heads: int,
        *,
        bias: bool = True,
        dropout: float = 0.0,
        norm: str = "pre",
        activation: str = "gelu",
        rotary: RotaryPositions | None = None,
    ) -> None:
        self.norm = choice("TransformerBlock", "norm", norm, ["pre", "post"])
        self.attention_norm = LayerNorm(channels, bias=bias)
        self.attention = MultiHeadAttention(channels, heads, bias=bias, dropout=dropout, rotary=rotary)
        self.feed_forward_norm = LayerNorm(channels, bias=bias)
        self.feed_forward = FeedForward(channels, bias=bias, dropout=dropout, activation=activation)

    def attention_weights(self, x: Any) -> Any:
        """The attention weights of `forward`, (batch, heads, time, time); no graph is recorded."""
        with engine.no_grad():
            return self.attention.weights(x if self.norm == "post" else self.attention_norm(x))

    def forward(self, x: Any, only: Any = None, cache: Cache | None = None) -> Any:
        """With a boolean mask `only` (batch, time), what follows attention runs at its n positions: (n, channels).

        With a cache, x is what follows on the positions that were read.
        """
        if self.norm == "post":
            x = self.attention_norm(x + self.attention(x, cache))
            x = x if only is None else x[only]
            return self.feed_forward_norm(x + self.feed_forward(x))
        x = x + self.attention(self.attention_norm(x), cache)
        x = x if only is None else x[only]
        return x + self.feed_forward(self.feed_forward_norm(x))

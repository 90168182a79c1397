"""The transformer: attention moves information between positions, the feed-forward works on each position alone.

Both add to the residual stream x, a straight line from the embedding to the head:

    x = x + attention(norm(x))             (norm="pre", GPT-2's; "post" normalises after the addition instead)
    x = x + feed_forward(norm(x))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import engine
from nn.layers import Dropout, LayerNorm, Linear
from nn.module import Module
from nn.positions import RotaryPositions

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "gelu": lambda x: engine.gelu(x, approximate="tanh"),
    "relu2": lambda x: engine.square(engine.relu(x)),
}


class MultiHeadAttention(Module):
    """Causal self-attention with several heads: (batch, time, channels) to the same.

    Fields:
        query, key, value: channels to channels, read as heads side by side.
        output: mixes what the heads found.
        rotary: turns queries and keys by position, or None.
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
        if channels % heads:
            raise ValueError(f"MultiHeadAttention: {channels} channels do not divide into {heads} heads")
        self.heads = heads
        self.causal = causal
        self.query = Linear(channels, channels, bias=bias)
        self.key = Linear(channels, channels, bias=bias)
        self.value = Linear(channels, channels, bias=bias)
        self.rotary = rotary
        self.output = Linear(channels, channels, bias=bias)
        self.dropout = Dropout(dropout) if dropout else None

    def forward(self, x: Any) -> Any:
        batch, time, channels = x.shape
        query, key, value = (self._split(project(x)) for project in (self.query, self.key, self.value))
        if self.rotary is not None:
            query, key = self.rotary(query), self.rotary(key)
        found = engine.scaled_dot_product_attention(
            query, key, value, causal=self.causal
        )  # (batch, heads, time, width)
        found = found.swapaxes(1, 2).reshape(batch, time, channels)
        out = self.output(found)
        return out if self.dropout is None else self.dropout(out)

    def _split(self, x: Any) -> Any:
        """(batch, time, channels) to (batch, heads, time, channels / heads)."""
        batch, time, channels = x.shape
        return x.reshape(batch, time, self.heads, channels // self.heads).swapaxes(1, 2)

    def extra_repr(self) -> str:
        return f"heads={self.heads}"


class FeedForward(Module):
    """Two affine maps with a curve between, at each position alone: (..., channels) to the same.

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
        if activation not in ACTIVATIONS:
            raise ValueError(f"FeedForward: activation must be one of {[*ACTIVATIONS]}, not {activation!r}")
        self.activation = activation
        hidden = 4 * channels if hidden is None else hidden
        self.expand = Linear(channels, hidden, bias=bias)
        self.contract = Linear(hidden, channels, bias=bias)
        self.dropout = Dropout(dropout) if dropout else None

    def forward(self, x: Any) -> Any:
        out = self.contract(ACTIVATIONS[self.activation](self.expand(x)))
        return out if self.dropout is None else self.dropout(out)

    def extra_repr(self) -> str:
        return self.activation


class TransformerBlock(Module):
    """One layer of the transformer: (batch, time, channels) to the same."""

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
        if norm not in ("pre", "post"):
            raise ValueError(f'TransformerBlock: norm must be "pre" or "post", not {norm!r}')
        self.norm = norm
        self.attention_norm = LayerNorm(channels, bias=bias)
        self.attention = MultiHeadAttention(channels, heads, bias=bias, dropout=dropout, rotary=rotary)
        self.feed_forward_norm = LayerNorm(channels, bias=bias)
        self.feed_forward = FeedForward(channels, bias=bias, dropout=dropout, activation=activation)

    def forward(self, x: Any, only: Any = None) -> Any:
        """With a boolean mask `only` (batch, time), go on after attention at those positions alone: (n, channels)."""
        if self.norm == "post":
            x = self.attention_norm(x + self.attention(x))
            x = x if only is None else x[only]
            return self.feed_forward_norm(x + self.feed_forward(x))
        x = x + self.attention(self.attention_norm(x))
        x = x if only is None else x[only]
        return x + self.feed_forward(self.feed_forward_norm(x))

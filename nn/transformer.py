"""The transformer block: attention moves information between positions, the feed-forward works on each position alone.

Both add to the residual stream x, which runs unchanged from the embedding to the head:

    x = x + attention(norm(x))             (norm="pre", as in GPT-2; norm="post" normalises after the addition)
    x = x + feed_forward(norm(x))

Read next: `nn/losses.py`.
"""

from __future__ import annotations

from typing import Any

import engine
from nn.attention import MultiHeadAttention
from nn.cache import Cache
from nn.feed_forward import FeedForward
from nn.module import Module
from nn.norms import NORMS
from nn.positions import RotaryPositions
from nn.settings import choice


class TransformerBlock(Module):
    """One layer of the transformer: (batch, time, channels) to the same shape.

    Fields:
        attention_norm, feed_forward_norm: LayerNorm, or RMSNorm with `norm_kind="rms"`.
        attention: of `heads` heads, with keys and values for `kv_heads` of them, and `causal` or not.
        feed_forward: with an `activation` and so many `hidden` channels, as `nn/feed_forward.py` says.
        norm: whether the norms stand before attention and feed-forward ("pre"), or after the additions ("post").
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
        norm: str = "pre",
        norm_kind: str = "layer",
        hidden: int | None = None,
        activation: str = "gelu",
        rotary: RotaryPositions | None = None,
    ) -> None:
        self.norm = choice("TransformerBlock", "norm", norm, ["pre", "post"])
        new_norm = NORMS[choice("TransformerBlock", "norm_kind", norm_kind, [*NORMS])]
        self.attention_norm = new_norm(channels, bias)
        self.attention = MultiHeadAttention(
            channels, heads, kv_heads=kv_heads, bias=bias, causal=causal, dropout=dropout, rotary=rotary
        )
        self.feed_forward_norm = new_norm(channels, bias)
        self.feed_forward = FeedForward(channels, hidden, bias=bias, dropout=dropout, activation=activation)

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

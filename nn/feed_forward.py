"""The feed-forward works on each position alone, on what attention has gathered there.

Read next: `nn/transformer.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import engine
from nn.layers import Dropout, Linear
from nn.module import Module
from nn.settings import choice, probability, size

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "gelu": lambda x: engine.gelu(x, approximate="tanh"),
    "relu2": lambda x: engine.square(engine.relu(x)),
}


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

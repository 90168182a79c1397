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
    "relu": lambda x: engine.relu(x),
    "relu2": lambda x: engine.square(engine.relu(x)),
    "swiglu": lambda x: engine.silu(x),  # of the gate
}


class FeedForward(Module):
    """Two affine maps with an activation between them, at each position alone: (..., channels) to the same shape.

    With "swiglu" (Shazeer 2020), a third one, the gate, says how much of each hidden value passes:

        contract(silu(gate(x)) * expand(x))

    Fields:
        activation: "gelu" (its tanh form), "relu", "relu2", which is relu(x)**2 (So et al. 2021), or "swiglu".
        expand: channels to `hidden`: 4 * channels, or 8/3 * channels with a gate, so that there are as many parameters.
        gate: channels to `hidden` with "swiglu", otherwise None.
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
        self.activation = choice("FeedForward", "activation", activation, [*ACTIVATIONS])
        gated = activation == "swiglu"
        if hidden is None:
            hidden = round(8 * channels / 3) if gated else 4 * channels
        hidden = size("FeedForward", "hidden", hidden)
        self.gate = Linear(channels, hidden, bias=bias) if gated else None
        self.expand = Linear(channels, hidden, bias=bias)
        self.contract = Linear(hidden, channels, bias=bias)
        self.dropout = Dropout(dropout) if probability("FeedForward", "dropout", dropout) else None

    def forward(self, x: Any) -> Any:
        activated = ACTIVATIONS[self.activation]
        hidden = activated(self.expand(x)) if self.gate is None else activated(self.gate(x)) * self.expand(x)
        out = self.contract(hidden)
        return out if self.dropout is None else self.dropout(out)

    def extra_repr(self) -> str:
        return self.activation

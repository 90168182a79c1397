"""The small layers: each holds its parameters and calls one op.

Read next: `nn/norms.py`.
"""

from __future__ import annotations

from typing import Any

import engine
from engine import Tensor
from nn import init
from nn.module import Module
from nn.settings import choice, flag, probability, sizes


class Linear(Module):
    """x W^T + b over the last axis: (..., inputs) to (..., outputs).

    Fields:
        weight: (outputs, inputs), uniform in +-1/sqrt(inputs).
        bias: (outputs,), zeros at first, or None.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True) -> None:
        inputs, outputs = sizes("Linear", inputs=inputs, outputs=outputs)
        self.weight = init.fan_in_uniform(outputs, inputs)
        self.bias = init.zeros(outputs) if flag("Linear", "bias", bias) else None

    def forward(self, x: Any) -> Any:
        return engine.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        outputs, inputs = self.weight.shape
        return f"{inputs}, {outputs}, bias={self.bias is not None}"


class Embedding(Module):
    """A vector for each id: integers (...) to (..., channels).

    Fields:
        weight: (size, channels), standard normal.
    """

    weight: Tensor

    def __init__(self, size: int, channels: int) -> None:
        self.weight = init.normal(*sizes("Embedding", size=size, channels=channels), std=1.0)

    def forward(self, ids: Any) -> Any:
        return engine.embedding(ids, self.weight)

    def extra_repr(self) -> str:
        return ", ".join(map(str, self.weight.shape))


class Dropout(Module):
    """In training mode, zero each value with probability p and scale the others; in evaluation mode, the identity."""

    p: float

    def __init__(self, p: float = 0.5) -> None:
        self.p = probability("Dropout", "p", p)

    def forward(self, x: Any) -> Any:
        return engine.dropout(x, p=self.p, rng=engine.random.generator()) if self.training else x

    def extra_repr(self) -> str:
        return f"p={self.p:g}"


class ReLU(Module):
    """max(x, 0), elementwise."""

    def forward(self, x: Any) -> Any:
        return engine.relu(x)


class GELU(Module):
    """x times the probability that a standard normal number is below x, elementwise; "tanh" is its approximation."""

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = choice("GELU", "approximate", approximate, ("none", "tanh"))

    def forward(self, x: Any) -> Any:
        return engine.gelu(x, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """x * sigmoid(x), elementwise."""

    def forward(self, x: Any) -> Any:
        return engine.silu(x)

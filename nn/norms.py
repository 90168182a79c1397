"""Norms: each vector on the last axis is brought to one scale, so that no layer depends on how large its input is.

LayerNorm (Ba et al. 2016) also moves the mean to 0; RMSNorm (Zhang and Sennrich 2019) does not, and is cheaper.

Read next: `nn/positions.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import engine
from engine import Tensor
from nn import init
from nn.module import Module
from nn.settings import flag, positive, sizes


class LayerNorm(Module):
    """Each vector on the last axis shifted to mean 0, scaled to variance 1, then by `weight` and `bias`.

    Fields:
        weight: (channels,), ones at first.
        bias: (channels,), zeros at first, or None.
        eps: added to the variance.
    """

    weight: Tensor
    bias: Tensor | None
    eps: float

    def __init__(self, channels: int, *, bias: bool = True, eps: float = 1e-5) -> None:
        (channels,) = sizes("LayerNorm", channels=channels)
        self.weight = init.ones(channels)
        self.bias = init.zeros(channels) if flag("LayerNorm", "bias", bias) else None
        self.eps = positive("LayerNorm", "eps", eps)

    def forward(self, x: Any) -> Any:
        return engine.layer_norm(x, self.weight, self.bias, eps=self.eps)

    def extra_repr(self) -> str:
        return f"{self.weight.size}, eps={self.eps:g}"


class RMSNorm(Module):
    """Each vector on the last axis divided by its root mean square, then times `weight`.

    Fields:
        weight: (channels,), ones at first.
        eps: added to the mean square.
    """

    weight: Tensor
    eps: float

    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        self.weight = init.ones(*sizes("RMSNorm", channels=channels))
        self.eps = positive("RMSNorm", "eps", eps)

    def forward(self, x: Any) -> Any:
        return engine.rms_norm(x, self.weight, eps=self.eps)

    def extra_repr(self) -> str:
        return f"{self.weight.size}, eps={self.eps:g}"


NORMS: dict[str, Callable[[int, bool], LayerNorm | RMSNorm]] = {  # from channels, and whether there is a bias
    "layer": lambda channels, bias: LayerNorm(channels, bias=bias),
    "rms": lambda channels, bias: RMSNorm(channels),  # which never has one
}

"""Telling a transformer where each character stands; attention by itself sees a set.

Learned and sinusoidal positions are added to the embedding. Rotary ones turn queries and keys instead (Su et
al. 2021): two vectors turned by m and n angles have an inner product that depends on m - n only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import engine
from engine import Tensor
from nn import init
from nn.module import Module


class LearnedPositions(Module):
    """Adds a trained vector for each position: (batch, time, channels) to the same.

    Fields:
        weight: (block, channels), normal with standard deviation 0.02.
    """

    weight: Tensor

    def __init__(self, block: int, channels: int) -> None:
        self.weight = init.normal(block, channels)

    def forward(self, x: Any) -> Any:
        return x + self.weight[: x.shape[-2]]


def _angles(block: int, pairs: int, base: float) -> Any:
    """Position times frequency: (block, pairs), with frequencies from 1 down to nearly 1 / base."""
    return np.arange(block)[:, None] * base ** (-np.arange(pairs) / pairs)


class SinusoidalPositions(Module):
    """Adds fixed sines and cosines of the position (Vaswani et al. 2017): (batch, time, channels) to the same."""

    def __init__(self, block: int, channels: int, *, base: float = 10000.0) -> None:
        angles = _angles(block, (channels + 1) // 2, base)
        table = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(block, -1)
        self._table = Tensor(table[:, :channels].tolist())

    def tensors(self) -> Any:
        return iter(())  # fixed by the configuration, so not part of the state

    def forward(self, x: Any) -> Any:
        return x + self._table[: x.shape[-2]]


class RotaryPositions(Module):
    """Turns each pair of channels by an angle proportional to the position: (..., time, channels) to the same.

    A larger base gives slower frequencies, hence longer reach; it should exceed the longest text by a little.
    """

    def __init__(self, block: int, channels: int, *, base: float = 10000.0) -> None:
        if channels % 2:
            raise ValueError(
                f"RotaryPositions: turns pairs of channels, so needs an even number per head, not {channels}"
            )
        self._phases = np.exp(1j * _angles(block, channels // 2, base))
        self.base = base

    def forward(self, x: Any) -> Any:
        return engine.rotary(x, phases=self._phases[: x.shape[-2]])

    def extra_repr(self) -> str:
        return f"{2 * self._phases.shape[1]}, base={self.base:g}"

"""Position encodings: attention by itself does not see the order of its inputs.

Learned and sinusoidal positions are added to the embedding. Rotary positions rotate queries and keys instead (Su et
al. 2021): the inner product of two vectors rotated by m and n times an angle depends on m - n only.

`start` is the position of the first of the vectors given, where the beginning of a text was read before.

Read next: `nn/cache.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import engine
from engine import Tensor
from nn import init
from nn.module import Module
from nn.settings import positive, sizes


class LearnedPositions(Module):
    """Adds a trained vector for each position: (batch, time, channels) to the same shape.

    Fields:
        weight: (block, channels), normal with standard deviation 0.02.
    """

    weight: Tensor

    def __init__(self, block: int, channels: int) -> None:
        self.weight = init.normal(*sizes("LearnedPositions", block=block, channels=channels))

    def forward(self, x: Any, start: int = 0) -> Any:
        return x + self.weight[start : start + x.shape[-2]]


def _angles(block: int, pairs: int, base: float) -> Any:
    """Position times frequency: (block, pairs), with frequencies from 1 down to nearly 1 / base."""
    return np.arange(block)[:, None] * base ** (-np.arange(pairs) / pairs)


class SinusoidalPositions(Module):
    """Adds fixed sines and cosines of the position (Vaswani et al. 2017): (batch, time, channels) to the same shape."""

    def __init__(self, block: int, channels: int, *, base: float = 10000.0) -> None:
        block, channels = sizes("SinusoidalPositions", block=block, channels=channels)
        angles = _angles(block, (channels + 1) // 2, positive("SinusoidalPositions", "base", base))
        table = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(block, -1)
        self._table = Tensor(table[:, :channels].tolist())

    def tensors(self) -> Any:
        return iter(())  # the configuration determines the table, so it is not part of the state

    def forward(self, x: Any, start: int = 0) -> Any:
        return x + self._table[start : start + x.shape[-2]]


class RotaryPositions(Module):
    """Rotates each pair of channels by an angle proportional to the position: (..., time, channels) to the same shape.

    A larger base gives lower frequencies, which tell positions apart over longer distances; choose it somewhat larger
    than the longest text.
    """

    def __init__(self, block: int, channels: int, *, base: float = 10000.0) -> None:
        block, channels = sizes("RotaryPositions", block=block, channels=channels)
        if channels % 2:
            raise ValueError(
                f"RotaryPositions: rotates pairs of channels, so needs an even number per head, not {channels}"
            )
        self.channels = channels
        self.base = positive("RotaryPositions", "base", base)
        self._phases = np.exp(1j * _angles(block, channels // 2, self.base))

    def forward(self, x: Any, start: int = 0) -> Any:
        return engine.rotary(x, phases=self._phases[start : start + x.shape[-2]])

    def extra_repr(self) -> str:
        return f"{self.channels}, base={self.base:g}"

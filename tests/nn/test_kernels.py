"""Training with compiled kernels and with NumPy alone: the same loss, step by step."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

import engine
from nn import Embedding, LayerNorm, Linear, Module, TransformerBlock, clip_grad_norm
from nn.optim import AdamW


class Model(Module):
    """A transformer of two blocks, large enough that kernels take its arrays."""

    def __init__(self) -> None:
        self.embedding = Embedding(30, 64)
        self.first, self.second = (TransformerBlock(64, 4, bias=False) for _ in range(2))
        self.norm = LayerNorm(64, bias=False)
        self.head = Linear(64, 30, bias=False)

    def loss(self, ids: np.ndarray, labels: np.ndarray) -> engine.Tensor:
        x = self.embedding(ids)
        logits = self.head(self.norm(self.second(self.first(x))))
        loss: engine.Tensor = engine.cross_entropy(logits, labels)
        return loss


def curve(kernels: str) -> list[float]:
    """The losses of 100 steps on random texts, in which every third character repeats the one before."""
    before = engine.kernels.active()
    engine.kernels.use(kernels)
    try:
        engine.random.seed(0)
        rng = np.random.default_rng(0)
        model = Model()
        optimizer = AdamW(model.parameters(), lr=1e-3)
        losses = []
        for _ in range(100):
            text = rng.integers(0, 30, (8, 33))
            text[:, 2::3] = text[:, 1:-1:3]
            loss = model.loss(text[:, :-1], text[:, 1:])
            loss.backward()
            clip_grad_norm(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(float(loss.item()))
        return losses
    finally:
        engine.kernels.use(before)


@pytest.mark.skipif(find_spec("numba") is None, reason="Numba is not installed")
def test_loss_curves_agree_over_a_hundred_steps() -> None:
    plain, fast = curve("numpy"), curve("numba")
    assert plain[-1] < plain[0] - 0.5
    np.testing.assert_allclose(fast, plain, rtol=0, atol=1e-4)

"""The feed-forward: what its activations compute, and how large its hidden layer is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import engine
import nn
from engine import Tensor

ACTIVATIONS = {
    "gelu": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "relu": lambda x: np.maximum(x, 0),
    "relu2": lambda x: np.maximum(x, 0) ** 2,
}


def affine(layer: Any, x: Any) -> Any:
    return x @ layer.weight.numpy().T + layer.bias.numpy()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_it_applies_its_activation_between_two_maps(activation: str) -> None:
    engine.random.seed(0)
    layer, x = nn.FeedForward(4, activation=activation), engine.random.normal((3, 4)).numpy()
    assert layer.gate is None
    expected = affine(layer.contract, ACTIVATIONS[activation](affine(layer.expand, x)))
    np.testing.assert_allclose(layer(Tensor(x)).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_a_gate_says_how_much_passes() -> None:
    engine.random.seed(0)
    layer, x = nn.FeedForward(4, 5, activation="swiglu"), engine.random.normal((3, 4)).numpy()
    gate = affine(layer.gate, x)
    expected = affine(layer.contract, gate / (1 + np.exp(-gate)) * affine(layer.expand, x))
    np.testing.assert_allclose(layer(Tensor(x)).numpy(), expected, rtol=1e-5, atol=1e-6)
    assert layer.expand.weight.shape == layer.gate.weight.shape == (5, 4)  # type: ignore[union-attr]


@pytest.mark.parametrize("channels", [1, 2, 16, 96, 128])
def test_a_gate_costs_no_parameters(channels: int) -> None:
    gated, plain = (
        sum(p.size for p in nn.FeedForward(channels, bias=False, activation=activation).parameters())
        for activation in ("swiglu", "gelu")
    )
    assert abs(gated - plain) <= 1.5 * channels  # of rounding to whole hidden values

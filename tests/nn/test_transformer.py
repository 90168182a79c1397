"""The transformer: attention is causal, and rotary scores depend on relative positions only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import engine
import nn
from engine import Tensor


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("rotary", [True, False])
def test_a_position_depends_on_nothing_after_it(norm: str, rotary: bool) -> None:
    engine.random.seed(0)
    block = nn.TransformerBlock(8, 2, norm=norm, rotary=nn.RotaryPositions(16, 4) if rotary else None)
    x = engine.random.normal((1, 6, 8)).numpy()
    changed = x.copy()
    changed[:, 4:] += 1.0
    before, after = block(Tensor(x)).numpy(), block(Tensor(changed)).numpy()
    np.testing.assert_allclose(before[:, :4], after[:, :4], rtol=1e-5, atol=1e-6)
    assert not np.allclose(before[:, 4:], after[:, 4:])


def test_rotated_vectors_have_inner_products_that_see_only_the_distance() -> None:
    rng = np.random.default_rng(0)
    q, k = rng.normal(size=8), rng.normal(size=8)
    rotary = nn.RotaryPositions(16, 8)
    turned_q = rotary(Tensor(np.tile(q, (16, 1)))).numpy()
    turned_k = rotary(Tensor(np.tile(k, (16, 1)))).numpy()
    scores = turned_q @ turned_k.T
    for distance in range(-15, 16):
        diagonal = np.diagonal(scores, distance)
        np.testing.assert_allclose(diagonal, diagonal[0], rtol=1e-10)


def test_attention_is_the_weighted_average_of_the_values() -> None:
    rng = np.random.default_rng(1)
    q, k, v = (rng.normal(size=(2, 5, 3)) for _ in range(3))
    found: Any = engine.scaled_dot_product_attention(q, k, v, causal=True)
    for batch in range(2):
        for t in range(5):
            scores = np.array([q[batch, t] @ k[batch, s] / np.sqrt(3) for s in range(t + 1)])
            weights = np.exp(scores) / np.exp(scores).sum()
            np.testing.assert_allclose(found[batch, t], weights @ v[batch, : t + 1], rtol=1e-12)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("rotary", [True, False])
def test_attention_weights_are_those_that_average_the_values(causal: bool, rotary: bool) -> None:
    engine.random.seed(0)
    attention = nn.MultiHeadAttention(8, 2, causal=causal, rotary=nn.RotaryPositions(16, 4) if rotary else None)
    x = engine.random.normal((3, 5, 8))
    weights = attention.weights(x)
    assert weights.shape == (3, 2, 5, 5)
    assert not weights.requires_grad
    np.testing.assert_allclose(weights.numpy().sum(axis=-1), 1, rtol=1e-6)
    assert (np.triu(weights.numpy(), 1) == 0).all() == causal
    value = attention.value(x).reshape(3, 5, 2, 4).swapaxes(1, 2)
    averaged = (weights @ value).swapaxes(1, 2).reshape(3, 5, 8)
    np.testing.assert_allclose(attention.output(averaged).numpy(), attention(x).numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_attention_weights_of_a_block_are_those_of_its_attention(norm: str) -> None:
    engine.random.seed(0)
    block = nn.TransformerBlock(8, 2, norm=norm)
    x = engine.random.normal((1, 4, 8))
    read = block.attention_norm(x) if norm == "pre" else x
    np.testing.assert_array_equal(block.attention_weights(x).numpy(), block.attention.weights(read).numpy())


def test_mistakes_in_the_shape_are_named() -> None:
    with pytest.raises(ValueError, match="8 channels do not divide into 3 heads"):
        nn.MultiHeadAttention(8, 3)
    with pytest.raises(ValueError, match="even number per head, not 3"):
        nn.RotaryPositions(16, 3)
    with pytest.raises(ValueError, match='"pre" or "post"'):
        nn.TransformerBlock(8, 2, norm="middle")

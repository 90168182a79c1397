"""Attention: its weights and averages, and heads that share keys and values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import engine
import nn
from engine import Tensor
from engine.backward import gradients


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
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_attention_weights_are_those_that_average_the_values(causal: bool, rotary: bool, kv_heads: int) -> None:
    engine.random.seed(0)
    positions = nn.RotaryPositions(16, 2) if rotary else None
    attention = nn.MultiHeadAttention(8, 4, kv_heads=kv_heads, causal=causal, rotary=positions)
    x = engine.random.normal((3, 5, 8))
    weights = attention.weights(x)
    assert weights.shape == (3, 4, 5, 5)
    assert not weights.requires_grad
    np.testing.assert_allclose(weights.numpy().sum(axis=-1), 1, rtol=1e-6)
    assert (np.triu(weights.numpy(), 1) == 0).all() == causal
    value = attention.value(x).numpy().reshape(3, 5, kv_heads, 2).repeat(4 // kv_heads, axis=2)
    averaged = (weights @ value.swapaxes(1, 2)).swapaxes(1, 2).reshape(3, 5, 8)
    np.testing.assert_allclose(attention.output(averaged).numpy(), attention(x).numpy(), rtol=1e-5, atol=1e-6)


def both(kv_heads: int, causal: bool) -> tuple[nn.MultiHeadAttention, nn.MultiHeadAttention]:
    """Attention with shared keys and values, and one with copies of them for each head, which computes the same."""
    engine.random.seed(0)
    rotary = nn.RotaryPositions(16, 2)
    grouped = nn.MultiHeadAttention(8, 4, kv_heads=kv_heads, causal=causal, rotary=rotary)
    whole = nn.MultiHeadAttention(8, 4, causal=causal, rotary=rotary)
    state = grouped.state_dict()
    for name in ("key.weight", "key.bias", "value.weight", "value.bias"):
        state[name] = by_head(state[name], kv_heads).repeat(4 // kv_heads, axis=0).reshape(8, *state[name].shape[1:])
    whole.load_state_dict(state)
    return grouped, whole


def by_head(x: Any, heads: int) -> Any:
    """(heads * channels, ...) to (heads, channels, ...)."""
    return x.reshape(heads, -1, *x.shape[1:])


@pytest.mark.parametrize("kv_heads", [1, 2])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("time", [1, 5])
def test_shared_keys_and_values_are_like_copies_of_them(kv_heads: int, causal: bool, time: int) -> None:
    grouped, whole = both(kv_heads, causal)
    x, g = (engine.random.normal((3, time, 8)).numpy() for _ in range(2))
    found, expected = (attention(Tensor(x)).numpy() for attention in (grouped, whole))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(grouped.weights(x).numpy(), whole.weights(x).numpy(), rtol=1e-5, atol=1e-6)
    names = ["x", *grouped.state_dict()]
    for name, found, expected in zip(names, *(slopes(a, x, g) for a in (grouped, whole)), strict=True):
        if name.startswith(("key", "value")):
            expected = by_head(by_head(expected, 4), kv_heads).sum(axis=1).reshape(found.shape)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5, err_msg=name)


def slopes(attention: nn.MultiHeadAttention, x: Any, g: Any) -> list[Any]:
    """The gradients of sum(attention(x) * g) for x and every parameter."""
    read = Tensor(x, requires_grad=True)
    return gradients((attention(read) * g).sum(), [read, *attention.parameters()])


def test_a_cache_holds_shared_keys_and_values_once(monkeypatch: pytest.MonkeyPatch) -> None:
    grouped, _ = both(2, True)
    seen, extended = [], nn.Cache.extended

    def spy(self: nn.Cache, module: Any, *new: Any) -> Any:
        found = extended(self, module, *new)
        seen.append([x.shape for x in found])
        return found

    monkeypatch.setattr(nn.Cache, "extended", spy)
    cache = nn.Cache()
    with engine.no_grad():
        for time in (3, 1):
            grouped(engine.random.normal((2, time, 8)), cache)
            cache.advance(time)
    assert seen == [[(2, 2, 3, 2)] * 2, [(2, 2, 4, 2)] * 2]


def test_its_text_says_what_is_not_usual() -> None:
    assert repr(nn.MultiHeadAttention(8, 4)).startswith("MultiHeadAttention(heads=4\n")
    grouped = nn.MultiHeadAttention(8, 4, kv_heads=2, causal=False)
    assert repr(grouped).startswith("MultiHeadAttention(heads=4, kv_heads=2, causal=False\n")
    assert [line.split()[:3] for line in grouped.summary().splitlines() if "weight" in line] == [
        ["query.weight", "(8,", "8)"],
        ["key.weight", "(4,", "8)"],
        ["value.weight", "(4,", "8)"],
        ["output.weight", "(8,", "8)"],
    ]


def test_heads_that_do_not_divide_are_named() -> None:
    with pytest.raises(ValueError, match=r"^MultiHeadAttention: 8 channels do not divide into 3 heads$"):
        nn.MultiHeadAttention(8, 3)
    with pytest.raises(ValueError, match=r"^MultiHeadAttention: 4 heads do not divide into groups for 3 kv_heads$"):
        nn.MultiHeadAttention(8, 4, kv_heads=3)

"""Muon: the update is orthogonal, follows its formula, and leaves to AdamW what is not a matrix."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import engine
import nn
from engine import Tensor
from gpt.model import GPT, GPTConfig
from nn.optim.muon import orthogonal

SHAPES = [(4, 4), (3, 8), (8, 3), (1, 5), (5, 1), (1, 1)]


def matrix(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_singular_values_come_near_1_and_singular_vectors_stay(
    shape: tuple[int, int], dtype: Any, scale: float
) -> None:
    x = (matrix(*shape) * scale).astype(dtype)
    found = orthogonal(x)
    assert found.dtype == dtype
    assert found.shape == shape
    u, _, v = np.linalg.svd(x / dtype(scale), full_matrices=False)
    values = u.T @ found @ v.T
    assert (np.diag(values) > 0.68).all()
    assert (np.diag(values) < 1.21).all()
    np.testing.assert_allclose(values, np.diag(np.diag(values)), atol=1e-4 if dtype is np.float32 else 1e-12)


@given(st.lists(st.floats(1 / 400, 1), min_size=1, max_size=6), st.integers(0, 3), st.booleans())
def test_the_band_of_the_singular_values(values: list[float], more: int, tall: bool) -> None:
    n = len(values)
    (u, _), (v, _) = (np.linalg.qr(matrix(size, size, seed=size)) for size in (n, n + more))
    x = u @ np.diag(np.array(values) / max(math.hypot(*values), 1)) @ v[:n]
    found = np.linalg.svd(orthogonal(x.T if tall else x), compute_uv=False)
    smallest = min(values) / math.hypot(*values)
    assert found.max() < 1.21
    assert found.min() > (0.68 if smallest > 1 / 500 else 0.4)


def test_a_zero_matrix_stays_zero_and_an_empty_one_empty() -> None:
    np.testing.assert_array_equal(orthogonal(np.zeros((2, 3))), np.zeros((2, 3)))
    assert orthogonal(np.zeros((2, 0))).shape == (2, 0)
    smallest = np.full((2, 2), 1e-45, np.float32)
    np.testing.assert_allclose(np.linalg.norm(orthogonal(smallest), 2), 1, atol=0.32)
    largest = np.full((2, 2), 3e38, np.float32)
    np.testing.assert_allclose(np.linalg.norm(orthogonal(largest), 2), 1, atol=0.32)


@pytest.mark.parametrize("shape", SHAPES)
def test_it_follows_its_formula(shape: tuple[int, int]) -> None:
    value, velocity = matrix(*shape), np.zeros(shape)
    p = Tensor(value, requires_grad=True)
    optimizer = nn.optim.Muon([p], lr=0.1, momentum=0.9, weight_decay=0.5)
    for step in range(4):
        g = matrix(*shape, seed=step + 1)
        p.grad = Tensor(g)
        optimizer.step()
        velocity = 0.9 * velocity + g
        u, s, v = np.linalg.svd(g + 0.9 * velocity, full_matrices=False)
        s = s / math.sqrt((s * s).sum())
        for _ in range(5):
            s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
        wider = math.sqrt(max(1, shape[0] / shape[1]))
        value = value - 0.1 * (wider * (u * s) @ v + 0.5 * value)
        np.testing.assert_allclose(p.numpy(), value, rtol=1e-9, atol=1e-9)


def test_a_zero_gradient_moves_nothing_and_nan_is_not_hidden() -> None:
    p = Tensor(matrix(2, 3), requires_grad=True)
    optimizer, before = nn.optim.Muon([p]), p.numpy().copy()
    p.grad = Tensor(np.zeros((2, 3)))
    optimizer.step()
    np.testing.assert_array_equal(p.numpy(), before)
    p.grad = Tensor(np.array([[math.nan, 0, 0], [0, 0, 0]]))
    optimizer.step()
    assert np.isnan(p.numpy()).all()


def test_what_is_not_a_matrix_is_refused() -> None:
    for shape in ((3,), (), (2, 2, 2)):
        p = Tensor(np.ones(shape), requires_grad=True, name="bias")
        with pytest.raises(
            ValueError, match=r"^Muon: the tensor bias of shape \([\d, ]*\) is not a matrix; give .* to AdamW$"
        ):
            nn.optim.Muon([{"params": [p]}])


def test_muon_for_the_blocks_and_adamw_for_the_rest_learn_together() -> None:
    engine.random.seed(0)
    model = GPT(GPTConfig(vocab_size=6, block_size=6, n_layer=2, n_head=2, n_embd=8))
    matrices = [p for p in model.blocks.parameters() if p.ndim == 2]
    inside = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in inside]
    optimizers = [nn.optim.Muon(matrices, lr=0.02), nn.optim.AdamW(rest, lr=1e-2)]
    assert len(matrices) == 2 * 6
    ids = np.array([[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0]])
    losses = []
    for _ in range(60):
        loss = model.loss(ids[:, :-1], ids[:, 1:])
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 4

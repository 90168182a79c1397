"""Optimizers compared with their formulas in plain NumPy, and clipping."""

from __future__ import annotations

import numpy as np
import pytest

import nn
from engine import Tensor


def quadratic(x: Tensor) -> Tensor:
    return ((x - 3.0) * (x - 3.0)).sum()


def test_sgd_with_momentum_and_decay_follows_its_formula() -> None:
    x = Tensor(np.array([1.0, 5.0]), requires_grad=True)
    optimizer = nn.optim.SGD([x], lr=0.1, momentum=0.9, weight_decay=0.01)
    value, velocity = np.array([1.0, 5.0]), np.zeros(2)
    for _ in range(5):
        quadratic(x).backward()
        optimizer.step()
        optimizer.zero_grad()
        velocity = 0.9 * velocity + 2 * (value - 3) + 0.01 * value
        value = value - 0.1 * velocity
    np.testing.assert_allclose(x.numpy(), value, rtol=1e-12)


def test_adamw_follows_its_formula() -> None:
    x = Tensor(np.array([1.0, 5.0]), requires_grad=True)
    optimizer = nn.optim.AdamW([x], lr=0.1, betas=(0.9, 0.98), weight_decay=0.1)
    value, m, v = np.array([1.0, 5.0]), np.zeros(2), np.zeros(2)
    for t in range(1, 6):
        quadratic(x).backward()
        optimizer.step()
        optimizer.zero_grad()
        g = 2 * (value - 3)
        m, v = 0.9 * m + 0.1 * g, 0.98 * v + 0.02 * g * g
        step = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.98**t)) + 1e-8)
        value = value - 0.1 * 0.1 * value - 0.1 * step
    np.testing.assert_allclose(x.numpy(), value, rtol=1e-10)


def test_groups_override_settings_and_share_the_learning_rate() -> None:
    x, y = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
    optimizer = nn.optim.SGD([{"params": [x], "weight_decay": 1.0}, {"params": [y]}], lr=0.5)
    optimizer.lr = 0.25
    (x * 0.0 + y * 0.0).sum().backward()
    optimizer.step()
    assert x.item() == 0.75
    assert y.item() == 1.0


def test_a_parameter_without_a_gradient_is_left_alone() -> None:
    x, y = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
    optimizer = nn.optim.AdamW([x, y], lr=0.1)
    quadratic(x).backward()
    optimizer.step()
    assert y.item() == 1.0
    assert x.item() != 1.0


def test_only_leaves_can_be_optimized() -> None:
    x = Tensor([1.0], requires_grad=True)
    with pytest.raises(TypeError, match="leaf"):
        nn.optim.SGD([x * 2.0], lr=0.1)
    with pytest.raises(ValueError, match="no parameters"):
        nn.optim.SGD([], lr=0.1)


def test_clipping_scales_all_gradients_together() -> None:
    x, y = Tensor([3.0], requires_grad=True), Tensor([4.0], requires_grad=True)
    (x * 3.0 + y * 4.0).sum().backward()
    assert nn.clip_grad_norm([x, y], 1.0) == pytest.approx(5.0)
    assert x.grad is not None
    assert y.grad is not None
    np.testing.assert_allclose([x.grad.item(), y.grad.item()], [0.6, 0.8], rtol=1e-6)
    assert nn.clip_grad_norm([x, y], 10.0) == pytest.approx(1.0)
    np.testing.assert_allclose(x.grad.item(), 0.6, rtol=1e-6)


def test_clipping_keeps_float32_and_refuses_a_negative_bound() -> None:
    x = Tensor([3.0, 4.0], requires_grad=True)
    (x * x).sum().backward()
    nn.clip_grad_norm([x], np.float64(5))
    assert x.grad is not None
    assert x.grad.dtype == np.float32
    np.testing.assert_allclose(x.grad.numpy(), [3, 4], rtol=1e-6)
    with pytest.raises(ValueError, match="max_norm must not be negative, and is -1"):
        nn.clip_grad_norm([x], -1.0)

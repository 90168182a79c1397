"""Modules and optimizers against PyTorch's of the same name, started from the same parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import engine
import nn
from engine import Tensor
from tests.against.agreement import normal, same, torch

F = torch.nn.functional
IDS = np.array([[0, 3, 3], [1, 0, 2]])


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    """Parameters in float64, and the same ones every time."""
    engine.set_default_dtype(np.float64)
    engine.random.seed(0)
    yield
    engine.set_default_dtype(np.float32)


def twin(ours: nn.Module, theirs: Any) -> Any:
    """PyTorch's module with our parameters, which have the same names and shapes."""
    theirs = theirs.double()
    theirs.load_state_dict({name: torch.tensor(value) for name, value in ours.state_dict().items()})
    return theirs


def compare_gradients(ours: nn.Module, theirs: Any, out: Any, expected: Any) -> None:
    """One backward pass through both, from the same random cotangent, into every parameter."""
    same("value", out, expected)
    g = normal(*out.shape)
    out.backward(g)
    expected.backward(torch.tensor(g))
    truth = dict(theirs.named_parameters())
    assert truth.keys() == dict(ours.named_parameters()).keys()
    for name, parameter in ours.named_parameters():
        same(name, parameter.grad, truth[name].grad)


MODULES: dict[str, tuple[Any, Any, Any]] = {
    "Linear": (lambda: nn.Linear(3, 4), lambda: torch.nn.Linear(3, 4), normal(2, 5, 3)),
    "Linear, no bias": (lambda: nn.Linear(3, 4, bias=False), lambda: torch.nn.Linear(3, 4, bias=False), normal(3)),
    "LayerNorm": (lambda: nn.LayerNorm(4), lambda: torch.nn.LayerNorm(4), normal(2, 3, 4)),
    "LayerNorm, no bias": (
        lambda: nn.LayerNorm(4, bias=False, eps=0.1),
        lambda: torch.nn.LayerNorm(4, bias=False, eps=0.1),
        normal(2, 4),
    ),
    "RMSNorm": (lambda: nn.RMSNorm(4), lambda: torch.nn.RMSNorm(4, eps=1e-5), normal(2, 4)),
    "Embedding": (lambda: nn.Embedding(4, 3), lambda: torch.nn.Embedding(4, 3), IDS),
    "Sequential": (
        lambda: nn.Sequential(nn.Linear(3, 5), nn.LayerNorm(5), nn.Linear(5, 2), nn.Dropout(0.0)),
        lambda: torch.nn.Sequential(
            torch.nn.Linear(3, 5), torch.nn.LayerNorm(5), torch.nn.Linear(5, 2), torch.nn.Dropout(0.0)
        ),
        normal(4, 3),
    ),
}


@pytest.mark.parametrize("name", MODULES)
def test_modules_agree(name: str) -> None:
    make, make_theirs, x = MODULES[name]
    ours = make()
    for parameter in ours.parameters():
        parameter.assign(normal(*parameter.shape))  # ones and zeros would hide a mistake
    theirs = twin(ours, make_theirs())
    compare_gradients(ours, theirs, ours(x if x is IDS else Tensor(x)), theirs(torch.tensor(x)))


class Attention(torch.nn.Module):  # type: ignore[misc]
    """`nn.MultiHeadAttention` as one writes it in PyTorch."""

    def __init__(self, channels: int, heads: int, kv_heads: int, causal: bool) -> None:
        super().__init__()
        self.size, self.causal = channels // heads, causal
        self.query, self.output = (torch.nn.Linear(channels, channels) for _ in range(2))
        self.key, self.value = (torch.nn.Linear(channels, self.size * kv_heads) for _ in range(2))

    def forward(self, x: Any) -> Any:
        projected = [project(x).unflatten(-1, (-1, self.size)) for project in (self.query, self.key, self.value)]
        by_head = [y.transpose(1, 2) for y in projected]
        found = F.scaled_dot_product_attention(*by_head, is_causal=self.causal, enable_gqa=True)
        return self.output(found.transpose(1, 2).flatten(2))


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize("shape", [(2, 5, 8), (1, 1, 8)])
def test_multi_head_attention_agrees(causal: bool, kv_heads: int, shape: tuple[int, ...]) -> None:
    ours = nn.MultiHeadAttention(8, 4, kv_heads=kv_heads, causal=causal)
    theirs = twin(ours, Attention(8, 4, kv_heads, causal))
    x = normal(*shape)
    compare_gradients(ours, theirs, ours(Tensor(x)), theirs(torch.tensor(x)))


OPTIMIZERS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "SGD": (nn.optim.SGD, torch.optim.SGD, {"lr": 0.1}),
    "SGD with momentum": (nn.optim.SGD, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05}),
    "Adam": (nn.optim.Adam, torch.optim.Adam, {"lr": 0.05}),
    "Adam with decay": (nn.optim.Adam, torch.optim.Adam, {"lr": 0.1, "betas": (0.8, 0.95), "weight_decay": 0.2}),
    "AdamW": (nn.optim.AdamW, torch.optim.AdamW, {"lr": 0.05}),
    "AdamW with decay": (nn.optim.AdamW, torch.optim.AdamW, {"lr": 0.1, "betas": (0.8, 0.95), "weight_decay": 0.2}),
    "AdamW with eps": (nn.optim.AdamW, torch.optim.AdamW, {"lr": 0.1, "eps": 0.5}),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_agree_step_by_step(name: str) -> None:
    make, make_theirs, settings = OPTIMIZERS[name]
    ours = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    theirs = twin(ours, torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)))
    parameters, truth = ours.parameters(), list(theirs.parameters())
    step = make([{"params": parameters[:2]}, {"params": parameters[2:], "weight_decay": 0.3}], **settings)
    step_theirs = make_theirs([{"params": truth[:2]}, {"params": truth[2:], "weight_decay": 0.3}], **settings)
    for _ in range(6):
        x = normal(5, 3)
        step.zero_grad()
        step_theirs.zero_grad()
        engine.mean(engine.square(ours(Tensor(x)) - 1.0)).backward()
        ((theirs(torch.tensor(x)) - 1.0) ** 2).mean().backward()
        step.step()
        step_theirs.step()
        for parameter, expected in zip(parameters, truth, strict=True):
            same("parameter", parameter, expected)


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="PyTorch has Muon since 2.9")
@pytest.mark.parametrize("shape", [(4, 6), (6, 4)])
def test_muon_agrees_as_far_as_theirs_computes(shape: tuple[int, int]) -> None:
    """Theirs orthogonalises in bfloat16, with eight bits."""
    parameter = Tensor(normal(*shape), requires_grad=True)
    truth = torch.tensor(parameter.numpy().copy(), requires_grad=True)
    step = nn.optim.Muon([parameter], lr=0.1, momentum=0.9, weight_decay=0.2)
    step_theirs = torch.optim.Muon([truth], lr=0.1, momentum=0.9, weight_decay=0.2)
    for _ in range(4):
        g = normal(*shape)
        parameter.grad, truth.grad = Tensor(g), torch.tensor(g)
        step.step()
        step_theirs.step()
        np.testing.assert_allclose(parameter.numpy(), truth.detach().numpy(), atol=0.01)


ACTIVATIONS = {
    "ReLU": (nn.ReLU(), torch.nn.ReLU()),
    "GELU": (nn.GELU(), torch.nn.GELU()),
    "GELU, tanh": (nn.GELU("tanh"), torch.nn.GELU("tanh")),
    "SiLU": (nn.SiLU(), torch.nn.SiLU()),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_agree(name: str) -> None:
    ours, theirs = ACTIVATIONS[name]
    x, g = normal(3, 4), normal(3, 4)
    mine, truth = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    out, expected = ours(mine), theirs(truth)
    same("value", out, expected)
    out.backward(g)
    expected.backward(torch.tensor(g))
    same("gradient", mine.grad, truth.grad)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", ["mse_loss", "binary_cross_entropy_with_logits", "binary_cross_entropy"])
def test_losses_agree(name: str, reduction: str) -> None:
    x, t = normal(2, 3), np.array([[0.0, 1.0, 0.25], [1.0, 0.0, 0.5]])
    if name == "binary_cross_entropy":
        x = 1 / (1 + np.exp(-x))
    mine, truth = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    out = getattr(nn.losses, name)(mine, t, reduction=reduction)
    expected = getattr(F, name)(truth, torch.tensor(t), reduction=reduction)
    same("value", out, expected)
    g = normal(*out.shape)
    out.backward(g)
    expected.backward(torch.tensor(g))
    same("gradient", mine.grad, truth.grad)


@pytest.mark.parametrize("max_norm", [0.1, 100.0])
def test_clipping_agrees(max_norm: float) -> None:
    ours, theirs = Tensor(normal(3), requires_grad=True), torch.tensor(normal(3), requires_grad=True)
    g = normal(3)
    ours.backward(g)
    theirs.backward(torch.tensor(g))
    norm, expected = nn.clip_grad_norm([ours], max_norm), torch.nn.utils.clip_grad_norm_([theirs], max_norm)
    np.testing.assert_allclose(norm, expected.item(), rtol=1e-12)
    assert ours.grad is not None
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-5)  # theirs adds 1e-6 to the norm

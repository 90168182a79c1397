"""What is wrong with the gradients of a PyTorch model, planted and found; and nothing where nothing is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import viz
from tests.viz.pytorch.models import encoder, nn, perceptron, residual, torch


def saturated() -> Any:
    layers = [layer for _ in range(20) for layer in (nn.Linear(16, 16), nn.Sigmoid())]
    return nn.Sequential(*layers)


def dead() -> Any:
    model = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 16))
    model[0].bias.data.fill_(-100.0)
    return model


def frozen() -> Any:
    model = nn.Sequential(nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 16))
    model[0].requires_grad_(False)
    return model


class Detached(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.branch, self.trunk = nn.Linear(16, 16), nn.Linear(16, 16)

    def forward(self, x: Any) -> Any:
        return self.trunk(x) + self.branch(x).detach()


@pytest.mark.parametrize(
    ("make", "kind", "told"),
    [
        (saturated, "vanishing", "the gradient falls by a factor of"),
        (dead, "dead", "1.relu lets 0% of its gradient pass"),
        (frozen, "frozen", "0.weight, 0.bias"),
        (Detached, "detached", "branch.weight, branch.bias"),
    ],
)
def test_what_is_wrong_is_found(make: Callable[[], Any], kind: str, told: str) -> None:
    torch.manual_seed(0)
    model = make()
    with viz.scopes(model):
        loss = model(torch.randn(32, 16)).square().mean()
    (finding,) = [finding for finding in viz.trace(loss).diagnose() if finding.kind == kind]
    assert told in finding.text


def test_a_loss_of_the_wrong_size_and_a_nan_are_found() -> None:
    w = torch.randn(4, 4, requires_grad=True)
    assert [finding.kind for finding in viz.trace((w * 1e-12).sum()).diagnose()] == ["scale"]
    flow = viz.trace((w * 0).sqrt().sum(), names={"w": w})
    first = flow.first_nonfinite
    assert first is not None
    assert first.op == "multiply"
    assert flow.diagnose()[0].kind == "not finite"


@pytest.mark.parametrize("make", [perceptron, encoder, residual])
def test_nothing_is_found_where_nothing_is_wrong(make: Callable[[], Any]) -> None:
    torch.manual_seed(0)
    model, _ = make()
    x = {"perceptron": (8, 10), "encoder": (2, 7, 32), "residual": (2, 3, 8, 8)}[make.__name__]
    with viz.scopes(model):
        out = model(torch.randn(x))
    loss = (out - torch.randn(out.shape)).square().mean()
    assert viz.trace(loss).diagnose() == []

"""PyTorch models of many kinds, small, with a function that computes a loss of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch: Any = pytest.importorskip(
    "torch", reason="PyTorch is not installed; `pip install 'blameflow[torch]'` installs it"
)
from viz.sources.torch_private import tells_what_is_saved  # noqa: E402 (it imports PyTorch)

nn: Any = torch.nn
functional: Any = torch.nn.functional

Made = tuple[Any, Callable[[], Any]]
tells_all = pytest.mark.skipif(not tells_what_is_saved(), reason="this PyTorch does not tell what its nodes keep")


def perceptron() -> Made:
    model = nn.Sequential(nn.Linear(10, 20), nn.Tanh(), nn.Linear(20, 3))
    x, labels = torch.randn(8, 10), torch.randint(0, 3, (8,))
    return model, lambda: functional.cross_entropy(model(x), labels)


def encoder() -> Made:
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    model, x = nn.TransformerEncoder(layer, 3), torch.randn(2, 7, 32)
    return model, lambda: model(x).pow(2).mean()


def convolutions() -> Made:
    """With normalisation and activations that write into their input."""
    first = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
    last = [nn.Conv2d(8, 16, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5)]
    model, x, labels = nn.Sequential(*first, *last), torch.randn(4, 3, 16, 16), torch.randint(0, 5, (4,))
    return model, lambda: functional.cross_entropy(model(x), labels)


class Residual(nn.Module):  # type: ignore[misc]
    """A block of a residual network: two convolutions and a way around them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.norm = nn.GroupNorm(2, channels)

    def forward(self, x: Any) -> Any:
        return functional.relu(x + self.norm(self.second(functional.relu(self.first(x)))))


def residual() -> Made:
    model, x = nn.Sequential(nn.Conv2d(3, 8, 3), *(Residual(8) for _ in range(4))), torch.randn(2, 3, 8, 8)
    return model, lambda: model(x).square().mean()


class Recurrent(nn.Module):  # type: ignore[misc]
    """An embedding, a recurrent layer and a head."""

    def __init__(self, kind: Any, sparse: bool = False) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 8, sparse=sparse)
        self.recurrent = kind(8, 12, 2, batch_first=True)
        self.head = nn.Linear(12, 11)

    def forward(self, ids: Any) -> Any:
        return self.head(self.recurrent(self.embedding(ids))[0])


def _text(model: Any) -> Made:
    ids = torch.randint(0, 11, (3, 6))
    return model, lambda: functional.cross_entropy(model(ids).flatten(0, 1), ids.roll(-1, 1).flatten())


def gru() -> Made:
    return _text(Recurrent(nn.GRU))


def lstm() -> Made:
    return _text(Recurrent(nn.LSTM))


def sparse_embedding() -> Made:
    return _text(Recurrent(nn.GRU, sparse=True))


class Steps(nn.Module):  # type: ignore[misc]
    """A cell that is called at every step."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.out = nn.GRUCell(4, 6), nn.Linear(6, 1)

    def forward(self, x: Any) -> Any:
        state = torch.zeros(len(x), 6)
        for step in range(x.shape[1]):
            state = self.cell(x[:, step], state)
        return self.out(state)


def cell() -> Made:
    model, x = Steps(), torch.randn(2, 9, 4)
    return model, lambda: model(x).pow(2).sum()


class Pair(torch.autograd.Function):  # type: ignore[misc]
    """A function of the user with two results."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x, x + 1

    @staticmethod
    def backward(ctx: Any, g: Any, h: Any) -> Any:
        return 2 * ctx.saved_tensors[0] * g + h


class Custom(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x: Any) -> Any:
        squared, shifted = Pair.apply(self.linear(x))
        return (squared * shifted).sum() + squared.mean()


def custom_function() -> Made:
    model, x = Custom(), torch.randn(4, 3)
    return model, lambda: model(x)


def autocast() -> Made:
    model, x = nn.Sequential(nn.Linear(10, 20), nn.GELU(), nn.Linear(20, 3)), torch.randn(8, 10)

    def loss() -> Any:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return model(x).float().pow(2).mean()

    return model, loss


def checkpointed() -> Made:
    from torch.utils.checkpoint import checkpoint

    model, x = nn.Sequential(nn.Linear(10, 20), nn.GELU(), nn.Linear(20, 3)), torch.randn(8, 10)
    return model, lambda: checkpoint(model, x, use_reentrant=False).pow(2).mean()


def frozen() -> Made:
    model, x = (
        nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2), nn.Sigmoid(), nn.Linear(2, 1)),
        torch.randn(3, 4),
    )
    model[2].requires_grad_(False)
    return model, lambda: model(x).mean()


class Tied(nn.Module):  # type: ignore[misc]
    """One weight under two names, and one layer under three."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(9, 6), nn.Linear(6, 9, bias=False)
        self.head.weight = self.embedding.weight
        self.layer = nn.Linear(6, 6)
        self.again, self.layers = self.layer, nn.ModuleList([self.layer])

    def forward(self, ids: Any) -> Any:
        return self.head(self.again(self.layers[0](self.embedding(ids))))


def tied() -> Made:
    model, ids = Tied(), torch.randint(0, 9, (2, 5))
    return model, lambda: functional.cross_entropy(model(ids).flatten(0, 1), ids.flatten())


def mixture() -> Made:
    """Experts, chosen by a router for each row."""
    router, experts = nn.Linear(6, 3), nn.ModuleList(nn.Linear(6, 6) for _ in range(3))
    model, x = nn.ModuleDict({"router": router, "experts": experts}), torch.randn(10, 6)

    def loss() -> Any:
        weights, chosen = router(x).softmax(-1).max(-1)
        out = torch.zeros(10, 6)
        for number, expert in enumerate(experts):
            rows = (chosen == number).nonzero().flatten()
            out = out.index_add(0, rows, expert(x[rows]) * weights[rows, None])
        return out.square().mean()

    return model, loss


MODELS = [
    perceptron, encoder, convolutions, residual, gru, lstm, sparse_embedding, cell, custom_function, autocast,
    checkpointed, frozen, tied, mixture,
]  # fmt: skip

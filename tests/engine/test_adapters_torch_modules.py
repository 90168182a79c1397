"""check_torch_module: right modules agree and stay as they are, planted mistakes are found and named."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from engine.testing import GradientError, Inconclusive, check_torch_module

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed; `make compare` installs it")
nn = torch.nn
torch.manual_seed(0)  # of the parameters of the modules below
RNG = np.random.default_rng(0)
X, W, WORDS = (RNG.normal(size=shape) for shape in ((2, 3), (3, 2), (3, 4)))


class Tied(nn.Module):  # type: ignore[misc,name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.out = nn.Embedding(4, 3), nn.Linear(3, 4, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, ids: Any) -> Any:
        return {"logits": self.out(self.embed(ids)), "more": (self.embed(ids),)}


class Counting(nn.Module):  # type: ignore[misc,name-defined]
    """A buffer that is replaced, not written into."""

    count: Any

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.ones(3))

    def forward(self, x: Any) -> Any:
        self.count = self.count + 1
        return x * self.count


def frozen() -> Any:
    module = nn.Linear(3, 2)
    module.weight.requires_grad_(False)
    return module


@pytest.mark.parametrize(
    ("module", "arrays"),
    [
        (nn.Linear(3, 2), (X,)),
        (nn.Conv1d(2, 2, 2), (X[None],)),
        (nn.LayerNorm(3), (X,)),
        (nn.BatchNorm1d(3), (W.T,)),
        (nn.BatchNorm1d(3).eval(), (X,)),
        (nn.GRU(3, 2), (X,)),
        (nn.LSTM(3, 2), (X, (np.ones((1, 2)), np.ones((1, 2))))),
        (nn.GRU(3, 2), (nn.utils.rnn.pack_sequence([torch.ones(2, 3), torch.zeros(1, 3)]),)),
        (nn.Embedding(4, 2), (np.array([1, 3, 1]),)),
        (nn.EmbeddingBag(4, 2, sparse=True), (np.array([[1, 3], [0, 1]]),)),
        (nn.MultiheadAttention(4, 2), (WORDS, WORDS, WORDS, None, False)),
        (nn.TransformerEncoderLayer(4, 2, 4), (WORDS,)),
        (nn.Sequential(nn.ReLU(inplace=True), nn.Linear(3, 4), nn.Dropout(0.5)), (X,)),
        (nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)), (X,)),
        (
            nn.utils.parametrizations.spectral_norm(nn.Linear(3, 2)).eval(),
            (X,),
        ),  # training, it holds an iterate constant
        (Tied(), (torch.tensor([1, 3]),)),
        (Counting(), (X,)),
        (frozen(), (X,)),
        (nn.Linear(40, 50), (RNG.normal(size=(4, 40)),)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_right_modules_agree_and_stay_as_they_are(module: Any, arrays: tuple[Any, ...]) -> None:
    before = {name: value.clone() for name, value in module.state_dict().items()}
    mode, draws = module.training, torch.random.get_rng_state()
    report = check_torch_module(module, *arrays)
    floats = sum(np.size(a) for a in arrays if isinstance(a, np.ndarray) and a.dtype.kind == "f")
    floats += 4 if isinstance(module, nn.LSTM) else 0
    floats += 9 if isinstance(arrays[0], nn.utils.rnn.PackedSequence) else 0
    parameters = sum(p.numel() for p in module.parameters() if p.requires_grad)
    assert report.entries == 4 if parameters > 256 else report.elements == floats + parameters
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(p.grad is None for p in module.parameters())
    assert module.training is mode
    assert torch.equal(torch.random.get_rng_state(), draws)
    assert torch.get_default_dtype() == torch.float32


class Halves(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g / 2


class Through(nn.Module):  # type: ignore[misc,name-defined]
    """A module that sends one of its parameters through a wrong Function."""

    def __init__(self, inner: Any, name: str) -> None:
        super().__init__()
        self.inner, self.name = inner, name

    def forward(self, x: Any) -> Any:
        parameters = dict(self.inner.named_parameters())
        return torch.func.functional_call(self.inner, {self.name: Halves.apply(parameters[self.name])}, (x,))


class Cut(nn.Module):  # type: ignore[misc,name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, 2), nn.Linear(2, 2)

    def forward(self, x: Any) -> Any:
        return self.last(self.first(x).detach())


class Caching(nn.Module):  # type: ignore[misc,name-defined]
    """Its backward pass reads what the last call stored on the module."""

    def forward(self, x: Any) -> Any:
        self.x = x.detach()
        out = x * x.detach()
        out.register_hook(lambda g: 2 * self.x / x.detach() * g)
        return out


@pytest.mark.parametrize(
    ("module", "report"),
    [
        (Through(nn.GRU(3, 2), "weight_hh_l0"), r"at       inner.weight_hh_l0\[\d, \d\].*ratio    0.5"),
        (Through(nn.Linear(3, 2), "weight"), r"at       inner.weight\[\d, \d\].*ratio    0.5"),
        (Through(nn.Linear(3, 2), "bias"), r"at       inner.bias\[\d\].*ratio    0.5"),
        (Cut(), r"Cut: the vjp rule of (x|first.weight) .*a path is cut"),
        (Caching(), r"the gradient of x\[0, 0\] is .* after another call of the function"),
    ],
    ids=["recurrent", "weight", "bias", "cut", "stale"],
)
def test_wrong_modules_are_found(module: Any, report: str) -> None:
    with pytest.raises(GradientError) as caught:
        check_torch_module(module, X)
    assert not isinstance(caught.value, Inconclusive)
    assert re.search(report, str(caught.value), re.DOTALL)
    assert "check_torch_module(" in caught.value.snippet


def test_randomness_that_is_not_pytorchs_is_inconclusive() -> None:
    class Noisy(nn.Module):  # type: ignore[misc,name-defined]
        def forward(self, x: Any) -> Any:
            return x * np.random.rand()

    with pytest.raises(Inconclusive, match="two calls with the same arguments differ; fix its randomness"):
        check_torch_module(Noisy(), X)


def test_a_surrogate_module_gets_the_same_parameters() -> None:
    class Quantized(nn.Linear):  # type: ignore[misc,name-defined]
        def forward(self, input: Any) -> Any:
            return super().forward(input + (input.round() - input).detach())

    with pytest.raises(GradientError):
        check_torch_module(Quantized(3, 2), X)
    whole = RNG.integers(-2, 3, size=(2, 3)).astype(float)  # where rounding changes nothing
    check_torch_module(Quantized(3, 2), whole, surrogate=nn.Linear(3, 2))


@pytest.mark.parametrize("mode", ["no_grad", "inference_mode"])
def test_a_check_works_where_gradients_are_switched_off(mode: str) -> None:
    with getattr(torch, mode)():
        check_torch_module(nn.Linear(3, 2), X)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: check_torch_module(torch.relu, X), "takes a torch.nn.Module"),
        (lambda: check_torch_module(nn.LazyLinear(2), X), "call the module once before"),
        (lambda: check_torch_module(nn.Linear(3, 2, dtype=torch.complex64), X), "complex parameters"),
        (lambda: check_torch_module(nn.Linear(3, 2), X, surrogate=nn.Tanh()), "parameters of other names"),
        (lambda: check_torch_module(nn.Linear(3, 2), X, surrogate=torch.tanh), "surrogate is a torch.nn.Module"),
    ],
)
def test_mistakes_of_use_are_one_line(call: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)

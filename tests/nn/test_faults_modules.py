"""Faults found in other engines: modules under two names, cycles, layers in plain containers, settings, copies."""

from __future__ import annotations

import copy
import inspect
import math
import pickle
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

import engine
import nn
import viz
from engine import Tensor

X = Tensor(np.ones((1, 2), np.float32))


class Part(nn.Module):
    """A module whose parts are given, and which applies the function `run` to itself and x."""

    def __init__(self, run: Callable[[Any, Any], Any] = lambda m, x: x, **parts: Any) -> None:
        for name, part in parts.items():
            setattr(self, name, part)
        object.__setattr__(self, "run", run)

    def forward(self, x: Any) -> Any:
        return self.run(self, x)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)  # its attributes are of any type


def scopes(out: Tensor) -> list[str]:
    """The scopes of the nodes on the way of the first arguments, from the oldest on; each once."""
    found, node = [], out.node
    while node is not None and node.parents:
        found.append(".".join(node.scope))
        node = node.parents[0]
    return list(dict.fromkeys(reversed(found)))


def square() -> nn.Linear:
    return nn.Linear(2, 2)


# ---- 19: one path ----------------------------------------------------------------------------------------------------


def test_19_a_module_under_two_names_has_the_first_one_everywhere() -> None:
    model = Part(lambda m, x: m.b(m.a(x)), a=square())
    model.b = model.a
    assert [name for name, _ in model.named_parameters()] == ["a.weight", "a.bias"]
    assert [*model.state_dict()] == ["a.weight", "a.bias"]
    assert [name for name, _ in model.named_modules()] == ["", "a"]
    out = model(X)
    assert scopes(out) == ["a"]
    assert out.node is not None
    number = out.node.scope[0].number
    assert number > out.node.parents[0].scope[0].number
    assert [stage.name for stage in viz.trace(out.sum()).stages()] == ["a"]


def test_19_a_layer_applied_twice_by_a_sequence() -> None:
    layer = square()
    model = nn.Sequential(layer, nn.ReLU(), layer)
    assert scopes(model(X)) == ["0", "1"]
    assert [*model.state_dict()] == ["0.weight", "0.bias"]


def test_19_a_module_shared_by_two_parts_of_a_model_under_other_names() -> None:
    shared = square()
    left = Part(lambda m, x: m.first(x), first=shared)
    right = Part(lambda m, x: engine.tanh(m.second(x)), second=shared)
    model = Part(lambda m, x: m.right(m.left(x)), left=left, right=right)
    assert [*model.state_dict()] == ["left.first.weight", "left.first.bias"]
    assert scopes(model(X)) == ["left.first", "right"]
    assert scopes(right(X)) == ["right.second", "right"]  # called alone, it knows of no other part


def test_19_a_shared_parameter_has_the_first_path() -> None:
    a, b = square(), square()
    b.weight = a.weight
    model = Part(a=a, b=b)
    assert [*model.state_dict()] == [name for name, _ in model.named_parameters()] == ["a.weight", "a.bias", "b.bias"]
    assert len(model.parameters()) == 3


def test_19_a_state_may_use_any_path_but_not_with_different_values() -> None:
    inner = Part(x=square())
    inner.y = inner.x
    model = Part(a=inner)
    model.b = model.a
    state = model.state_dict()
    bias = state.pop("a.x.bias") + 1
    model.load_state_dict({**state, "b.y.bias": bias})
    np.testing.assert_array_equal(model.a.x.bias.numpy(), bias)
    with pytest.raises(ValueError, match=r"^load_state_dict: b\.y\.bias and a\.x\.bias are one tensor, .* different"):
        model.load_state_dict({**state, "a.x.bias": bias, "b.y.bias": bias + 1})


def test_19_the_path_of_a_module_that_moved_or_is_called_by_a_method() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.old = square()
            self.new = self.old
            del self.old
            self.layers = nn.ModuleList([square()])

        def loss(self, x: Any) -> Any:
            return self.layers[0](x).sum()

        def forward(self, x: Any) -> Any:
            with engine.scope("mine"):
                return self.new(x)

    net = Net()
    assert scopes(net(X)) == ["mine.new"]
    assert scopes(net.loss(X)) == ["layers.0", ""]
    probe = nn.Sequential(net.layers[0])
    assert scopes(probe(X)) == ["0"]


def test_19_a_module_that_calls_itself() -> None:
    def run(m: Any, x: Any) -> Any:
        m.left -= 1
        return m(m.layer(x)) if m.left else x

    cell = Part(run, layer=square(), left=3)
    out = Part(lambda m, x: m.cell(x), cell=cell)(X)
    assert scopes(out) == ["cell.layer"]
    assert out.node is not None
    calls = [out.node.scope, out.node.parents[0].scope]
    assert calls[0][0].number > calls[1][0].number


def test_19_copies_keep_their_names() -> None:
    model = nn.Sequential(square(), nn.Sequential(square(), nn.GELU()))
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert [*twin.state_dict()] == [*model.state_dict()]
        assert scopes(twin(X)) == scopes(model(X)) == ["0", "1.0", "1.1"]
        assert [p.name for p in twin.parameters()] == ["weight", "bias"] * 2


def test_19_two_tensors_with_the_same_path() -> None:
    w = Tensor([1.0], requires_grad=True)
    with pytest.raises(ValueError, match=r"^Part: two tensors have the path w\.1; rename one$"):
        Part(w={1: w, "1": Tensor([2.0], requires_grad=True)}).state_dict()


# ---- 20: cycles, containers, settings --------------------------------------------------------------------------------


def test_20_a_cycle_is_named() -> None:
    child = Part()
    model = Part(lambda m, x: m.child(x), child=child)
    child.parent = model
    uses: list[Callable[[], Any]] = [
        model.parameters,
        model.state_dict,
        model.train,
        lambda: model(X),
        lambda: repr(model),
    ]
    for use in uses:
        with pytest.raises(
            ValueError, match=r"^Part: child\.parent is the Part that holds it, a cycle; keep a weakref"
        ):
            use()


def test_20_a_cycle_through_a_list() -> None:
    child = Part()
    model = Part(children_of_mine=nn.ModuleList([child]))
    child.above = [{"m": model}]
    with pytest.raises(ValueError, match=r"^Part: children_of_mine\.0\.above\.0\.m is the Part"):
        model.parameters()
    own: list[Any] = []
    own.append(own)
    with pytest.raises(ValueError, match="the list 0 contains itself"):
        model.own = own


def test_20_layers_and_parameters_in_lists_tuples_and_dicts_are_found() -> None:
    def run(m: Any, x: Any) -> Any:
        for layer in m.layers:
            x = layer(x)
        return m.heads["left"](x) * m.scales[0]

    model = Part(run, layers=[], heads={"left": square()}, scales=(Tensor([1.0], requires_grad=True),))
    model.layers += [square(), nn.Dropout(0.5)]
    names = ["scales.0", "layers.0.weight", "layers.0.bias", "heads.left.weight", "heads.left.bias"]
    assert [name for name, _ in model.named_parameters()] == [*model.state_dict()] == names
    assert scopes(model(X))[:2] == ["layers.0", "layers.1"]
    model.eval()
    assert not model.layers[1].training
    model.layers.insert(0, square())
    assert scopes(model(X)) == ["layers.0", "layers.1", "heads.left", ""]
    assert "(layers.1): Linear(2, 2" in repr(model)
    with pytest.raises(TypeError, match=r"^Part: layers is a set, .* make it a list$"):
        model.layers = {square()}


def test_20_a_layer_of_the_class_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^Net: layer belongs to the class; assign it to self, in __init__$"):

        class Net(nn.Module):
            layer = square()


TENSOR = Tensor([0.5], requires_grad=True)


@pytest.mark.parametrize("bad", [0, -1, 2.0, True, math.nan, "2", None, TENSOR])
@pytest.mark.parametrize(
    "make",
    [
        lambda n: nn.Linear(n, 2),
        lambda n: nn.Linear(2, n),
        lambda n: nn.Embedding(n, 2),
        lambda n: nn.Embedding(2, n),
        lambda n: nn.LayerNorm(n),
        lambda n: nn.RMSNorm(n),
        lambda n: nn.LearnedPositions(n, 2),
        lambda n: nn.LearnedPositions(2, n),
        lambda n: nn.SinusoidalPositions(n, 2),
        lambda n: nn.SinusoidalPositions(2, n),
        lambda n: nn.RotaryPositions(n, 2),
        lambda n: nn.RotaryPositions(2, n),
        lambda n: nn.MultiHeadAttention(n, 1),
        lambda n: nn.MultiHeadAttention(2, n),
        lambda n: nn.MultiHeadAttention(2, 2, kv_heads=-1 if n is None else n),  # None means as many as heads
        lambda n: nn.FeedForward(n),
        lambda n: nn.FeedForward(2, cast("Any", "2" if n is None else n)),  # None means four times the channels
        lambda n: nn.TransformerBlock(n, 1),
        lambda n: nn.TransformerBlock(2, n),
    ],
)
def test_20_a_size_is_checked_when_a_layer_is_made(make: Callable[[Any], Any], bad: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^[A-Za-z]+: [a-z_]+ must be a positive integer, not [^\n]*$"):
        make(bad)


@pytest.mark.parametrize(
    ("make", "wrong"),
    [
        (lambda v: nn.Dropout(v), [-0.1, 1.5, math.nan, True, "0.5", TENSOR]),
        (lambda v: nn.MultiHeadAttention(4, 2, dropout=v), [-0.1, math.nan, TENSOR]),
        (lambda v: nn.FeedForward(4, dropout=v), [2, None]),
        (lambda v: nn.LayerNorm(4, eps=v), [0, -1e-5, math.nan, math.inf, TENSOR]),
        (lambda v: nn.RMSNorm(4, eps=v), [0, -1e-5, math.nan, math.inf, None]),
        (lambda v: nn.RotaryPositions(8, 4, base=v), [0, -1, math.nan, math.inf]),
        (lambda v: nn.SinusoidalPositions(8, 4, base=v), [0, math.nan]),
        (lambda v: nn.Linear(2, 2, bias=v), [None, 1, TENSOR]),
        (lambda v: nn.LayerNorm(2, bias=v), [None, TENSOR]),
        (lambda v: nn.MultiHeadAttention(4, 2, causal=v), [None, TENSOR]),
        (lambda v: nn.MultiHeadAttention(4, 2, rotary=v), [nn.RotaryPositions(8, 4), 4]),
        (lambda v: nn.GELU(v), ["exact", None, True]),
        (lambda v: nn.FeedForward(4, activation=v), ["elu", None]),
        (lambda v: nn.TransformerBlock(4, 2, norm=v), ["middle", 0]),
        (lambda v: nn.TransformerBlock(4, 2, norm_kind=v), ["batch", None]),
        (lambda v: nn.TransformerBlock(4, 2, causal=v), [None, TENSOR]),
        (lambda v: nn.TransformerBlock(4, 2, hidden=v), [0, True, TENSOR]),
        (lambda v: nn.TransformerBlock(4, 2, kv_heads=v), [3, 0, True, TENSOR]),
        (lambda v: nn.Sequential(v), [engine.relu, [nn.ReLU()], nn.ReLU, None]),
        (lambda v: nn.ModuleList([v]), [engine.relu, None]),
        (lambda v: nn.schedules.warmup_cosine(v, warmup=0, total=1), [-1, math.nan, math.inf, TENSOR]),
        (lambda v: nn.schedules.warmup_cosine(1.0, warmup=v, total=3), [-1, 1.5, 3, math.nan]),
        (lambda v: nn.schedules.warmup_linear(1.0, warmup=0, total=v), [0, 1.5, None, TENSOR]),
        (lambda v: nn.schedules.warmup_linear(1.0, warmup=0, total=1, floor=v), [-1, math.nan, TENSOR]),
        (lambda v: nn.schedules.warmup_constant(v, warmup=0, total=1), [-1, math.inf, None]),
        (lambda v: nn.schedules.warmup_stable_decay(1.0, warmup=1, total=3, decay=v), [0, 3, 1.5, TENSOR]),
    ],
)
def test_20_other_settings_are_checked_when_a_layer_is_made(make: Callable[[Any], Any], wrong: list[Any]) -> None:
    for value in wrong:
        with pytest.raises((TypeError, ValueError), match=r"^[A-Za-z_]+: [^\n]*$"):
            make(value)


# ---- states that do not fit ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight": np.ones((2, 3))}, r"weight has shape \(2, 3\), and needs \(2, 2\)"),
        ({"weight": np.ones((2, 2), complex)}, "weight has dtype complex128, and needs float32"),
        ({"bias": ["a", "b"]}, "bias has dtype <U1, and needs float32"),
        ({"bias": np.array([1e300, 0])}, "bias has values that float32 cannot hold"),
        ({"extra": np.ones(2)}, "unexpected extra"),
    ],
)
def test_a_state_that_does_not_fit_is_named_and_nothing_is_assigned(changes: dict[str, Any], message: str) -> None:
    model = square()
    before = model.state_dict()
    with pytest.raises(ValueError, match=f"^load_state_dict: {message}$"):
        model.load_state_dict({**{name: value + 1 for name, value in before.items()}, **changes})
    for name, value in before.items():
        np.testing.assert_array_equal(model.state_dict()[name], value)
    with pytest.raises(TypeError, match="give a dict of path and array"):
        model.load_state_dict([1])  # type: ignore[arg-type]


def test_a_state_may_be_made_of_tensors_and_of_another_precision() -> None:
    model = square()
    model.load_state_dict({"weight": Tensor(np.eye(2)), "bias": [1, 2]})
    np.testing.assert_array_equal(model.weight.numpy(), np.eye(2))
    assert model.bias is not None
    np.testing.assert_array_equal(model.bias.numpy(), [1, 2])


# ---- every layer, those to come included -----------------------------------------------------------------------------

MADE: dict[str, dict[str, Any]] = {  # arguments of every class that nn offers, for those that have no default
    "Dropout": {},
    "Embedding": {"size": 4, "channels": 2},
    "FeedForward": {"channels": 4},
    "GELU": {},
    "LayerNorm": {"channels": 4},
    "LearnedPositions": {"block": 8, "channels": 4},
    "Linear": {"inputs": 4, "outputs": 2},
    "ModuleList": {"modules": []},
    "MultiHeadAttention": {"channels": 4, "heads": 2},
    "RMSNorm": {"channels": 4},
    "ReLU": {},
    "RotaryPositions": {"block": 8, "channels": 4},
    "SiLU": {},
    "SinusoidalPositions": {"block": 8, "channels": 4},
    "TransformerBlock": {"channels": 4, "heads": 2},
}
NO_SETTINGS = ("Cache", "Module", "Sequential")
LAYERS = [name for name, kind in vars(nn).items() if isinstance(kind, type) and name not in NO_SETTINGS]


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_no_layer_reads_a_tensor_as_a_setting(name: str, value: float) -> None:
    kind, settings = getattr(nn, name), MADE[name]
    kind(**settings)
    for parameter in inspect.signature(kind).parameters:
        with pytest.raises((TypeError, ValueError), match=r"^[A-Za-z]+: [^\n]*, not [^\n]*$"):
            kind(**{**settings, parameter: Tensor(value, requires_grad=True)})

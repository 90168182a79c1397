"""Modules: names, trees, summaries, state, and the scopes that calls open."""

from __future__ import annotations

import numpy as np
import pytest

import engine
import nn
from engine import Tensor


def block() -> nn.TransformerBlock:
    engine.random.seed(0)
    return nn.TransformerBlock(8, 2, rotary=nn.RotaryPositions(16, 4))


class Pair(nn.Module):
    def __init__(self) -> None:
        first, second = nn.Linear(2, 2), nn.Linear(2, 2)
        second.weight = first.weight
        self.layers = nn.ModuleList([first, second])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


def test_names_are_paths_and_a_shared_parameter_appears_once() -> None:
    names = [name for name, _ in Pair().named_parameters()]
    assert names == ["layers.0.weight", "layers.0.bias", "layers.1.bias"]
    assert [*Pair().state_dict()] == names


def test_calling_a_module_opens_a_scope_with_its_path() -> None:
    out = Pair()(Tensor(np.ones((1, 2), np.float32)))
    assert out.node is not None
    assert out.node.scope == ("layers.1",)
    attention = block()(engine.random.normal((1, 3, 8)))
    node = attention.node
    scopes = set()
    while node is not None:
        scopes.add(node.scope)
        node = node.parents[-1] if node.parents else None
    assert ("feed_forward", "contract") in scopes


def test_state_is_saved_and_loaded_and_a_mismatch_assigns_nothing() -> None:
    a, b = Pair(), Pair()
    b.load_state_dict(a.state_dict())
    for name, value in a.state_dict().items():
        np.testing.assert_array_equal(b.state_dict()[name], value)
    before = b.state_dict()
    state = a.state_dict()
    state["layers.0.bias"] = np.ones(3)
    del state["layers.1.bias"]
    with pytest.raises(ValueError, match=r"missing layers\.1\.bias; layers\.0\.bias has shape \(3,\), .* \(2,\)"):
        b.load_state_dict(state)
    for name, value in before.items():
        np.testing.assert_array_equal(b.state_dict()[name], value)


def test_tree_and_summary_show_where_the_parameters_are() -> None:
    text = repr(block())
    assert "(attention): MultiHeadAttention(heads=2" in text
    assert "(query): Linear(8, 8, bias=True)" in text
    summary = block().summary()
    assert "attention.query.weight" in summary
    assert summary.splitlines()[-1].split() == ["total", "872"]


def test_training_mode_reaches_every_module_and_dropout_follows_it() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
    x = Tensor(np.ones((8, 4), np.float32))
    assert (model(x).numpy() == 0).any()
    model.eval()
    np.testing.assert_array_equal(model(x).numpy(), model(x).numpy())


@pytest.mark.parametrize(("p", "expected"), [(0.0, 1.0), (1.0, 0.0)])
def test_dropout_with_probability_0_and_1(p: float, expected: float) -> None:
    x = Tensor(np.ones(3), requires_grad=True)
    y = nn.Dropout(p)(x)
    np.testing.assert_array_equal(y.numpy(), np.full(3, expected))
    y.sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), np.full(3, expected))
    with pytest.raises(ValueError, match="between 0 and 1"):
        nn.Dropout(1.5)(x)

"""`keep_lines`: every node notes the line of user code that made it, and nothing else changes."""

from __future__ import annotations

import linecache
from collections.abc import Callable

import numpy as np

import engine
import nn
from engine import Tensor
from engine.graph import reachable


def lines(loss: Tensor) -> dict[str, str]:
    """The text of the noted line, by op."""
    assert loss.node is not None
    found = {}
    for node in reachable(loss.node):
        origin = None if node.notes is None else node.notes.origin
        if origin is not None:
            assert origin.file == __file__
            found[node.op] = linecache.getline(origin.file, origin.number).strip()
    return found


def leaf() -> Tensor:
    return Tensor([1.0, 2.0, 3.0], requires_grad=True)


def test_each_op_notes_the_line_that_called_it() -> None:
    x = leaf()
    with engine.keep_lines():
        y = engine.sin(x)
        z = y * 2.0  # an operator
        loss = z.sum()  # a method
    assert lines(loss) == {
        "sin": "y = engine.sin(x)",
        "multiply": "z = y * 2.0  # an operator",
        "sum": "loss = z.sum()  # a method",
    }


def test_a_layer_of_nn_is_not_the_users_code_and_the_users_own_module_is() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            return engine.tanh(self.inner(x))

    own = Own()
    with engine.keep_lines():
        loss = own(leaf()).sum()
    assert lines(loss) == {
        "linear": "return engine.tanh(self.inner(x))",
        "tanh": "return engine.tanh(self.inner(x))",
        "sum": "loss = own(leaf()).sum()",
    }
    with engine.keep_lines():
        loss = nn.FeedForward(3, 6)(leaf()).sum()
    assert set(lines(loss).values()) == {"loss = nn.FeedForward(3, 6)(leaf()).sum()"}


def test_as_a_decorator_and_inside_checkpoints_and_transforms() -> None:
    @engine.keep_lines()
    def decorated(x: Tensor) -> Tensor:
        return engine.exp(x).sum()

    assert lines(decorated(leaf())) == dict.fromkeys(("exp", "sum"), "return engine.exp(x).sum()")
    with engine.keep_lines():
        again = engine.checkpoint(engine.sin)(leaf())
    assert lines(again) == {"checkpoint": "again = engine.checkpoint(engine.sin)(leaf())"}
    with engine.keep_lines():
        gradient = leaf().grad if False else engine.grad(lambda x: (x * x * x).sum())(leaf())
    assert gradient.numpy().tolist() == [3.0, 12.0, 27.0]


def test_what_a_rule_records_belongs_to_the_line_that_asked_for_it() -> None:
    x = leaf()
    loss = engine.tanh(x).sum()
    with engine.keep_lines():
        loss.backward(create_graph=True)  # the rules of tanh run here
    assert x.grad is not None
    assert isinstance(x.grad, Tensor)
    assert set(lines(x.grad.sum()).values()) == {"loss.backward(create_graph=True)  # the rules of tanh run here"}


def test_nothing_is_noted_outside_nor_under_no_grad_and_values_are_the_same() -> None:
    def f(x: Tensor) -> Tensor:
        return (engine.sin(x) * x).sum()

    assert lines(f(leaf())) == {}
    with engine.keep_lines(), engine.no_grad():
        assert f(leaf()).node is None
    results = []
    contexts: tuple[Callable[[], object], ...] = (engine.enable_grad, engine.keep_lines)
    for context in contexts:
        x = leaf()
        with context():  # type: ignore[attr-defined]
            loss = f(x)
        loss.backward()
        assert x.grad is not None
        results.append((loss.item(), x.grad.numpy()))
    assert results[0][0] == results[1][0]
    assert np.array_equal(results[0][1], results[1][1])

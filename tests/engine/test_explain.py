"""What the engine says of itself: explain, and how a primitive prints."""

from __future__ import annotations

import numpy as np
import pytest

import engine
from engine import Tensor
from engine.explain import explanation


def test_explain_shows_each_edge_and_the_sum_at_fan_out() -> None:
    x = Tensor(2.0, requires_grad=True, name="x")
    assert explanation(x * x + engine.sin(x), x).splitlines() == [
        "d/d add = 1",
        "  add -> multiply   1 x 1 = 1",
        "  add -> sin        1 x 1 = 1",
        "d/d sin = 1",
        "  sin -> x          -0.4161 x 1 = -0.4161",
        "d/d multiply = 1",
        "  multiply -> x     2 x 1 = 2",
        "  multiply -> x     2 x 1 = 2",
        "d/d x = -0.4161 + 2 + 2 = 3.584",
    ]


def test_explain_shows_matrices_between_arrays_and_only_the_way_asked_for() -> None:
    v = Tensor([1.0, -1.0], requires_grad=True, name="v")
    w = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True, name="w")
    text = explanation((w @ v).sum(), v)
    assert "  matmul -> v     [[1 3] [2 4]] x [1 1] = [4 6]" in text
    assert "w" not in text.split()


def test_explain_leaves_everything_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    x = Tensor(3.0, requires_grad=True)
    loss = x * x
    engine.explain(loss, wrt=x)
    assert "d/d leaf = 3 + 3 = 6" in capsys.readouterr().out
    assert x.grad is None
    loss.backward()


def test_explain_refuses_what_nobody_could_read() -> None:
    x = Tensor(1.0, requires_grad=True)
    y = x
    for _ in range(200):
        y = y * 1.0
    with pytest.raises(ValueError, match="201 nodes are too many"):
        engine.explain(y, wrt=x)
    with pytest.raises(RuntimeError, match="does not depend"):
        engine.explain(y, wrt=Tensor(1.0, requires_grad=True))
    big = Tensor(np.ones(50), requires_grad=True)
    assert "(Jacobian (50,) by (50,)) x" in explanation(engine.sum(engine.softmax(big)), big)


def test_a_primitive_prints_its_formula_and_its_rules() -> None:
    assert repr(engine.divide).splitlines() == [
        "divide(x, y)",
        "    Elementwise quotient; d(x/y) = dx/y - (x/y) dy/y.",
        "    vjp  x  g / y",
        "         y  -g * (x / y) / y",
        "    jvp  x  t / y",
        "         y  -(t / y) * out",
    ]
    assert "all arguments at once: _backward(...)" in repr(engine.layer_norm)
    assert "linear in each argument" in repr(engine.matmul)
    assert "condition  no derivative" in repr(engine.where)

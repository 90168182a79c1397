"""What the engine says of itself: explain, and how a primitive prints."""

from __future__ import annotations

import re

import numpy as np
import pytest

import engine
from engine import Tensor
from engine.describe import describe, rule_text
from engine.explain import explanation
from engine.plan import Joint
from engine.primitive import registry


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
    assert "all arguments at once\n           With h = g * weight" in repr(engine.layer_norm)
    assert "linear in each argument" in repr(engine.matmul)
    assert "condition  no derivative" in repr(engine.where)


def vjp_texts(name: str) -> list[str]:
    """The text of each vjp rule of an op."""
    op = registry[name]
    if isinstance(op.vjp, Joint):
        return [rule_text(op, argument) for argument in range(1 if op.arity < 0 else op.arity)]
    return [rule_text(op, argument) for argument, rule in enumerate(op.vjp) if rule is not None]


@pytest.mark.parametrize("name", registry)
def test_36_every_rule_is_shown_by_its_formula_and_no_internal_name(name: str) -> None:
    for text in vjp_texts(name):
        assert "(...)" not in text
        assert not re.search(
            r"\b_\w|\bnp\.|_shape\b|\bas_operand\b|\brows\(|\brestore_axes\b|:=|without a formula", text
        )
        assert "\n" not in text
    assert "(...)" not in describe(registry[name])


@pytest.mark.parametrize(
    ("name", "texts"),
    {
        "matmul": ["g @ y.T", "x.T @ g"],
        "pow": ["g * y * x**(y - 1)", "g * x**y * log(x)"],
        "linear": ["g @ weight", "g.T @ x", "the sum of g over all rows"],
        "softmax": ["p * (g - sum(g * p)), p = out"],
        "tanh": ["g / cosh(x)**2"],
        "multiply": ["g * y", "g * x"],
    }.items(),
)
def test_36_formulas_are_in_the_notation_of_the_field(name: str, texts: list[str]) -> None:
    assert vjp_texts(name) == texts


def test_36_a_joint_rule_says_for_each_argument_what_it_gets() -> None:
    assert vjp_texts("layer_norm")[2].startswith("the sum of g over all rows; with h = g * weight")
    assert vjp_texts("scaled_dot_product_attention")[0].startswith("D K scale; with P = softmax(Q K.T scale)")

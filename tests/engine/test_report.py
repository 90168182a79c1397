"""What the gradient checker says: the text of its reports, the hints in them, and snippets that repeat the error."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import engine
from engine.examples import REAL, Arguments, Draw, elementwise
from engine.primitive import Primitive
from engine.testing import GradientError, Inconclusive, assert_gradients, check_op, check_vjp, gradcheck
from engine.testing.strategies import arrays

POINT = np.array([1.0, 2.0])
SKEW = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 7.0], [7.0, 8.0, -9.0]])


def negated(g: Any, x: Any) -> Any:
    """The derivative of the sine with its sign flipped."""
    return -g * np.cos(x)


def halved(g: Any, x: Any) -> Any:
    """The derivative of a square without its 2."""
    return g * x


def relu(x: Any) -> Any:
    return np.maximum(x, 0)


def relu_vjp(g: Any, x: Any) -> Any:
    return g * (x > 0)


def cut(x: engine.Tensor) -> Any:
    """A product of which one factor was taken for a constant."""
    return x * x.numpy()


cube = Primitive(
    lambda x: x * x * x,
    name="cube",
    vjp=(lambda g, x: 2 * x * x * g,),
    jvp=(lambda t, x: 3 * x * x * t,),
    examples=elementwise(REAL),
)


def error_of(check: Any, *args: Any, **options: Any) -> GradientError:
    with pytest.raises(GradientError) as caught:
        check(*args, **options)
    return caught.value


def text(error: GradientError) -> str:
    """The report without the estimate of the error, whose digits depend on the machine."""
    return re.sub(r"\+- \S+", "+- ...", str(error))


def test_a_wrong_sign() -> None:
    assert (
        text(error_of(check_vjp, np.sin, negated, POINT))
        == """\
sin: the vjp rule of x disagrees with central differences
  at       x[0], for result 0 of 2
  rule     -0.540302306
  numeric  0.540302306 +- ...
  ratio    -1: the sign is flipped
  taylor   the remainder falls like h^1.00; that of a right slope like h^2 or faster

To see it again:

    from engine.testing import check_vjp
    from numpy import sin
    from tests.engine.test_report import negated
    import numpy as np
    check_vjp(sin, negated, np.array([1.0, 2.0]))"""
    )


def test_a_kink() -> None:
    error = error_of(check_vjp, relu, relu_vjp, np.array([0.0, 2.0]), seed=3)
    assert isinstance(error, Inconclusive)
    assert (
        str(error)
        == """\
relu: inconclusive, 1 of 2 elements could not be decided: the vjp rule at x[0], for result 0 of 2, is at a kink: \
its slope is 0 on the left, 1 on the right; the rule gives 0; 12 calls of f

To see it again:

    from engine.testing import check_vjp
    from tests.engine.test_report import relu
    from tests.engine.test_report import relu_vjp
    import numpy as np
    check_vjp(relu, relu_vjp, np.array([0.0, 2.0]), seed=3)"""
    )


def test_a_function_of_tensors() -> None:
    assert (
        text(error_of(gradcheck, cut, POINT, modes=["reverse"]))
        == """\
cut: the vjp rule of x disagrees with central differences
  at       x[1], for result 1 of 2
  rule     2
  numeric  4 +- ...
  ratio    0.5: halved, or the 2 of a square is missing
  taylor   the remainder falls like h^1.00; that of a right slope like h^2 or faster

To see it again:

    from engine.testing import gradcheck
    from tests.engine.test_report import cut
    import numpy as np
    gradcheck(cut, np.array([1.0, 2.0]), modes=('reverse',))"""
    )


def test_an_op_is_shrunk_to_one_number_and_keeps_the_law_that_was_found_broken() -> None:
    error = error_of(check_op, cube)
    assert error.law == "vjp rule"
    assert str(error).startswith("cube: the vjp rule of x disagrees with central differences\n  at       x\n")
    assert "check_at(cube, [np.array(2.0)]" in error.snippet
    assert not getattr(error, "__notes__", [])


def test_a_rule_that_is_not_linear() -> None:
    error = error_of(check_vjp, np.sin, lambda g, x: np.clip(g, -5, 5) * np.cos(x), POINT)
    assert error.message.startswith("sin: 'linear in g' does not hold for x: at x[0] it is ")


def test_a_shape() -> None:
    error = error_of(check_vjp, np.sin, lambda g, x: (g * np.cos(x)).sum(), POINT)
    assert error.message == "sin: the vjp rule of x has shape (), and should have (2,)"


def test_no_hint_that_g_is_ignored_where_it_does_not_matter() -> None:
    error = error_of(
        check_vjp, lambda x: np.ones(2) * np.logaddexp(x[0], x[1]), lambda g, x: g.sum() * np.array([0.5, 0.5]), POINT
    )
    assert "ratio" in error.message
    assert "g is ignored" not in error.message


HINTS = {
    "the sign is flipped": (np.sin, negated, POINT),
    "nothing arrives: a path is cut, or taken for a constant": (np.sin, lambda g, x: 0 * g, POINT),
    "not a finite number": (np.sin, lambda g, x: g * np.nan, POINT),
    "halved, or the 2 of a square is missing": (np.square, halved, POINT),
    "counted twice, or a half is missing": (np.sin, lambda g, x: 2 * g * np.cos(x), POINT),
    "times 3: a sum where a mean is meant": (np.mean, lambda g, a: np.full(3, g), np.array([1.0, 2.0, 4.0])),
    "divided by 3: a mean where a sum is meant, or only one of 3 terms": (
        np.sum, lambda g, a: np.full(3, g / 3), np.array([1.0, 2.0, 4.0])),
    "the factor x is missing": (lambda x: (x**3).sum(), lambda g, x: 3 * x * g, np.array([3.0, 5.0])),
    "the factor x is there once too often": (lambda x: (x * x).sum(), lambda g, x: 2 * x**2 * g, np.array([3.0, 5.0])),
    "close: a rounded constant, or an approximation": (np.sin, lambda g, x: 1.001 * g * np.cos(x), POINT),
    "the Jacobian is transposed: J @ g, where J.T @ g is meant": (
        lambda x: SKEW @ x, lambda g, x: SKEW @ g, np.ones(3)),
    "the same for every cotangent: g is ignored": (np.sin, lambda g, x: np.cos(x), POINT),
    "the transpose of the right answer": (
        lambda x: (x * [[1.0, 2.0], [3.0, 4.0]]).sum(), lambda g, x: g * np.array([[1.0, 3.0], [2.0, 4.0]]), np.eye(2)),
    "the right answer backwards along axis 0": (
        lambda x: (x * [1.0, 2.0, 4.0]).sum(), lambda g, x: g * np.array([4.0, 2.0, 1.0]), np.ones(3)),
    "the right answer moved by 1 along axis 0": (
        lambda x: (x * [1.0, 2.0, 4.0, 8.0]).sum(), lambda g, x: g * np.array([8.0, 1.0, 2.0, 4.0]), np.ones(4)),
    "the right numbers in other places": (
        lambda x: (x * [1.0, 2.0, 4.0, 8.0]).sum(), lambda g, x: g * np.array([1.0, 4.0, 2.0, 8.0]), np.ones(4)),
}  # fmt: skip


@pytest.mark.parametrize("words", HINTS)
def test_hints(words: str) -> None:
    f, vjp, point = HINTS[words]
    assert error_of(check_vjp, f, vjp, point).message.splitlines()[4].endswith(f": {words}")


def tree(params: Any, ids: Any) -> Any:
    return params["w"][ids] * params["b"][0]


def tree_vjp(g: Any, params: Any, ids: Any) -> Any:
    """Repeated ids overwrite one another."""
    w = np.zeros_like(params["w"])
    w[ids] = g * params["b"][0]
    return {"w": w, "b": [(g * params["w"][ids]).sum()]}, None


@pytest.mark.parametrize(
    "check",
    [
        lambda: check_vjp(np.sin, negated, POINT.astype(np.float32)),
        lambda: check_vjp(np.square, halved, np.zeros((0, 2)) + 1, seed=1) and check_vjp(np.square, halved, POINT),
        lambda: check_vjp(relu, relu_vjp, np.array(0.0)),
        lambda: check_vjp(relu, relu_vjp, np.array([np.inf, -np.inf, np.nan])),
        lambda: check_vjp(tree, tree_vjp, {"w": np.arange(3.0), "b": [np.array(2.0)]}, np.array([1, 1])),
        lambda: gradcheck(cut, 2.0, order=2),
        lambda: check_op(cube),
        lambda: assert_gradients(np.square, arrays(), vjp=halved),
        lambda: assert_gradients(cut, arrays()),
    ],
)
def test_a_snippet_raises_the_same_error_again(check: Any) -> None:
    error = error_of(check)
    with pytest.raises(type(error)) as again:
        exec(error.snippet, {})
    assert again.value.message == error.message


def test_what_cannot_be_imported_is_named_with_its_place() -> None:
    def rule(g: Any, x: Any) -> Any:
        return g

    snippet = error_of(check_vjp, lambda x: x * x, rule, POINT).snippet
    assert "# f is the one of " in snippet
    assert "# rule is the one of " in snippet
    assert snippet.endswith("check_vjp(f, rule, np.array([1.0, 2.0]))")


def test_long_arrays_are_not_written_out() -> None:
    snippet = error_of(check_vjp, np.sin, negated, np.ones(1000)).snippet
    assert "# argument0 is the one that was checked" in snippet
    assert snippet.endswith("check_vjp(sin, negated, argument0)")


def test_an_example_of_metadata() -> None:
    def example(draw: Draw) -> Arguments:
        return Arguments([draw.array((2,), REAL)], {"power": 3})

    def power(x: Any, *, power: int) -> Any:
        return x**power

    wrong = Primitive(power, vjp=(lambda g, x, *, power: g * x ** (power - 1),), examples=example)
    assert "{'power': 3}" in error_of(check_op, wrong).snippet

"""gradcheck, check_vjp, check_op and assert_gradients: what they take, what they refuse, and what they return."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

import engine
from engine import Tensor
from engine.examples import REAL, elementwise
from engine.primitive import Primitive
from engine.testing import GradientError, Inconclusive, assert_gradients, check_op, check_vjp, gradcheck
from engine.testing.strategies import arrays, positive

ANYTHING: Any = object()
X = np.array([[0.5, -1.0, 2.0], [3.0, -0.25, 1.0]])


def square(x: Any) -> Any:
    return x * x


def square_vjp(g: Any, x: Any) -> Any:
    return 2 * g * x


def op(vjp: Any, jvp: Any = None) -> Primitive:
    """The square with rules that may be wrong; it is not registered."""
    rules = None if jvp is None else (jvp,)
    return Primitive(square, vjp=(vjp,), jvp=rules, examples=elementwise(REAL))


# ---- what they take ------------------------------------------------------------------------------------------------


def test_trees_of_numbers_lists_and_tensors() -> None:
    def f(params: Any, ids: Any, scale: Any) -> Any:
        return {"a": params["w"][0][ids] * scale, "b": [params["b"] * 2.0]}

    params = {"w": [np.arange(3.0)], "b": Tensor([1.0, 2.0])}
    report = gradcheck(f, params, np.array([0, 2, 2]), 3.0, order=2)
    assert report.modes == ("reverse", "forward")
    assert report.worst < 1e-6


def test_none_of_a_tree_stands_for_no_derivative() -> None:
    check_vjp(lambda p, k: p["x"] * k, lambda g, p, k: ({"x": g * k}, None), {"x": X}, 3)
    with pytest.raises(GradientError, match="nothing arrives"):
        check_vjp(square, lambda g, x: None, X)


def test_forward_is_left_out_where_an_op_has_no_jvp_rule_unless_it_is_asked_for() -> None:
    assert gradcheck(op(lambda g, x: 2 * g * x), X).modes == ("reverse",)
    with pytest.raises(RuntimeError, match="has no jvp rule"):
        gradcheck(op(lambda g, x: 2 * g * x), X, modes=("forward",))


def test_each_mode_is_checked_alone() -> None:
    wrong_jvp = op(lambda g, x: 2 * g * x, lambda t, x: 3 * t * x)
    assert gradcheck(wrong_jvp, X, modes=["reverse"]).modes == ("reverse",)
    with pytest.raises(GradientError, match="the jvp rule of x disagrees"):
        gradcheck(wrong_jvp, X)


def test_a_second_derivative_may_be_wrong_where_the_first_is_right() -> None:
    cut = op(lambda g, x: 2 * g * (x.detach() if isinstance(x, Tensor) else x), lambda t, x: 2 * t * x)
    gradcheck(cut, X)
    with pytest.raises(GradientError, match="reverse derivative of square"):
        gradcheck(cut, X, order=2, modes=["reverse"])


def test_large_arrays_are_compared_in_directions_and_the_entry_is_found() -> None:
    x = np.linspace(-2.0, 2.0, 1000)
    gradcheck(engine.tanh, x)

    def one_forgotten(g: Any, x: Any) -> Any:
        return np.where(np.arange(1000) == 777, 0.0, 2 * g * x)

    with pytest.raises(GradientError, match=re.escape("at       x[777], under a random cotangent")):
        check_vjp(square, one_forgotten, x)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_rule_wrong_in_low_precision_alone(dtype: Any) -> None:
    check_vjp(square, square_vjp, X.astype(dtype))

    def rule(g: Any, x: Any) -> Any:
        return square_vjp(g, x) * (1.5 if x.dtype == dtype else 1)

    with pytest.raises(GradientError, match="'narrow = wide' does not hold for x"):
        check_vjp(square, rule, X.astype(dtype))


# ---- inconclusive --------------------------------------------------------------------------------------------------


def test_a_random_function_is_inconclusive() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(Inconclusive, match="two calls with the same arguments differ"):
        check_vjp(lambda x: x * rng.random(), lambda g, x: g, X)


def test_outside_the_domain_is_inconclusive_without_a_warning() -> None:
    with pytest.raises(Inconclusive, match="has no value on both sides"):
        gradcheck(engine.log, np.array([1.0, -2.25]))


def test_a_few_kinks_do_not_matter_but_nothing_but_kinks_does() -> None:
    assert_gradients(engine.abs, arrays())
    with pytest.raises(Inconclusive, match="draw points farther from kinks, or say subgradient=True"):
        assert_gradients(engine.abs, st.just(np.zeros(3)))
    assert_gradients(engine.abs, st.just(np.zeros(3)), subgradient=True)


# ---- what they refuse ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gradcheck(square, np.arange(3)), TypeError, "none of its arguments is a floating array"),
        (lambda: gradcheck(square, "text"), TypeError, "square: x is a str; give real numbers"),
        (lambda: gradcheck(square, X, modes=["backward"]), ValueError, "modes are some of"),
        (lambda: gradcheck(square, X, order=0), ValueError, "order is 1, 2, ..."),
        (lambda: check_vjp(lambda x: None, square_vjp, X), TypeError, "must return real numbers, not NoneType"),
        (lambda: check_vjp(lambda x: x + 1j, square_vjp, X), TypeError, "must return real numbers, not ndarray"),
        (lambda: check_vjp(square, lambda g, x: (g, g), X), GradientError, "returned 2 cotangents for 1 argument"),
        (lambda: check_vjp(square, lambda g, x: [[1.0], [1.0, 2.0]], X), GradientError, "returned"),
        (lambda: check_vjp(square, lambda g, x: g[0], X), GradientError, r"has shape \(3,\), and should have \(2, 3\)"),
        (lambda: check_op(ANYTHING), TypeError, "check_op: takes an op"),
        (lambda: assert_gradients(square, ANYTHING), TypeError, "assert_gradients: takes a strategy, not object"),
    ],
)
def test_mistakes_are_named_in_one_line(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in getattr(caught.value, "message", str(caught.value))


def test_a_vjp_that_writes_is_named() -> None:
    def into_g(g: Any, x: Any) -> Any:
        g *= 2 * x
        return g

    def into_x(g: Any, x: Any) -> Any:
        x *= 2 * g
        return x

    with pytest.raises(GradientError, match="wrote into the cotangent"):
        check_vjp(square, into_g, X)
    with pytest.raises(GradientError, match="wrote into its argument x"):
        check_vjp(square, into_x, X)


def test_a_rule_that_fails_is_a_gradient_error_with_a_snippet() -> None:
    with pytest.raises(GradientError, match="its vjp rule failed") as caught:
        check_op(op(lambda g, x: g.no_such_method(x)))
    assert "check_at(square" in caught.value.snippet


def test_assert_gradients_of_right_and_wrong_vjps() -> None:
    assert_gradients(np.log, arrays(positive), vjp=lambda g, x: g / x)
    with pytest.raises(GradientError, match="log: the vjp rule of x disagrees"):
        assert_gradients(np.log, arrays(positive), vjp=lambda g, x: g / (x + 0.01))


def test_arguments_are_handed_on_in_their_own_layout() -> None:
    def right_for_rows_alone(g: Any, x: Any) -> Any:
        return g * np.cos(x).ravel(order="K").reshape(x.shape)

    check_vjp(np.sin, right_for_rows_alone, X)
    with pytest.raises(GradientError, match="sin: the vjp rule of x disagrees"):
        check_vjp(np.sin, right_for_rows_alone, X.T)

"""Faults of gradient checkers by number, rows 41 to 47: what gets in the way of checking strange functions."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import engine
import nn
from engine.testing import GradientError, Inconclusive, assert_gradients, check_vjp, gradcheck
from engine.testing.strategies import arrays, distinct, positive, shapes
from tests.engine.test_faults_checker import in_precision, tanh_vjp
from tests.engine.verdicts import Function, verdict

SINGLE = np.float32
X = np.array([0.3, 1.2])
ANYTHING: Any = object()


# ---- 41: deliberate deviations -------------------------------------------------------------------------------------


def guarded_vjp(g: Any, y: Any) -> Any:
    return g / (y + 1e-4)


@pytest.mark.parametrize("size", [3, 300])
def test_41_a_deviation_that_is_allowed_is_shown(size: int) -> None:
    y = np.linspace(0.5, 2, size)
    assert verdict(np.log, guarded_vjp, y) == "disagrees"
    assert "allowed: rtol=0.001;" in str(check_vjp(np.log, guarded_vjp, y, rtol=1e-3))
    assert "allowed: atol=0.001;" in str(check_vjp(np.log, guarded_vjp, y, atol=1e-3))
    with pytest.raises(GradientError, match=r"allowed: rtol=1e-05 and atol=1e-06") as caught:
        check_vjp(np.log, guarded_vjp, y, rtol=1e-5, atol=1e-6)
    assert "rtol=1e-05, atol=1e-06" in caught.value.snippet
    assert_gradients(np.log, arrays(positive), vjp=guarded_vjp, rtol=1e-3)
    gradcheck(engine.log, y, rtol=1e-3)


@pytest.mark.parametrize("option", [{"rtol": -1.0}, {"atol": np.nan}, {"rtol": np.inf}])
def test_41_no_deviation_that_is_none(option: Any) -> None:
    with pytest.raises(ValueError, match=r"check_vjp: [ra]tol is a number from 0 on, not"):
        check_vjp(np.log, guarded_vjp, X, **option)


# ---- 42: what the strategies reach ---------------------------------------------------------------------------------


def drawn(strategy: st.SearchStrategy[Any]) -> list[Any]:
    found = []

    @settings(max_examples=30, database=None)
    @given(strategy)
    def collect(x: Any) -> None:
        found.append(x)

    collect()
    return found


def test_42_distinct_values_have_gaps_small_and_large() -> None:
    gaps = [np.diff(np.sort(x)) for x in drawn(arrays(distinct, shape=(4,)))]
    assert min(gap.min() for gap in gaps) == 0.125
    assert max(gap.max() for gap in gaps) >= 1
    assert any(np.ptp(gap) == 0 for gap in gaps)
    assert any(gap.max() > 3 * gap.min() for gap in gaps)


@pytest.mark.parametrize("domain", [engine.examples.REAL, engine.examples.POSITIVE, engine.examples.UNIT])
def test_42_other_values_are_sometimes_all_equal_and_sometimes_spread_out(domain: Any) -> None:
    found = drawn(arrays(domain, shape=(4,)))
    assert any(np.ptp(x) == 0 for x in found)
    assert any(len(set(x)) == 2 for x in found)
    assert any(np.ptp(x) > 0.6 * (domain.high - domain.low) for x in found)


def test_42_a_mistake_where_neighbours_are_close_is_found() -> None:
    def pooled(x: Any) -> Any:
        return np.where(np.ptp(x) < 0.4, x.mean(), x)

    with pytest.raises(GradientError):
        assert_gradients(pooled, arrays(distinct, shape=(2,)), vjp=lambda g, x: g)


# ---- 43: what a check costs ----------------------------------------------------------------------------------------


def test_43_noise_costs_few_calls_and_they_are_shown() -> None:
    x = np.linspace(-2, 2, 24)
    double = check_vjp(np.tanh, tanh_vjp, x).calls
    for f in (
        in_precision(SINGLE, np.tanh),
        lambda x: np.tanh(x.astype(SINGLE)),
        lambda x: np.tanh(x.astype(SINGLE)).sum(),
    ):
        report = check_vjp(f, tanh_vjp, x)
        assert report.calls < 2 * double
        assert f"{report.calls:,} calls of f" in str(report)
    with pytest.raises(Inconclusive, match="calls of f"):
        check_vjp(np.abs, lambda g, x: g * np.sign(x), np.zeros(1))


def test_43_a_limit_by_examples_or_time() -> None:
    report = assert_gradients(engine.sin, arrays(shape=shapes(min_side=1)), examples=7)
    assert report.points == 7
    assert str(report).startswith("agrees: 7 points, ")
    slow = assert_gradients(engine.sin, arrays(shape=shapes(min_side=1)), examples=50, seconds=1e-9)
    assert slow.points == 1
    with pytest.raises(GradientError, match="nothing arrives"):
        assert_gradients(np.sin, arrays(positive), vjp=lambda g, x: 0 * g, seconds=1e-9)
    for wrong in ({"examples": 0}, {"seconds": -1.0}, {"seconds": np.nan}):
        with pytest.raises(ValueError, match="examples and seconds are numbers above 0"):
            assert_gradients(engine.sin, arrays(), **wrong)


# ---- 45: arguments and names ---------------------------------------------------------------------------------------


def looked_up(x: Any, labels: Any) -> Any:
    return 2 * x[labels]


def scatter(g: Any, x: Any, labels: Any) -> Any:
    found = np.zeros_like(x)
    np.add.at(found, labels, 2 * g)
    return found


def test_45_cotangents_of_integers_may_be_left_out() -> None:
    x, labels = np.array([0.5, 1.0, 2.0]), np.array([0, 2, 2])
    for rule in (scatter, lambda *args: (scatter(*args),), lambda *args: [scatter(*args), None]):
        assert verdict(looked_up, rule, x, labels) == "agrees"
    swapped = lambda labels, x: looked_up(x, labels)  # noqa: E731
    assert verdict(swapped, lambda g, labels, x: scatter(g, x, labels), labels, x) == "agrees"
    params = {"w": x}
    assert (
        verdict(lambda p, k: looked_up(p["w"], k), lambda g, p, k: {"w": scatter(g, p["w"], k)}, params, labels)
        == "agrees"
    )
    with pytest.raises(
        GradientError, match="returned 3 cotangents for 2 arguments; return one for each, None for labels"
    ):
        check_vjp(looked_up, lambda g, x, labels: (g, g, g), x, labels)


def test_45_names_of_arguments_and_functions() -> None:
    def name_in(f: Function, rule: Function, *more: Any, **options: Any) -> str:
        with pytest.raises(GradientError) as caught:
            check_vjp(f, rule, *more, **options)
        return caught.value.message.partition(" disagrees")[0]

    def product(left: Any, right: Any) -> Any:
        return left * right

    def wrong(g: Any, *xs: Any) -> Any:
        return g * xs[1], 2 * g * xs[0]

    assert name_in(product, wrong, *X) == "product: the vjp rule of right"
    assert name_in(lambda *xs: xs[0] * xs[1], wrong, *X) == "wrong: the vjp rule of xs[1]"
    assert name_in(lambda *xs: xs[0] * xs[1], lambda g, u, v: wrong(g, u, v), *X) == "<lambda>: the vjp rule of v"

    @functools.wraps(product)
    def wrapped(*args: Any, **more: Any) -> Any:
        return product(*args, **more)

    assert (
        name_in(functools.wraps(wrapped)(lambda *args: wrapped(*args)), wrong, *X) == "product: the vjp rule of right"
    )
    assert name_in(functools.partial(product, right=2.0), lambda g, x: g, X) == "product: the vjp rule of left"
    assert name_in(product, wrong, *X, name="fused product") == "fused product: the vjp rule of right"
    with pytest.raises(GradientError, match=r"^cubed: the vjp rule of x"):
        assert_gradients(np.square, arrays(), vjp=lambda g, x: g, name="cubed")


# ---- 46: deliberate gradients --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [4, 300])
def test_46_straight_through_and_reversal(size: int) -> None:
    x = np.linspace(-1.7, 1.9, size)
    check_vjp(np.round, lambda g, x: g, x, surrogate=lambda x: x)
    check_vjp(lambda x: x * 1.0, lambda g, x: -g, x, surrogate=lambda x: -x)
    check_vjp(np.sign, lambda g, x: g * (np.abs(x) < 1), x, surrogate=lambda x: np.clip(x, -1, 1))
    with pytest.raises(GradientError, match="disagrees"):
        check_vjp(np.sign, lambda g, x: g, x, surrogate=lambda x: np.clip(x, -1, 1))
    assert_gradients(np.round, arrays(), vjp=lambda g, x: g, surrogate=lambda x: x)


def test_46_a_surrogate_that_holds_a_part_constant_gets_the_point() -> None:
    def loss(x: Any, code: Any) -> Any:  # the code book of a quantizer: x is held constant
        return ((x - code) ** 2).sum()

    def loss_vjp(g: Any, x: Any, code: Any) -> Any:
        return 0 * x, 2 * g * (code - x)

    def with_constant_x(base: Any, _: Any) -> Any:
        return lambda x, code: loss(base, code)

    check_vjp(loss, loss_vjp, X, X + 0.5, surrogate=with_constant_x)
    with pytest.raises(GradientError, match="nothing arrives"):
        check_vjp(loss, loss_vjp, X, X + 0.5)


def test_46_of_tensors() -> None:
    def detached(x: Any) -> Any:
        return x * x.detach()

    report = gradcheck(detached, X, surrogate=lambda base: lambda x: x * base)
    assert report.modes == ("reverse", "forward")
    with pytest.raises(ValueError, match="a surrogate has the gradient of f, not its higher derivatives; use order=1"):
        gradcheck(detached, X, surrogate=lambda x: x, order=2)
    with pytest.raises(TypeError, match=r"the surrogate's result has shape \[\(\)\], and f's has \[\(2,\)\]"):
        check_vjp(np.round, lambda g, x: g, X, surrogate=lambda x: x.sum())


# ---- 47: what is no array ------------------------------------------------------------------------------------------


class TorchLikeModule:
    """As the modules of other libraries: parameters by name, which are no tensors of ours."""

    def named_parameters(self) -> Any:
        return iter([("weight", ANYTHING)])


class Recorded:
    """As an array of a library that records and lets nobody read it."""

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.\nMore.")


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        (
            TorchLikeModule(),
            r"square: x is a module \(TorchLikeModule\), not an array; give the values of its parameters",
        ),
        ([TorchLikeModule()], r"square: x\[0\] is a module"),
        (nn.Linear(2, 2), r"square: x is a module \(Linear\), not an array"),
        (Recorded(), "square: x is a Recorded that NumPy cannot read: Can't call numpy"),
        ({"w": ANYTHING}, r"square: x\['w'\] is a object; give real numbers"),
        (np.ones(2) * 1j, "square: x is of dtype complex128; give real numbers"),
        (np.sin, "square: x is a ufunc; give real numbers"),
    ],
)
def test_47_what_is_no_array_is_named_in_one_line(argument: Any, words: str) -> None:
    def square(x: Any) -> Any:
        return x * x

    with pytest.raises(TypeError, match=words) as caught:
        check_vjp(square, lambda g, x: 2 * g * x, argument)
    assert "\n" not in str(caught.value)
    with pytest.raises(TypeError, match=words):
        gradcheck(square, argument)


def test_47_a_matrix_square_root_at_zeros_is_inconclusive() -> None:
    def root(x: Any) -> Any:
        values, vectors = np.linalg.eigh((x + x.T) / 2)
        return vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T

    def rule(floor: float) -> Function:
        def vjp(g: Any, x: Any) -> Any:
            values, vectors = np.linalg.eigh((x + x.T) / 2)
            roots = np.sqrt(np.maximum(values, 0)) + floor
            inner = vectors.T @ ((g + g.T) / 2) @ vectors / (roots[:, None] + roots)
            return vectors @ inner @ vectors.T

        return vjp

    good = np.array([[2.0, 0.5], [0.5, 1.0]])
    for floor in (0.0, 1e-300, 1e-290):
        assert verdict(root, rule(floor), np.zeros((2, 2))) == "inconclusive"
        assert verdict(root, rule(floor), good) == "agrees"

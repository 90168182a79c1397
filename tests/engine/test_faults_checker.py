"""Faults of gradient checkers by number, rows 22 to 24, 39 and 40: too easy agreement, or no answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import engine
from engine.testing import GradientError, Inconclusive, assert_gradients, check_op, check_vjp, gradcheck
from engine.testing.noise import Noise
from engine.testing.strategies import arrays
from tests.engine.verdicts import Function, verdict

SINGLE, HALF = np.float32, np.float16
X = np.array([0.3, 1.2])
ANYTHING: Any = object()


def tanh_vjp(g: Any, x: Any) -> Any:
    return g / np.cosh(x) ** 2


def in_precision(dtype: Any, f: Function) -> Function:
    """Computed in a lower precision, and returned in float64."""
    return lambda *xs: np.asarray(f(*[x.astype(dtype) for x in xs])).astype(np.float64)


def only_in(dtype: Any, wrong: Function, right: Function) -> Function:
    """A rule that is wrong in this precision alone."""
    return lambda g, x: (wrong if x.dtype == dtype else right)(g, x)


# ---- 22 and 23: too easy agreement ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "slope", "at", "dtype"),
    [
        (lambda x: x + 0, np.ones_like, 1e4, SINGLE),
        (lambda x: x + 0, np.ones_like, 1e4, HALF),
        (lambda x: x * x, lambda x: 2 * x, 100.0, SINGLE),
        (lambda x: x * x, lambda x: 2 * x, 100.0, HALF),
        (lambda x: 1e3 + np.sin(x), np.cos, 0.25, SINGLE),
        (lambda x: 1e3 + np.sin(x), np.cos, 0.25, HALF),
        (lambda x: 1e-3 * x, lambda x: np.full_like(x, 1e-3), 1e4, SINGLE),
    ],
)
def test_22_a_rule_of_lower_precision_that_returns_zero(f: Function, slope: Function, at: float, dtype: Any) -> None:
    def right(g: Any, x: Any) -> Any:
        return (g * slope(x)).astype(x.dtype)

    point = np.array([at, 0.5], dtype)
    assert verdict(f, right, point) == "agrees"
    assert verdict(f, only_in(dtype, lambda g, x: 0 * g, right), point) == "disagrees"
    one_entry = only_in(dtype, lambda g, x: right(g, x) * [0, 1], right)
    assert verdict(f, one_entry, point) == "disagrees"


def test_22_as_found() -> None:
    with pytest.raises(GradientError, match="'narrow = wide' does not hold"):
        check_vjp(lambda x: x + 0, only_in(SINGLE, lambda g, x: 0 * g, lambda g, x: g), np.array([1e7], SINGLE))


@pytest.mark.parametrize("claim", [0.0, -1e-9, 5e-8, 1e-9])
@pytest.mark.parametrize("size", [1, 300])
def test_23_a_slope_below_the_rounding_of_the_function(claim: float, size: int) -> None:
    with pytest.raises(Inconclusive):
        check_vjp(lambda x: 1e6 + 1e-9 * x, lambda g, x: claim * g, np.linspace(1, 2, size))


def test_23_the_report_says_what_hides_and_what_the_rule_gives() -> None:
    with pytest.raises(
        Inconclusive, match=r"the rounding of f hides every slope smaller than .*; the rule gives 5e-08"
    ):
        check_vjp(lambda x: 1e6 + 1e-9 * x, lambda g, x: 5e-8 * g, np.array([1.0]))


def test_23_a_constant_is_decided_and_so_is_a_claim_larger_than_the_rounding() -> None:
    for f in (lambda x: 1e6 + 0 * x, lambda x: np.sin(x) ** 2 + np.cos(x) ** 2, lambda x: x / x):
        assert verdict(f, lambda g, x: 0 * g, X) == "agrees"
    assert verdict(lambda x: 1e6 + 1e-9 * x, lambda g, x: 1e-3 * g, np.array([1.0])) == "disagrees"
    assert verdict(lambda x: 1 + 1e-17 * x, lambda g, x: 1e-16 * g, np.array([1.0])) == "inconclusive"


# ---- 24: in other tests --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", [lambda: assert_gradients(engine.sin, arrays()), lambda: check_op(engine.sin)])
def test_24_inside_a_test_of_given(check: Any) -> None:
    @settings(max_examples=1)
    @given(st.integers())
    def outer(k: int) -> None:
        check()

    with pytest.raises(RuntimeError, match=r"draws points by itself.* or let it draw the point and call gradcheck"):
        outer()


@given(st.floats(-1, 1))
def test_24_one_point_may_be_checked_there(a: float) -> None:
    gradcheck(lambda x: a * x * x, X)


# ---- 39: small entries beside large ones ---------------------------------------------------------------------------


def test_39_an_entry_that_is_negligible_in_its_row() -> None:
    def f(x: Any) -> Any:
        return x[:1] * 1.0

    def claiming(small: float) -> Function:
        return lambda g, x: np.array([g[0], small * g[0]])

    point = np.array([0.7, 0.123])
    assert verdict(f, claiming(5e-12), point) == "agrees"
    assert verdict(f, claiming(1e-5), point) == "disagrees"
    assert verdict(lambda x, y: f(x) + 0 * y, lambda g, x, y: (claiming(0)(g, x), 5e-12 * g), point, X[:1]) == "agrees"


def test_39_a_small_slope_that_differences_resolve_is_still_judged_by_itself() -> None:
    def f(x: Any) -> Any:
        return x[0] + 1e-6 * x[1]

    assert verdict(f, lambda g, x: g * np.array([1, 1e-6]), X) == "agrees"
    assert verdict(f, lambda g, x: g * np.array([1, -1e-6]), X) == "disagrees"
    assert verdict(lambda x: x[0] + 1e-10 * x[1], lambda g, x: g * np.array([1, -1e-10]), X) != "agrees"


def attention(q: Any, k: Any, v: Any) -> Any:
    scores = np.where(np.tri(len(q), dtype=bool), q @ k.T, -np.inf)
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True) @ v


def attention_vjp(g: Any, q: Any, k: Any, v: Any) -> Any:
    p = attention(q, k, np.eye(len(q)))
    of_p = g @ v.T
    of_scores = p * (of_p - (of_p * p).sum(axis=1, keepdims=True))
    return of_scores @ k, of_scores.T @ q, p.T @ g


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_39_causal_attention_whose_weights_saturate(scale: float) -> None:
    rng = np.random.default_rng(3)
    q, k, v = (scale * rng.normal(size=(4, 3)) for _ in range(3))
    assert verdict(attention, attention_vjp, q, k, v) == "agrees"


@pytest.mark.parametrize("halvings", [34, 45, 60])
def test_39_a_projection_found_by_bisection(halvings: int) -> None:
    def project(x: Any) -> Any:
        low, high = x.max() - 1, x.max()
        for _ in range(halvings):
            middle = (low + high) / 2
            low, high = (middle, high) if np.maximum(x - middle, 0).sum() > 1 else (low, middle)
        return np.maximum(x - (low + high) / 2, 0)

    def rule(g: Any, x: Any) -> Any:
        kept = project(x) > 0
        return kept * (g - g[kept].mean())

    assert verdict(project, rule, np.array([0.2, 0.7, -1.0, 0.5])) == "agrees"
    assert verdict(project, lambda g, x: g * (project(x) > 0), np.array([0.2, 0.7, -1.0, 0.5])) == "disagrees"


def test_39_a_cusp_beside_a_large_slope_is_no_small_entry() -> None:
    f, rule = lambda x: np.sqrt(np.abs(x[0])) + 1e3 * x[1], lambda g, x: g * np.array([0, 1e3])
    assert verdict(f, rule, np.array([0.0, 1.0])) == "inconclusive"


# ---- 40: functions that compute in a lower precision ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "off", "size"),
    [(SINGLE, 1.01, 2), (SINGLE, 1.01, 24), (SINGLE, 1.01, 300), (HALF, 3.0, 2), (HALF, 3.0, 24)],
)
def test_40_computed_in_a_lower_precision_inside(dtype: Any, off: float, size: int) -> None:
    f, x = in_precision(dtype, np.tanh), np.linspace(0.3, 1.2, size)
    assert f"f computes in {np.dtype(dtype).name};" in str(check_vjp(f, tanh_vjp, x))
    with pytest.raises(GradientError, match=f"f computes in {np.dtype(dtype).name}") as caught:
        check_vjp(f, lambda g, x: off * tanh_vjp(g, x), x)
    assert caught.value.verdict == "disagrees"


def test_40_noise_that_hides_the_slope_of_a_large_function_is_no_agreement() -> None:
    f, x = in_precision(HALF, np.tanh), np.linspace(0.3, 1.2, 300)
    with pytest.raises(Inconclusive, match="f computes in float16"):
        check_vjp(f, tanh_vjp, x)
    assert verdict(f, lambda g, x: 3 * tanh_vjp(g, x), x) == "disagrees"


def test_40_a_product_and_a_softmax_and_results_that_saturate() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(3, 4)), rng.normal(size=(4, 2))
    assert verdict(in_precision(SINGLE, np.matmul), lambda g, a, b: (g @ b.T, a.T @ g), a, b) == "agrees"
    for scale in (1, 10, 100):
        logits = scale * a
        assert verdict(in_precision(SINGLE, softmax), softmax_vjp, logits) != "disagrees"
        assert verdict(in_precision(SINGLE, lambda x: np.log(softmax(x))), log_softmax_vjp, logits) != "disagrees"


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_vjp(g: Any, x: Any) -> Any:
    y = softmax(x)
    return y * (g - (g * y).sum(axis=-1, keepdims=True))


def log_softmax_vjp(g: Any, x: Any) -> Any:
    return g - softmax(x) * g.sum(axis=-1, keepdims=True)


def test_40_a_sum_in_float32_is_named_as_noise_with_its_size() -> None:
    def f(x: Any) -> Any:
        return np.exp(np.float64((x * x).sum(dtype=SINGLE))) + x

    def rule(g: Any, x: Any) -> Any:
        return g + g.sum() * 2 * x * np.exp((x * x).sum())

    point = np.linspace(-1, 1, 4) + 0.03
    words = r"f has noise of \S+, \S+ of its value, as much as float32 leaves inside"
    with pytest.raises(GradientError, match=words):
        check_vjp(f, lambda g, x: 1.01 * rule(g, x), point)
    assert "f has noise of" in str(check_vjp(f, rule, point))


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (np.tanh, ""),
        (lambda x: np.round(x, 3), ""),
        (np.floor, ""),
        (lambda x: np.maximum(x - 0.3, 0), ""),
        (lambda x: np.sin(x) ** 2 + np.cos(x) ** 2, ""),
        (in_precision(SINGLE, np.tanh), "f computes in float32"),
        (in_precision(HALF, np.tanh), "f computes in float16"),
        (lambda x: np.tanh(x.astype(SINGLE).astype(float)), "f computes in float32"),
        (lambda x: np.tanh(x).astype(SINGLE).astype(float), "f computes in float32"),
        (lambda x: (x.astype(SINGLE).view(np.uint32) & 0xFFFF0000).view(SINGLE).astype(float), ""),
    ],
)
def test_40_what_is_called_a_lower_precision(f: Function, words: str) -> None:
    noise = Noise(f, [X], f(X))
    assert (noise.words, noise.measure().shape) == ("", (2,)) or words
    noise.measure()
    assert words in noise.words

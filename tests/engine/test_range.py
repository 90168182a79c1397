"""The degree that an op declares: the law of range finds a wrong one, and an op that has one declares it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.examples import NONZERO, POSITIVE, REAL, Example, along_axes, broadcasting, elementwise
from engine.primitive import Primitive, registry
from engine.testing import GradientError, check_op
from engine.testing.claims import Case
from engine.testing.laws.scaling import scaled_to_the_edges
from engine.testing.profiles import Options, choosing

SQUARE: dict[str, Any] = {"vjp": (lambda g, x: g * (2 * x),), "jvp": (lambda t, x: t * (2 * x),)}
QUOTIENT: dict[str, Any] = {"vjp": (lambda g, y: g / y, lambda g, x, y: -g * (x / y) / y), "broadcasts": True}


@pytest.fixture
def _only_this_law(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.testing.laws.LAWS", (scaled_to_the_edges,))


def held(forward: Any, degree: Any, examples: Example | None = None, **rules: Any) -> None:
    """Hold an op to the law of range; by default one of a single array."""
    check_op(Primitive(forward, degree=degree, examples=examples or elementwise(NONZERO), name="planted", **rules))


def quotient(x: Any, y: Any) -> Any:
    return x / y


@pytest.mark.usefixtures("_only_this_law")
@pytest.mark.parametrize("degree", [0, 1, 3, 1.99, lambda x_shape: len(x_shape), {"x": -2}, {"x^2": 2}])
def test_a_wrong_degree_is_found(degree: Any) -> None:
    held(lambda x: x * x, 2, **SQUARE)
    with pytest.raises(GradientError, match=r"'range' does not hold for (.|\n)*, with x scaled by 2"):
        held(lambda x: x * x, degree, **SQUARE)


@pytest.mark.usefixtures("_only_this_law")
@pytest.mark.parametrize("degree", [1, {"x": 1, "y": 1}, {"x, y": 1}, {"x": 0}, {"x, y^2": 0}])
def test_a_wrong_degree_in_one_of_two_is_found(degree: Any) -> None:
    examples = broadcasting(REAL, NONZERO)
    for right in (0, {"x": 1, "y": -1}, {"x^2, y": 1}, {"x, y": lambda x_shape: 0}):
        held(quotient, right, examples, **QUOTIENT)
    with pytest.raises(GradientError, match="'range' does not hold"):
        held(quotient, degree, examples, **QUOTIENT)


@pytest.mark.usefixtures("_only_this_law")
def test_an_intermediate_result_out_of_range_is_found() -> None:
    slope: dict[str, Any] = {"vjp": (lambda g, x: g * np.sign(x),)}
    held(lambda x: np.abs(x), 1, **slope)
    with pytest.raises(GradientError, match="for the result: at the result"):
        held(lambda x: np.sqrt(x * x), 1, **slope)
    with pytest.raises(GradientError, match="for x: at x"):
        held(lambda x: np.abs(x), 1, vjp=(lambda g, x, out: g * (x * x * x) / (out * out * out),))
    with pytest.raises(GradientError, match="for the tangent: at the tangent"):
        held(lambda x: np.abs(x), 1, **slope, jvp=(lambda t, x, out: t * (x * x) / (out * x),))


@pytest.mark.usefixtures("_only_this_law")
def test_a_plain_sum_may_overflow_and_a_mean_may_not() -> None:
    def mean(x: Any, *, axis: Any, keepdims: bool) -> Any:
        return np.sum(x, axis=axis, keepdims=keepdims) / max(1, np.size(x) // max(1, np.size(np.sum(x, axis=axis))))

    examples = along_axes(POSITIVE, min_side=1)
    rules: dict[str, Any] = {"vjp": registry["sum"].vjp}
    held(lambda x, *, axis, keepdims: np.sum(x, axis=axis, keepdims=keepdims), 1, examples, **rules)
    with pytest.raises(GradientError, match=r"for the result: at .* it is inf"):
        held(mean, 1, examples, **rules)


def test_a_degree_names_what_the_op_has() -> None:
    for degree in ({"z": 1}, {"x, eps^2": 0}, lambda y: y, {"x": lambda x, *, axis: 1}):
        with pytest.raises(TypeError, match=r"planted: its degree names '\w+'; it can name \['x'\]"):
            held(lambda x: x * x, degree, **SQUARE)


# ---- none is forgotten -----------------------------------------------------------------------------------------------


def _uniformly_scaled(case: Case, scaled: tuple[int, ...]) -> bool | None:
    """Whether all of the result is scaled by one power of the factor at this point; None if that says nothing."""

    def at(factor: float) -> Any:
        return case.value(*[a * factor if k in scaled else a for k, a in enumerate(case.arrays)])

    if not any(np.any(case.arrays[k]) for k in scaled) or not case.out.any():
        return None
    with np.errstate(all="ignore"):
        places = case.out != 0
        once, twice = at(2.0) / np.where(places, case.out, 1), at(4.0) / np.where(places, case.out, 1)
        ratio = once[places].flat[0]
        return bool(np.allclose(once, ratio * places, rtol=1e-9) and np.allclose(twice, ratio**2 * places, rtol=1e-9))


@pytest.mark.parametrize("name", registry)
def test_what_is_homogeneous_says_so(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In each argument alone and in all together, unless a point of the examples shows that it is not."""
    op, verdicts = registry[name], dict[frozenset[str], bool]()
    declared: list[set[str]] = [{n for n in scaling.powers if n in op.signature.arguments} for scaling in op.scalings]

    def look(case: Case) -> None:
        if any(a is None for a in case.arrays):
            return  # without an optional argument it may be homogeneous where it is not otherwise
        alone = [] if op.signature.variadic else [(k,) for k in case.moving]
        for scaled in {*alone, tuple(case.moving)}:
            verdict = _uniformly_scaled(case, scaled)
            if verdict is not None:
                names = frozenset(op.signature.arguments[0 if op.signature.variadic else k] for k in scaled)
                verdicts[names] = verdicts.get(names, True) and verdict

    monkeypatch.setattr("engine.testing.laws.LAWS", (look,))
    for examples in (30, 300):  # more if the first ones do not show it
        with choosing(Options(examples=examples)):
            check_op(op)
        homogeneous = [names for names, verdict in verdicts.items() if verdict]
        forgotten = [n for n in homogeneous if set().union(*(part for part in declared if part <= n)) != n]
        if verdicts and not forgotten:
            return
    pytest.fail(f"{name} is homogeneous in {[sorted(names) for names in forgotten]}, and does not say so")

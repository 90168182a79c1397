"""Sly backward passes, right for most points, sizes, types or cotangents: the checker catches every one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.engine.verdicts import (
    Case,
    Function,
    case,
    complex_step,
    distance,
    five_points,
    normal,
    over,
    surprises,
    verdict,
)

X, TWO, LONG = normal((5, 6)), normal((3, 4), (3, 4)), normal(1000)
HUGE = normal(10_000)
SINGLE = [x.astype(np.float32) for x in X]
SIGNS = np.array([0.7, -1.2, 0.0, 2.1])
MIXED = np.array([1e6, 1.0, 1e-6])
SCALES = np.array([1e-6, 1.0, 1e6])


def sin_vjp(g: Any, x: Any) -> Any:
    return g * np.cos(x)


def true_sin(_: Function) -> Function:
    return lambda g, x: (sin_vjp(g, x),)


def changed(gradient: Any, place: Any, value: Any) -> Any:
    """The gradient with one place overwritten."""
    gradient = gradient.copy()
    gradient[place] = value
    return gradient


def zero_sum(size: int, amount: float) -> Any:
    error = np.zeros(size)
    error[[3, -5]] = amount, -amount
    return error


def swapped(gradient: Any, i: int, k: int) -> Any:
    return changed(gradient, [i, k], gradient[[k, i]])


def half(f: Function) -> Function:
    """Only the float32 rule is wrong."""
    return lambda g, x: f(g, x) if g.dtype == x.dtype == np.float32 else sin_vjp(g, x)


SMALL_ERRORS = [
    case("factor 1.001", np.sin, lambda g, x: 1.001 * sin_vjp(g, x), *X),
    case("factor 1.0001", np.sin, lambda g, x: 1.0001 * sin_vjp(g, x), *X),
    case("factor 1.00002", np.sin, lambda g, x: 1.00002 * sin_vjp(g, x), *X),
    case("1e-4 too much everywhere", np.sin, lambda g, x: sin_vjp(g, x) + 1e-4, *X),
    case("1e-4 too much in one element", np.sin,
         lambda g, x: changed(sin_vjp(g, x), (2, 3), sin_vjp(g, x)[2, 3] + 1e-4), *X),
    case("errors that add up to zero", np.sin,
         lambda g, x: sin_vjp(g, x) + zero_sum(1000, 1e-2), *LONG, truth=true_sin),
    case("a constant rounded to four digits", lambda x: np.pi * x, lambda g, x: 3.1415 * g, *X),
    case("a one-sided difference", np.sin, lambda g, x: g * (np.sin(x + 1e-3) - np.sin(x)) / 1e-3, *X),
    case("a cotangent in half precision", np.sin, lambda g, x: g.astype(np.float16) * np.cos(x), *X),
]  # fmt: skip

SIZES = [
    case("one element of 1,000 is zero", np.sin, lambda g, x: changed(sin_vjp(g, x), 617, 0), *LONG, truth=true_sin),
    case("one element of 1,000 by 1 %", np.sin,
         lambda g, x: changed(sin_vjp(g, x), 3, 1.01 * sin_vjp(g, x)[3]), *LONG, truth=true_sin),
    case("the last element forgotten", np.sin, lambda g, x: changed(sin_vjp(g, x), -1, 0), *LONG, truth=true_sin),
    case("two neighbours swapped", np.sin, lambda g, x: swapped(sin_vjp(g, x), 4, 5), *LONG, truth=true_sin),
    case("a sign in a large array", np.sin,
         lambda g, x: changed(sin_vjp(g, x), 5000, -sin_vjp(g, x)[5000]), *HUGE, truth=true_sin),
    case("blocks of 4096, no remainder", np.sin,
         lambda g, x: changed(sin_vjp(g, x), slice(8192, None), 0), *HUGE, truth=true_sin),
    case("last of 10,000 forgotten", np.sin, lambda g, x: changed(sin_vjp(g, x), -1, 0), *HUGE, truth=true_sin),
    case("wrong only above 5,000 elements", np.sin,
         lambda g, x: sin_vjp(g, x) * (1 + (x.size > 5000)), *HUGE, truth=true_sin),
    case("mean: 1/n of another size", np.mean, lambda g, x: g * np.full(10_000, 1 / 9_999), *HUGE,
         truth=lambda _: lambda g, x: (g * np.full(10_000, 1e-4),)),
    case("a large array rolled by one", np.sin, lambda g, x: np.roll(sin_vjp(g, x), 1), *HUGE, truth=true_sin),
]  # fmt: skip

SCALED = [
    case("tiny by the output: factor 2", lambda x: 1e-9 * np.sin(x), lambda g, x: 2e-9 * sin_vjp(g, x), *X),
    case("tiny by the input: factor 2", lambda x: np.sin(1e-9 * x), lambda g, x: 2e-9 * g, *X),
    case("tiny by the input: sign", lambda x: np.sin(1e-9 * x), lambda g, x: -1e-9 * g, *X),
    case("tiny: zeros", lambda x: 1e-9 * x * x, lambda g, x: 0 * x, *X),
    case("tiny at large points: factor 2", lambda x: (x / 1e9) ** 2, lambda g, x: g * 4 * x / 1e18, 1e9 * X[0]),
    case("1e-30: sign", lambda x: 1e-30 * np.sin(x), lambda g, x: -1e-30 * sin_vjp(g, x), *X),
    case("huge by the output: factor 1.001", lambda x: 1e9 * np.sin(x), lambda g, x: 1.001e9 * sin_vjp(g, x), *X),
    case("huge by the output: off by 1e5", lambda x: 1e9 * np.sin(x), lambda g, x: 1e9 * sin_vjp(g, x) + 1e5, *X),
    case("huge by the input: factor 1.001", lambda x: np.sin(1e9 * x),
         lambda g, x: 1.001e9 * sin_vjp(g, 1e9 * x), 1e-9 * X[0]),
    case("huge at small points: no square", lambda x: 1 / x, lambda g, x: -g / x, 1e-6 * (2 + np.tanh(X[0]))),
    case("small outputs among large ones: factor 2", lambda x: MIXED * np.sin(x),
         lambda g, x: g * MIXED * np.cos(x) * [1, 1, 2], *normal(3)),
    case("large output among small ones: factor 1.001", lambda x: MIXED * np.sin(x),
         lambda g, x: g * MIXED * np.cos(x) * [1.001, 1, 1], *normal(3)),
    case("smallest of mixed inputs: factor 2", lambda x: np.sin(x / SCALES),
         lambda g, x: g * np.cos(x / SCALES) / SCALES * [2, 1, 1],
         SCALES * normal(3)[0]),
    case("largest of mixed inputs: factor 2", lambda x: np.sin(x / SCALES),
         lambda g, x: g * np.cos(x / SCALES) / SCALES * [1, 1, 2],
         SCALES * normal(3)[0]),
    case("second argument a million times smaller: sign", lambda x, y: np.sin(x) + 1e-6 * np.cos(y),
         lambda g, x, y: (g * np.cos(x), 1e-6 * g * np.sin(y)), *TWO),
]  # fmt: skip

COTANGENTS = [
    case("ignores g", np.sin, lambda g, x: np.cos(x), *X),
    case("ignores g in the second argument", lambda x, y: x * y, lambda g, x, y: (g * y, x), *TWO),
    case("g squared", np.sin, lambda g, x: g**2 * np.cos(x), *X),
    case("size of g", np.sin, lambda g, x: np.abs(g) * np.cos(x), *X),
    case("sign of g", np.sin, lambda g, x: np.sign(g) * np.cos(x), *X),
    case("positive part of g", np.sin, lambda g, x: np.maximum(g, 0) * np.cos(x), *X),
    case("g clipped to 1", np.sin, lambda g, x: np.clip(g, -1, 1) * np.cos(x), *X),
    case("g scaled to length 1", np.sin, lambda g, x: g / np.linalg.norm(g) * np.cos(x), *X),
    case("g's mean, right for ones", np.sin, lambda g, x: g.mean() * np.cos(x), *X),
    case("g's first element", np.sin, lambda g, x: g.flat[0] * np.cos(x), *X),
    case("g plus a constant", np.sin, lambda g, x: (g + 1e-3) * np.cos(x), *X),
    case("g transposed, square by accident", np.sin, lambda g, x: g.T * np.cos(x), *normal((4, 4))),
    case("mean: g's sum, right for n = 1", lambda x: x.mean(0), lambda g, x: np.full(x.shape, g.sum() / x.size), *X),
]  # fmt: skip

POINTS = [
    case("wrong for negative x", np.sin, lambda g, x: g * np.cos(x) * np.sign(x), *X),
    case("wrong above 1", np.sin, lambda g, x: np.where(x > 1, g, sin_vjp(g, x)), *X),
    case("wrong in one quadrant", lambda x, y: x * y,
         lambda g, x, y: (np.where((x < 0) & (y < 0), -g * y, g * y), g * x), *TWO),
    case("x|x|: 1 at zero", lambda x: x * np.abs(x),
         lambda g, x: g * np.where(x == 0, 1, 2 * np.abs(x)), SIGNS, truth=five_points),
    case("x|x|: sign forgotten", lambda x: x * np.abs(x), lambda g, x: g * 2 * x, SIGNS, truth=five_points),
    case("x**3 by its sign, 1 at zero", lambda x: x**3, lambda g, x: g * (3 * x * x + (x == 0)), SIGNS),
    case("x**2 by division: nan at zero", lambda x: x**2, lambda g, x: g * 2 * x**2 / x, SIGNS),
    case("x**3 by logarithms: nan below zero", lambda x: x**3, lambda g, x: g * 3 * np.exp(2 * np.log(x)), SIGNS),
    case("sinc: nan at zero", np.sinc, lambda g, x: g * (np.cos(np.pi * x) - np.sinc(x)) / x, SIGNS, truth=five_points),
    case("product by division: nan at zero", np.prod, lambda g, x: g * np.prod(x) / x, SIGNS),
    case("product by division: 0 at zero", np.prod, lambda g, x: g * np.prod(x) / np.where(x == 0, 1, x), SIGNS),
    case("masked as padding where x is 0", lambda x: 3 * x, lambda g, x: 3 * g * (x != 0), SIGNS),
    case("hypot: nan on an axis", lambda x, y: np.sqrt(x * x + y * y),
         lambda g, x, y: (g * x / np.sqrt(x * x + y * y) / (x != 0),
         g * y / np.sqrt(x * x + y * y)), SIGNS, SIGNS + 1.5),
    case("first argument wrong", lambda x, y: x * y, lambda g, x, y: (g * x, g * x), *TWO),
    case("second argument wrong", lambda x, y: x / y, lambda g, x, y: (g / y, g * x / y**2), *TWO),
    case("third argument wrong", lambda x, y, z: x * y + z, lambda g, x, y, z: (g * y, g * x, -g), *normal(3, 3, 3)),
    case("no gradient by mistake", lambda x, y: x * y, lambda g, x, y: (g * y, np.zeros_like(y)), *TWO),
    case("rounding is not the identity", lambda x: np.round(x + 3 * x),
         lambda g, x: 4 * g, 0.25 * np.arange(5), truth=five_points),
    case("straight through a step", lambda x: np.where(x > 0.1, 1.0, 0.0),
         lambda g, x: g * (np.abs(x) < 1), 0.5 + X[0] / 9,
         truth=five_points),
    case("straight through a sign", np.sign, lambda g, x: g, np.array([-0.8, 0.5]), truth=five_points),
]  # fmt: skip

FORMS = [
    case("a scalar for an array", lambda x: 2 * x, lambda g, x: 2.0, *X),
    case("a scalar 0", lambda x: 2 * x, lambda g, x: 0.0, *X),
    case("transposed", lambda x: x.T * 1.0, lambda g, x: g, *X),
    case("flattened", lambda x: 2 * x, lambda g, x: 2 * g.ravel(), *X),
    case("an axis too many", lambda x: 2 * x, lambda g, x: 2 * g[None], *X),
    case("still broadcast", lambda x, y: x + y, lambda g, x, y: (g, g), *normal((3, 4), 4)),
    case("summed too far", lambda x, y: x + y, lambda g, x, y: (g, g.sum()), *normal((3, 4), 4)),
    case("summed axis kept", lambda x, y: x + y, lambda g, x, y: (g, g.sum(0, keepdims=True)), *normal((3, 4), 4)),
    case("one cotangent for two", lambda x, y: x * y, lambda g, x, y: (g * y,), *TWO),
    case("a bare array for two", lambda x, y: x * y, lambda g, x, y: g * y, *TWO),
    case("three cotangents for two", lambda x, y: x * y, lambda g, x, y: (g * y, g * x, g), *TWO),
    case("None where there is a dependence", lambda x, y: x * y, lambda g, x, y: (g * y, None), *TWO),
    case("None alone", lambda x: 2 * x, lambda g, x: None, *X),
    case("nan everywhere", lambda x: 2 * x, lambda g, x: g * np.nan, *X),
    case("nan in one place", lambda x: 2 * x, lambda g, x: changed(2 * g, (1, 1), np.nan), *X),
    case("inf in one place", lambda x: 2 * x, lambda g, x: changed(2 * g, (4, 5), np.inf), *X),
    case("arguments' order", lambda x, y: x @ y, lambda g, x, y: (x.T @ g, g @ y.T), *normal((3, 4), (4, 2))),
]  # fmt: skip

TYPES = [
    case("float32: factor 1.001", np.sin, half(lambda g, x: sin_vjp(g, x) * np.float32(1.001)), *SINGLE),
    case("float32: 1e-3 too much", np.sin, half(lambda g, x: sin_vjp(g, x) + np.float32(1e-3)), *SINGLE),
    case("float32: by way of float16", np.sin,
         half(lambda g, x: sin_vjp(g, x).astype(np.float16).astype(np.float32)), *SINGLE),
    case("float32: zero", np.sin, half(lambda g, x: 0 * x), *SINGLE),
    case("float32: zero, where f is large", lambda x: x + 0, lambda g, x: g * (x.dtype != np.float32),
         np.array([1e7, 2e6], np.float32), truth=lambda _: lambda g, x: (g,)),
    case("float32: zero in one place, beside large entries", lambda x: x * x,
         lambda g, x: 2 * g * x * (1 if x.dtype != np.float32 else np.array([1, 0], np.float32)),
         np.array([1e6, 0.5], np.float32), truth=lambda _: lambda g, x: (2 * g * x,)),
    case("float32 inside: a percent too much", lambda x: np.tanh(x.astype(np.float32)).astype(float),
         lambda g, x: 1.01 * g / np.cosh(x) ** 2, np.linspace(-2, 2, 24),
         truth=lambda _: lambda g, x: (g / np.cosh(x) ** 2,)),
    case("a thousandth where 1e6 hides less", lambda x: 1e6 + 1e-9 * x, lambda g, x: 1e-3 * g, np.ones(2),
         truth=lambda _: lambda g, x: (1e-9 * g,)),
    case("float32: overflow", np.sin, half(lambda g, x: sin_vjp(g, x) * np.float32(1e30) ** 2), *SINGLE),
    case("wrong in float64 as in float32", np.sin, lambda g, x: -sin_vjp(g, x), *SINGLE),
]  # fmt: skip

STATELESS = [*SMALL_ERRORS, *SIZES, *SCALED, *COTANGENTS, *POINTS, *FORMS, *TYPES]


def adding_up() -> Function:
    """Adds into its buffer, which was zero once."""
    buffer = np.zeros((5, 6))

    def vjp(g: Any, x: Any) -> Any:
        buffer[...] += 2 * g
        return buffer.copy()

    return vjp


def same_buffer() -> Function:
    """Returns one buffer every time, so a second call overwrites what the first returned."""
    buffer = np.zeros((5, 6))
    return lambda g, x: np.multiply(g, 2, out=buffer)


def one_buffer_for_two() -> Function:
    buffer = np.zeros((3, 4))
    return lambda g, x, y: (np.multiply(g, y, out=buffer), np.multiply(g, x, out=buffer))


def first_answer() -> Function:
    """Remembers the answer by shape, whatever the cotangent."""
    answers: dict[Any, Any] = {}
    return lambda g, x: answers.setdefault((g.shape, g.dtype), 2 * g).copy()


def once() -> Function:
    """Frees what it saved after the first call."""
    saved = [2.0]
    return lambda g, x: (saved.pop() if saved else 0.0) * g


def drifting() -> Function:
    calls: list[int] = []
    return lambda g, x: calls.append(1) or g * (2 + 1e-3 * (len(calls) - 1))  # type: ignore[func-returns-value]


def overwriting(position: int) -> Callable[[], Function]:
    """Right, but for its side effect on the cotangent or the input."""

    def vjp(g: Any, x: Any) -> Any:
        answer = 2 * g
        (g, x)[position][0] = 0
        return answer

    return lambda: vjp


def in_place() -> Function:
    return lambda g, x: np.multiply(g, 2, out=g)


def random_noise() -> Function:
    rng = np.random.default_rng(3)
    return lambda g, x: 2 * g + rng.normal(size=g.shape) / 100


STATES: dict[str, tuple[Any, Function, list[Any]]] = {
    "adds up in a cached buffer": (adding_up, lambda x: 2 * x, X),
    "returns the same buffer again": (same_buffer, lambda x: 2 * x, X),
    "one buffer for two cotangents": (one_buffer_for_two, lambda x, y: x * y, TWO),
    "remembers its first answer": (first_answer, lambda x: 2 * x, X),
    "works once": (once, lambda x: 2 * x, X),
    "drifts from call to call": (drifting, lambda x: 2 * x, X),
    "writes into g": (overwriting(0), lambda x: 2 * x, X),
    "writes into its input": (overwriting(1), lambda x: 2 * x, X),
    "returns g, changed in place": (in_place, lambda x: 2 * x, X),
    "random": (random_noise, lambda x: 2 * x, X),
}


@over(STATELESS)
def test_is_caught(case: Case) -> None:
    assert verdict(case.f, case.vjp, *case.point) == "disagrees"


@over(SMALL_ERRORS + SIZES + SCALED)
def test_is_caught_whatever_the_seed(case: Case) -> None:
    assert surprises(case) == {}


@over(STATELESS)
def test_is_really_wrong(case: Case) -> None:
    assert distance(case) > 1e-5


@over({case.f: case for case in STATELESS if case.truth is complex_step}.values())
def test_and_the_true_rule_is_not_caught(case: Case) -> None:
    assert verdict(case.f, complex_step(case.f), *case.point) == "agrees"


@pytest.mark.parametrize("name", STATES)
def test_a_rule_with_a_state_or_a_side_effect_is_caught(name: str) -> None:
    make, f, point = STATES[name]
    assert verdict(f, make(), *[x.copy() for x in point]) == "disagrees"

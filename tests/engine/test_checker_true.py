"""True derivatives at awkward points, of functions of one number: never called wrong, called true where one can tell.

A row that says `expect=NOT_WRONG` allows the checker to see that differences decide nothing there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.engine.verdicts import (
    AGREES,
    NOT_WRONG,
    UNSURE,
    Case,
    Function,
    case,
    distance,
    five_points,
    over,
    surprises,
    verdict,
)


def at(name: str, f: Function, slope: Function, *points: float, expect: set[str] = AGREES, **more: Any) -> Case:
    """An elementwise function, its derivative, and where."""
    return case(name, f, lambda g, x: g * slope(x), np.array(points, float), expect=expect, **more)


def one(x: Any) -> Any:
    return np.ones_like(x)


def zero(x: Any) -> Any:
    return np.zeros_like(x)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def tower(x: Any) -> Any:
    for _ in range(200):
        x = x + 0.01 * np.sin(x)
    return x


def tower_slope(x: Any) -> Any:
    slope = one(x)
    for _ in range(200):
        slope, x = slope * (1 + 0.01 * np.cos(x)), x + 0.01 * np.sin(x)
    return slope


def logistic_map(steps: int) -> tuple[Function, Function]:
    def f(x: Any) -> Any:
        for _ in range(steps):
            x = 3.9 * x * (1 - x)
        return x

    def slope(x: Any) -> Any:
        product = one(x)
        for _ in range(steps):
            product, x = product * 3.9 * (1 - 2 * x), 3.9 * x * (1 - x)
        return product

    return f, slope


def bessel(order: int) -> Function:
    def series(x: Any) -> Any:
        term = total = (x / 2) ** order
        for k in range(1, 60):
            term = -term * (x / 2) ** 2 / (k * (k + order))
            total = total + term
        return total

    return series


def roots(*zeros: float) -> tuple[Function, Function]:
    """The polynomial with these zeros, as a product, and its derivative."""

    def slope(x: Any) -> Any:
        parts = [np.prod([x - z for k, z in enumerate(zeros) if k != i], axis=0) for i in range(len(zeros))]
        return np.sum(parts, axis=0)

    return lambda x: np.prod([x - z for z in zeros], axis=0), slope


def horner(x: Any) -> Any:
    total = zero(x)
    for k in range(20, -1, -1):
        total = total * x + (-1) ** k * (k + 1)
    return total


def horner_slope(x: Any) -> Any:
    return sum((-1) ** k * (k + 1) * k * x ** (k - 1) for k in range(1, 21))


def newton_root(x: Any, tolerance: float = 0.0, steps: int = 60) -> Any:
    """The cube root, by Newton's method."""
    y = np.where(x > 1, x, 1.0) if tolerance else one(x)
    for _ in range(steps):
        y, before = (2 * y + x / y**2) / 3, y
        if tolerance and np.abs(y - before).max() < tolerance:
            break
    return y


def bisection(x: Any) -> Any:
    """The square root to ten digits, by halving an interval."""
    low, high = zero(x), 1 + x
    for _ in range(34):
        middle = (low + high) / 2
        low, high = np.where(middle**2 < x, middle, low), np.where(middle**2 < x, high, middle)
    return (low + high) / 2


def quadrature(points: int) -> Function:
    """The error function by Simpson's rule."""
    t = np.linspace(0, 1, points)
    weights = np.tile([2.0, 4.0], points // 2 + 1)[:points]
    weights[[0, -1]] = 1
    return lambda x: 2 / np.sqrt(np.pi) * x * (np.exp(-np.square(x[..., None] * t)) @ weights) / (3 * (points - 1))


def erf_slope(x: Any) -> Any:
    return 2 / np.sqrt(np.pi) * np.exp(-x * x)


def single(f: Function) -> Function:
    """Computed in float32, as somebody's kernel is."""
    return lambda x: f(x.astype(np.float32)).astype(np.float64)


def square_slope(x: Any) -> Any:
    return 2 * x


WILKINSON = roots(*range(1, 21))
STEEP = [
    at("log at 1e-8", np.log, lambda x: 1 / x, 1e-8),
    at("log at 1e-4 and 1e4", np.log, lambda x: 1 / x, 1e-4, 1e4),
    at("log at 1e-300", np.log, lambda x: 1 / x, 1e-300, expect=NOT_WRONG, truth=None),
    at("sqrt at 1e-10", np.sqrt, lambda x: 0.5 / np.sqrt(x), 1e-10),
    at("sqrt at 1e-10 beside 1 and 1e10", np.sqrt, lambda x: 0.5 / np.sqrt(x), 1e-10, 1, 1e10),
    at("1/x at 1e-3", lambda x: 1 / x, lambda x: -1 / x**2, 1e-3, -1e-3),
    at("1/x at 1e-6", lambda x: 1 / x, lambda x: -1 / x**2, 1e-6),
    at("1/x at 1e3", lambda x: 1 / x, lambda x: -1 / x**2, 1e3),
    at("1/x at all of them", lambda x: 1 / x, lambda x: -1 / x**2, 1e-6, 1e-3, 1, 1e3, 1e6),
    at("1/x**3 at 0.01", lambda x: x**-3, lambda x: -3 * x**-4, 0.01),
    at("x**0.3 at 1e-6", lambda x: x**0.3, lambda x: 0.3 * x**-0.7, 1e-6),
    at("cube root at 1e-9", np.cbrt, lambda x: np.cbrt(x) / (3 * x), 1e-9, truth=None),
    at("exp at 50", np.exp, np.exp, 50),
    at("exp at -50", np.exp, np.exp, -50),
    at("exp at 700", np.exp, np.exp, 700, expect=NOT_WRONG),
    at("exp at 50 and -50", np.exp, np.exp, 50, -50, expect=NOT_WRONG),
    at("exp(x**2) at 5", lambda x: np.exp(x * x), lambda x: 2 * x * np.exp(x * x), 5),
    at("tan 1e-3 from its pole", np.tan, lambda x: 1 + np.tan(x) ** 2, np.pi / 2 - 1e-3),
    at("tan 1e-6 from its pole", np.tan, lambda x: 1 + np.tan(x) ** 2, np.pi / 2 - 1e-6, expect=NOT_WRONG),
    at("arcsin 1e-6 from its end", np.arcsin, lambda x: 1 / np.sqrt((1 - x) * (1 + x)), 1 - 1e-6),
    at("arctanh 1e-3 from its end", np.arctanh, lambda x: 1 / ((1 - x) * (1 + x)), 1 - 1e-3),
    at("log1p 1e-9 from its end", np.log1p, lambda x: 1 / (1 + x), -1 + 1e-9, expect=NOT_WRONG),
    at("sin(1000 x)", lambda x: np.sin(1000 * x), lambda x: 1000 * np.cos(1000 * x), 0.3, -1.7),
    at("sin(1e5 x)", lambda x: np.sin(1e5 * x), lambda x: 1e5 * np.cos(1e5 * x), 0.3, expect=NOT_WRONG),
    at("sin(1/x) at 0.01", lambda x: np.sin(1 / x), lambda x: -np.cos(1 / x) / x**2, 0.01),
    at("sin(1e3 x)/1e3 + x", lambda x: x + np.sin(1e3 * x) / 1e3, lambda x: 1 + np.cos(1e3 * x), 0.2, 0.7),
    at("a bump 1e-3 wide, on its flank", lambda x: np.exp(-((x / 1e-3) ** 2)),
       lambda x: -2e6 * x * np.exp(-((x / 1e-3) ** 2)), 1e-3),
    at("a step 1e-4 wide, in its middle", lambda x: np.tanh(1e4 * x), lambda x: 1e4 / np.cosh(1e4 * x) ** 2, 0.0, 5e-5),
    at("the logistic map, 10 times", *logistic_map(10), 0.3),
    at("the logistic map, 30 times", *logistic_map(30), 0.3, expect=NOT_WRONG),
    at("Wilkinson's polynomial", *WILKINSON, 10.3),
    at("a polynomial of degree 20", horner, horner_slope, 0.5, -0.9, 1.1),
    at("Bessel's function by its series", bessel(0), lambda x: -bessel(1)(x), 0.5, 1.5),
    at("the same where terms cancel", bessel(0), lambda x: -bessel(1)(x), 20, expect=NOT_WRONG, truth=None),
    at("a chain of 200 steps", tower, tower_slope, 0.3, -2),
]  # fmt: skip

SCALES = [
    *[at(f"linear at {x:g}", lambda x: 3 * x, lambda x: 3 * one(x), x) for x in (1e8, 1e-8, 1e15)],
    at("linear at all of them", lambda x: 3 * x, lambda x: 3 * one(x), 1e8, 1e-8, 1e15, expect=NOT_WRONG),
    at("linear at 1e300", lambda x: 3 * x, lambda x: 3 * one(x), 1e300, expect=NOT_WRONG),
    at("square at 1e8", np.square, square_slope, 1e8),
    at("square at 1e-8", np.square, square_slope, 1e-8),
    at("square at 1e15", np.square, square_slope, 1e15),
    at("square of mixed sizes", np.square, square_slope, 1e-6, 1, 1e6),
    at("log of mixed sizes", np.log, lambda x: 1 / x, 1e-6, 1, 1e6, 1e15),
    at("sin at 1e8", np.sin, np.cos, 1e8, expect=NOT_WRONG),
    at("sin at 1e4", np.sin, np.cos, 1e4),
    at("output of 1e12", lambda x: 1e12 * np.sin(x), lambda x: 1e12 * np.cos(x), 0.3),
    at("output of 1e-12", lambda x: 1e-12 * np.sin(x), lambda x: 1e-12 * np.cos(x), 0.3),
    at("output of 1e-200", lambda x: 1e-200 * np.sin(x), lambda x: 1e-200 * np.cos(x), 0.3, truth=None),
    at("input of 1e-12", lambda x: np.sin(1e12 * x), lambda x: 1e12 * np.cos(1e12 * x), 3e-13),
    at("input of 1e12", lambda x: np.sin(1e-12 * x), lambda x: 1e-12 * np.cos(1e-12 * x), 3e11),
    at("1e6 + sin", lambda x: 1e6 + np.sin(x), np.cos, 0.3),
    at("1e12 + sin", lambda x: 1e12 + np.sin(x), np.cos, 0.3, expect=NOT_WRONG),
    at("1e20 + sin", lambda x: 1e20 + np.sin(x), np.cos, 0.3, expect=NOT_WRONG),
    at("sin a million away from 0", lambda x: np.sin(x - 1e6), lambda x: np.cos(x - 1e6), 1e6 + 0.3),
    at("(1 + x) - 1", lambda x: (1 + x) - 1, one, 0.3, 1e-6),
    at("(1 + x) - 1 at 1e-12", lambda x: (1 + x) - 1, one, 1e-12, expect=NOT_WRONG),
    at("(1e8 + x) - 1e8", lambda x: (1e8 + x) - 1e8, one, 0.3, expect=NOT_WRONG),
    at("1 - cos x at 1e-6", lambda x: 1 - np.cos(x), np.sin, 1e-6),
    at("exp x - 1 at 1e-6", lambda x: np.exp(x) - 1, np.exp, 1e-6),
    at("(exp x - 1)/x at 1e-4", lambda x: (np.exp(x) - 1) / x,
       lambda x: 0.5 + x / 3 + x**2 / 8, 1e-4, expect=NOT_WRONG, truth=None),
    at("sqrt(x + 1) - sqrt(x) at 1e6", lambda x: np.sqrt(x + 1) - np.sqrt(x),
       lambda x: 0.5 / np.sqrt(x + 1) - 0.5 / np.sqrt(x), 1e6, expect=NOT_WRONG),
]  # fmt: skip

FLAT = [
    at("sigmoid at -40", sigmoid, lambda x: sigmoid(x) * sigmoid(-x), -40),
    at("sigmoid at 40", sigmoid, lambda x: sigmoid(x) * sigmoid(-x), 40, expect=NOT_WRONG),
    at("sigmoid at 40, rounded to no slope", sigmoid,
       lambda x: sigmoid(x) * (1 - sigmoid(x)), 40, expect=NOT_WRONG, truth=None),
    at("tanh at 20", np.tanh, lambda x: 1 / np.cosh(x) ** 2, 20, expect=NOT_WRONG, truth=None),
    at("tanh at 20, rounded to no slope", np.tanh,
       lambda x: 1 - np.tanh(x) ** 2, 20, -20, expect=NOT_WRONG, truth=None),
    at("tanh at 8", np.tanh, lambda x: 1 / np.cosh(x) ** 2, 8, expect=NOT_WRONG),
    at("exp(-1/x**2) at 0.02: underflow", lambda x: np.exp(-1 / x**2), lambda x: 2 / x**3 * np.exp(-1 / x**2), 0.02),
    at("exp(-1/x**2) at 0.1", lambda x: np.exp(-1 / x**2),
       lambda x: 2 / x**3 * np.exp(-1 / x**2), 0.1, expect=NOT_WRONG),
    at("1e6 + 1e-9 x: hidden by its rounding", lambda x: 1e6 + 1e-9 * x, lambda x: 1e-9 * one(x), 1.0, expect=UNSURE,
       truth=None),
    at("a constant", lambda x: 3 + 0 * x, zero, 0.3, -2, 0),
    at("zero", lambda x: 0 * x, zero, 0.3, -2, 0),
    at("a constant of 1e9", lambda x: 1e9 + 0 * x, zero, 0.3),
    at("x - x", lambda x: x - x, zero, 0.3),
    at("sin**2 + cos**2", lambda x: np.sin(x) ** 2 + np.cos(x) ** 2, zero, 0.3, 1, 2, truth=None),
    at("x**2 at 0", np.square, square_slope, 0.0),
    at("x**4 at 0", lambda x: x**4, lambda x: 4 * x**3, 0.0),
    at("x**3 at 0", lambda x: x**3, lambda x: 3 * x**2, 0.0),
    at("x**3 at 1e-5", lambda x: x**3, lambda x: 3 * x**2, 1e-5),
    at("x**9 at 0", lambda x: x**9, lambda x: 9 * x**8, 0.0),
    at("cos at 0 and at its turning point", np.cos, lambda x: -np.sin(x), 0, np.pi, truth=None),
    at("sinc at 0", np.sinc, zero, 0.0, truth=None),
    at("1000 x**2 at its minimum, 1e3 away", lambda x: 1e3 * (x - 1e3) ** 2, lambda x: 2e3 * (x - 1e3), 1e3),
]  # fmt: skip

NOISY = [
    at("float32 inside, at 24 points", single(np.tanh), lambda x: 1 / np.cosh(x) ** 2,
       *np.linspace(-2, 2, 24), truth=None),
    at("arguments cast to float32", lambda x: np.tanh(x.astype(np.float32).astype(float)),
       lambda x: 1 / np.cosh(x) ** 2, 0.3, 1.2, truth=None),
    at("float32 inside", single(np.sin), np.cos, 0.3, 1.2, expect=NOT_WRONG, truth=None),
    at("float32 out", lambda x: np.sin(x).astype(np.float32), np.cos, 0.3, 1.2, expect=NOT_WRONG, truth=None),
    at("float32 inside, 1e3 + sin", single(lambda x: 1000 + np.sin(x)), np.cos, 0.3, expect=NOT_WRONG, truth=None),
    at("float32 inside, and steep", single(lambda x: np.sin(100 * x)), lambda x: 100 * np.cos(100 * x), 0.3,
       expect=NOT_WRONG, truth=None),
    at("float16 inside",
       lambda x: np.sin(x.astype(np.float16)).astype(float), np.cos, 0.3, expect=NOT_WRONG, truth=None),
    *[at(f"rounded to {digits} digits", lambda x, digits=digits: np.round(np.sin(x), digits), np.cos, 0.3, 1.2,
         expect=NOT_WRONG, truth=None) for digits in (12, 9, 6, 4)],
    at("input rounded to 6 digits", lambda x: np.sin(np.round(x, 6)), np.cos, 0.3, 1.2, expect=NOT_WRONG, truth=None),
    at("a hash of 1e-9", lambda x: np.sin(x) + 1e-9 * ((x * 1e12) % 1), np.cos, 0.3, expect=NOT_WRONG, truth=None),
    at("a hash of 1e-4", lambda x: np.sin(x) + 1e-4 * ((x * 1e12) % 1), np.cos, 0.3, expect=NOT_WRONG, truth=None),
    at("Newton's method, 60 steps", newton_root, lambda x: 1 / (3 * newton_root(x) ** 2), 2, 10, truth=five_points),
    at("Newton's method to 1e-4", lambda x: newton_root(x, 1e-4), lambda x: 1 / (3 * newton_root(x) ** 2), 2, 10,
       expect=NOT_WRONG, truth=None),
    at("bisection to 1e-10", bisection, lambda x: 0.5 / np.sqrt(x), 2.0, expect=NOT_WRONG, truth=None),
    at("quadrature good to 1e-9", quadrature(41), erf_slope, 0.4, 1.1, expect=NOT_WRONG, truth=None),
    at("quadrature good to 1e-13", quadrature(401), erf_slope, 0.4, 1.1),
    at("x**2 sin(1/x) at 0", lambda x: np.where(x == 0, 0, x**2 * np.sin(1 / np.where(x == 0, 1, x))), zero, 0.0,
       expect=NOT_WRONG, truth=None),
]  # fmt: skip

ENDS = [
    at("log at 0", np.log, lambda x: 1 / x, 0.0, expect=UNSURE, truth=None),
    at("1/x at 0", lambda x: 1 / x, lambda x: -1 / x**2, 0.0, expect=UNSURE, truth=None),
    at("log of a negative number", np.log, lambda x: 1 / x, -1.0, expect=UNSURE, truth=None),
    at("nan in one place of three", np.sqrt, lambda x: 0.5 / np.sqrt(x), 1, -1, 4, expect=UNSURE, truth=None),
    at("overflow", np.exp, np.exp, 1000, expect=UNSURE, truth=None),
    at("sqrt at 0", np.sqrt, lambda x: 0.5 / np.sqrt(x), 0.0, expect=UNSURE, truth=None),
    at("sqrt at 0, 0 by convention", np.sqrt, zero, 0.0, expect=UNSURE, truth=None),
    at("sqrt at 1e-300", np.sqrt, lambda x: 0.5 / np.sqrt(x), 1e-300, expect=NOT_WRONG, truth=None),
    at("arcsin at 1", np.arcsin, lambda x: 1 / np.sqrt(1 - x * x), 1.0, expect=UNSURE, truth=None),
    at("cube root at 0", np.cbrt, lambda x: np.inf * one(x), 0.0, expect=UNSURE, truth=None),
    at("x sqrt x at 0: one side undefined", lambda x: x * np.sqrt(x), lambda x: 1.5 * np.sqrt(x), 0.0,
       expect=NOT_WRONG, truth=None),
    at("x log x at 0", lambda x: np.where(x > 0, x * np.log(x), 0), np.log, 0.0, expect=UNSURE, truth=None),
]  # fmt: skip

CASES = [*STEEP, *SCALES, *FLAT, *NOISY, *ENDS]


@over(CASES)
def test_is_not_called_wrong(case: Case) -> None:
    assert verdict(case.f, case.vjp, *case.point) in case.expected


@over([*STEEP, *SCALES, *FLAT, *NOISY])
def test_is_not_called_wrong_whatever_the_seed(case: Case) -> None:
    assert surprises(case) == {}


@over([case for case in CASES if case.truth])
def test_is_really_true(case: Case) -> None:
    assert distance(case) < 1e-7

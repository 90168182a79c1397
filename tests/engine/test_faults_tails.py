"""Faults found in other engines: rules whose numbers cancel where the derivative is small, or overflow where it is not.

Far from zero a slope such as 1 - tanh(x)**2 has no correct digit left, or is 0. Here values, reverse rules (on arrays,
and recorded) and forward rules are each compared with mpmath's true numbers, from 1e-30 to 1e25: that they agree with
one another is not enough. The allowed relative error is a few roundings times 1 + condition, because x itself is
rounded; results that are no normal numbers of the dtype are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import mpmath as mp
import numpy as np
import pytest

import engine
from engine import Tensor
from tests.engine.traps import Function

MAGNITUDES = [1e-30, 1e-8, 1e-3, 0.1, 0.3, 0.5, 0.75, 0.9, 0.999, 1, 1.5, 2, 3, 4, 5, 6, 8, 9, 10, 12, 15, 20, 30, 40]
MAGNITUDES += [60, 80, 100, 200, 300, 500, 700, 1e3, 1e5, 1e10, 1e15, 1e18, 1e25]
POINTS = sorted([*MAGNITUDES, *(-x for x in MAGNITUDES), 1 - 1e-7, 1e-7 - 1])
ROUNDINGS = 8.0
FIRST, SECOND = np.array([1.0, 0.0]), np.array([0.0, 1.0])


class Row(NamedTuple):
    """A function of one number, its true value and slope, where it is tried, and how many roundings it may lose."""

    name: str
    function: Function
    value: Callable[[Any], Any]
    slope: Callable[[Any], Any]
    domain: tuple[float, float] = (-math.inf, math.inf)
    roundings: float = ROUNDINGS


def sigmoid(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def sigmoid_slope(x: Any) -> Any:
    return sigmoid(x) * sigmoid(-x)


def surprise(x: Any) -> Any:
    """-log sigmoid(x)."""
    return mp.log1p(mp.exp(-x))


def normal(x: Any) -> Any:
    return mp.erfc(-x / mp.sqrt(2)) / 2


def normal_density(x: Any) -> Any:
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def inner(x: Any) -> Any:
    """What the tanh form of gelu puts into a sigmoid."""
    return 2 * mp.sqrt(2 / mp.pi) * (x + mp.mpf(0.044715) * x**3)


def tanh_gelu_slope(x: Any) -> Any:
    slope = 2 * mp.sqrt(2 / mp.pi) * (1 + 3 * mp.mpf(0.044715) * x * x)
    return sigmoid(inner(x)) + x * sigmoid_slope(inner(x)) * slope


def beside_zero(op: Function, weights: Any) -> Function:
    """The weighted sum of what an op makes of the pair (x, 0)."""
    return lambda x: (op(engine.stack([x, x * 0.0])) * weights.astype(x.dtype)).sum()


def entropy(label: int) -> Function:
    return lambda x: engine.cross_entropy(engine.stack([x, x * 0.0]), label)


GAUSS = 2 / mp.sqrt(mp.pi)
ROWS = [
    Row("sigmoid", engine.sigmoid, sigmoid, sigmoid_slope),
    Row("tanh", engine.tanh, mp.tanh, lambda x: mp.sech(x) ** 2),
    Row("softplus", engine.softplus, lambda x: surprise(-x), sigmoid),
    Row("silu", engine.silu, lambda x: x * sigmoid(x), lambda x: sigmoid(x) * (1 + x * sigmoid(-x))),
    Row("gelu", engine.gelu, lambda x: x * normal(x), lambda x: normal(x) + x * normal_density(x)),
    Row(
        "gelu, tanh",
        lambda x: engine.gelu(x, approximate="tanh"),
        lambda x: x * sigmoid(inner(x)),
        tanh_gelu_slope,
        roundings=20.0,  # near 5, where 1 - gate is still added to something
    ),
    Row("erf", engine.erf, mp.erf, lambda x: GAUSS * mp.exp(-x * x)),
    Row("erfc", engine.erfc, mp.erfc, lambda x: -GAUSS * mp.exp(-x * x)),
    Row("exp", engine.exp, mp.exp, mp.exp),
    Row("expm1", engine.expm1, mp.expm1, mp.exp),
    Row("log", engine.log, mp.log, lambda x: 1 / x, (0, math.inf)),
    Row("log1p", engine.log1p, mp.log1p, lambda x: 1 / (1 + x), (-1, math.inf)),
    Row("sqrt", engine.sqrt, mp.sqrt, lambda x: 1 / (2 * mp.sqrt(x)), (0, math.inf)),
    Row("square", engine.square, lambda x: x * x, lambda x: 2 * x),
    Row("cube", lambda x: x**3, lambda x: x**3, lambda x: 3 * x * x),
    Row("reciprocal", lambda x: 1 / x, lambda x: 1 / x, lambda x: -1 / x**2),
    Row("inverse square", lambda x: x**-2.0, lambda x: x**-2, lambda x: -2 * x**-3),
    Row("fourth root", lambda x: x**0.25, lambda x: mp.root(x, 4), lambda x: mp.root(x, 4) / 4 / x, (0, math.inf)),
    Row("2**x", lambda x: 2.0**x, lambda x: mp.mpf(2) ** x, lambda x: mp.log(2) * mp.mpf(2) ** x),
    Row("sinh", engine.sinh, mp.sinh, mp.cosh),
    Row("cosh", engine.cosh, mp.cosh, mp.sinh),
    Row("sin", engine.sin, mp.sin, mp.cos),
    Row("cos", engine.cos, mp.cos, lambda x: -mp.sin(x)),
    Row("tan", engine.tan, mp.tan, lambda x: mp.sec(x) ** 2),
    Row("asin", engine.asin, mp.asin, lambda x: 1 / mp.sqrt((1 - x) * (1 + x)), (-1, 1)),
    Row("acos", engine.acos, mp.acos, lambda x: -1 / mp.sqrt((1 - x) * (1 + x)), (-1, 1)),
    Row("atan", engine.atan, mp.atan, lambda x: 1 / (1 + x * x)),
    Row("atan2 in y", lambda y: engine.atan2(y, 1.0), mp.atan, lambda y: 1 / (1 + y * y)),
    Row("atan2 in x", lambda x: engine.atan2(1.0, x), lambda x: mp.atan2(1, x), lambda x: -1 / (1 + x * x)),
    Row("hypot", lambda x: engine.hypot(x, 1.0), lambda x: mp.hypot(x, 1), lambda x: x / mp.hypot(x, 1)),
    Row("softmax", beside_zero(engine.softmax, FIRST), sigmoid, sigmoid_slope),
    Row("softmax, other", beside_zero(engine.softmax, SECOND), lambda x: sigmoid(-x), lambda x: -sigmoid_slope(x)),
    Row("log_softmax", beside_zero(engine.log_softmax, FIRST), lambda x: -surprise(x), lambda x: sigmoid(-x)),
    Row("log_softmax, other", beside_zero(engine.log_softmax, SECOND), lambda x: -surprise(-x), lambda x: -sigmoid(x)),
    Row("logsumexp", lambda x: engine.logsumexp(engine.stack([x, x * 0.0])), lambda x: surprise(-x), sigmoid),
    Row("cross_entropy", entropy(0), surprise, lambda x: -sigmoid(-x)),
    Row("cross_entropy, other", entropy(1), lambda x: surprise(-x), sigmoid),
]


def found(row: Row, x: Any) -> Iterator[tuple[str, Callable[[Any], Any], float]]:
    """What the engine computes at x, and the true function it should be."""
    with np.errstate(all="ignore"):
        leaf = Tensor(x, requires_grad=True)
        out = row.function(leaf)
        yield "value", row.value, out.item()
        for kind, recorded in (("vjp", False), ("recorded vjp", True)):
            leaf.zero_grad()
            out.backward(retain_graph=True, create_graph=recorded)
            assert leaf.grad is not None
            yield kind, row.slope, float(leaf.grad.item())
        yield "jvp", row.slope, engine.jvp(row.function, Tensor(x), Tensor(np.ones_like(x)))[1].item()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_07_values_and_slopes_are_precise_in_the_tails(row: Row, dtype: Any) -> None:
    limits, compared = np.finfo(dtype), 0
    for point in POINTS:
        x = np.asarray(point, dtype)
        if not row.domain[0] < x.item() < row.domain[1]:
            continue
        for kind, truth, value in found(row, x):
            with mp.workdps(60):
                at = mp.mpf(x.item())
                try:
                    true = truth(at)
                except ZeroDivisionError:  # an exponential that mpmath itself cannot hold
                    continue
                if not 4 * limits.tiny < abs(true) < limits.max / 4:
                    continue
                condition = abs(at * mp.diff(truth, at, h=abs(at) * mp.mpf(10) ** -20) / true)
                error = abs((mp.mpf(value) - true) / true)
            allowed = row.roundings * limits.eps * (1 + condition)
            assert math.isfinite(value), f"{kind} at {point}: {value} for {mp.nstr(true, 9)}"
            assert error <= allowed, f"{kind} at {point}: {value} for {mp.nstr(true, 9)}, error {mp.nstr(error, 3)}"
            compared += 1
    assert compared > 50

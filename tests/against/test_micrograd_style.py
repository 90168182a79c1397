"""The engine as a scalar autodiff engine: a thin `Value`, and expressions whose gradients are derived by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor


class Value:
    """A number with `data`, `grad` and arithmetic, on a tensor without axes; every result keeps its gradient."""

    def __init__(self, data: Any) -> None:
        self.tensor = data if isinstance(data, Tensor) else Tensor(np.float64(data), requires_grad=True)
        self.tensor.retain_grad()

    @property
    def data(self) -> float:
        return float(self.tensor.item())

    @property
    def grad(self) -> float:
        return 0.0 if self.tensor.grad is None else float(self.tensor.grad.item())

    def backward(self) -> None:
        self.tensor.backward()

    def __add__(self, other: Any) -> Value:
        return Value(self.tensor + plain(other))

    def __sub__(self, other: Any) -> Value:
        return Value(self.tensor - plain(other))

    def __rsub__(self, other: Any) -> Value:
        return Value(plain(other) - self.tensor)

    def __mul__(self, other: Any) -> Value:
        return Value(self.tensor * plain(other))

    def __truediv__(self, other: Any) -> Value:
        return Value(self.tensor / plain(other))

    def __rtruediv__(self, other: Any) -> Value:
        return Value(plain(other) / self.tensor)

    def __pow__(self, power: float) -> Value:
        return Value(self.tensor**power)

    def __neg__(self) -> Value:
        return Value(-self.tensor)

    def relu(self) -> Value:
        return Value(self.tensor.relu())

    def tanh(self) -> Value:
        return Value(self.tensor.tanh())

    def exp(self) -> Value:
        return Value(self.tensor.exp())

    __radd__, __rmul__ = __add__, __mul__


def plain(other: Any) -> Any:
    """The tensor of a Value; a number as it is."""
    return other.tensor if isinstance(other, Value) else other


def horner(x: Value) -> Value:
    """2 x^3 - 3 x^2 + 5, from the inside out."""
    total = Value(2.0)
    for coefficient in (-3.0, 0.0, 5.0):
        total = total * x + coefficient
    return total


def grown(x: Value) -> Value:
    """x is added to what it made, again and again: (2^5 - 1) x^1 + x."""
    total = x
    for _ in range(5):
        total += total + 0 * x
    return total - x + x


EXP, TANH = math.exp, math.tanh
E = math.e

# name, expression, where, value, gradients: by hand
EXPRESSIONS: list[tuple[str, Callable[..., Value], tuple[float, ...], float, tuple[float, ...]]] = [
    ("itself", lambda x: x, (3.0,), 3.0, (1.0,)),
    ("x + x", lambda x: x + x, (3.0,), 6.0, (2.0,)),
    ("x * x", lambda x: x * x, (3.0,), 9.0, (6.0,)),
    ("x - x", lambda x: x - x, (3.0,), 0.0, (0.0,)),
    ("x / x", lambda x: x / x, (3.0,), 1.0, (0.0,)),
    ("numbers on either side", lambda x: 2 - 3 * x + 4 + x * 5 - 6 + x / 2, (3.0,), 7.5, (2.5,)),
    ("minus", lambda x: -(-x - 1), (3.0,), 4.0, (1.0,)),
    ("quotient", lambda x, y: x / y, (3.0, -2.0), -1.5, (-0.5, -0.75)),
    ("number over x", lambda x: 6 / x, (2.0,), 3.0, (-1.5,)),
    ("quotient of quotients", lambda x, y: (x / y) / (y / x), (3.0, 2.0), 2.25, (1.5, -2.25)),
    ("x**3", lambda x: x**3, (-2.0,), -8.0, (12.0,)),
    ("x**-1", lambda x: x**-1, (-2.0,), -0.5, (-0.25,)),
    ("x**-3", lambda x: x**-3, (-2.0,), -0.125, (-0.1875,)),
    ("x**0.5", lambda x: x**0.5, (4.0,), 2.0, (0.25,)),
    ("x**-0.5", lambda x: x**-0.5, (4.0,), 0.5, (-0.0625,)),
    ("x**0", lambda x: x**0, (-2.0,), 1.0, (0.0,)),
    ("x**1", lambda x: x**1, (0.0,), 0.0, (1.0,)),
    ("relu of more", lambda x: (x * 2).relu() * x, (3.0,), 18.0, (12.0,)),
    ("relu of less", lambda x: (x * 2).relu() * x, (-3.0,), 0.0, (0.0,)),
    ("relu at the kink", lambda x: x.relu() + x, (0.0,), 0.0, (1.0,)),
    ("relu of relu", lambda x, y: (x - y.relu()).relu(), (3.0, 1.0), 2.0, (1.0, -1.0)),
    ("exp", lambda x: x.exp() * x, (1.0,), E, (2 * E,)),
    ("exp of minus a square", lambda x: (-(x**2) / 2).exp(), (2.0,), EXP(-2), (-2 * EXP(-2),)),
    ("tanh", lambda x: x.tanh(), (0.5,), TANH(0.5), (1 - TANH(0.5) ** 2,)),
    ("tanh from exp", lambda x: ((2 * x).exp() - 1) / ((2 * x).exp() + 1), (0.5,), TANH(0.5), (1 - TANH(0.5) ** 2,)),
    ("sigmoid from exp", lambda x: 1 / (1 + (-x).exp()), (0.0,), 0.5, (0.25,)),
    ("diamond", lambda x, y: (x * y) * (x * y + x), (2.0, 3.0), 48.0, (48.0, 28.0)),
    ("three levels of sharing", lambda x: (x * x + x) * (x * x + x) - x * x, (2.0,), 32.0, (56.0,)),
    ("horner", horner, (2.0,), 9.0, (12.0,)),
    ("grown", grown, (3.0,), 96.0, (32.0,)),
]


@pytest.mark.parametrize(("f", "at", "value", "gradients"), [pytest.param(*row[1:], id=row[0]) for row in EXPRESSIONS])
def test_expression(f: Any, at: Any, value: float, gradients: Any) -> None:
    xs = [Value(x) for x in at]
    out = f(*xs)
    out.backward()
    assert out.data == pytest.approx(value, rel=1e-14, abs=1e-15)
    assert [x.grad for x in xs] == pytest.approx(list(gradients), rel=1e-14, abs=1e-15)


def test_a_long_mixed_expression() -> None:
    """L = t q + r with t = tanh(ab + c), q = (a - c) / b^2, r = relu(b) e^-c."""
    a, b, c = Value(0.4), Value(-1.5), Value(0.3)
    t = (a * b + c).tanh()
    q = (a - c) / b**2
    r = b.relu() * (-c).exp() + (-b).relu() ** -2
    loss = t * q + r
    loss.backward()
    x, y, z = 0.4, -1.5, 0.3
    tanh, quotient = TANH(x * y + z), (x - z) / y**2
    slope = (1 - tanh**2) * quotient
    assert loss.data == pytest.approx(tanh * quotient + 1 / y**2, rel=1e-14)
    assert (t.grad, q.grad, r.grad, loss.grad) == pytest.approx((quotient, tanh, 1.0, 1.0), rel=1e-14)
    assert a.grad == pytest.approx(slope * y + tanh / y**2, rel=1e-13)
    assert b.grad == pytest.approx(slope * x - 2 * tanh * quotient / y - 2 / y**3, rel=1e-13)
    assert c.grad == pytest.approx(slope - tanh / y**2, rel=1e-13)


def test_a_neuron() -> None:
    inputs, weights, bias = [Value(2.0), Value(-1.0)], [Value(-0.5), Value(0.25)], Value(1.5)
    total = sum((w * x for w, x in zip(weights, inputs, strict=True)), bias)
    out = total.tanh()
    out.backward()
    slope = 1 - TANH(0.25) ** 2
    assert total.grad == pytest.approx(slope, rel=1e-14)
    assert [w.grad for w in weights] == pytest.approx([2 * slope, -slope], rel=1e-14)
    assert [x.grad for x in inputs] == pytest.approx([-0.5 * slope, 0.25 * slope], rel=1e-14)
    assert bias.grad == pytest.approx(slope, rel=1e-14)


def test_gradients_of_several_graphs_add_up() -> None:
    x = Value(3.0)
    (x * x).backward()
    (2 * x).backward()
    assert x.grad == 8.0


def test_a_constant_in_between_takes_no_part() -> None:
    x, unused = Value(3.0), Value(1.0)
    (x * Value(2.0).data).backward()
    assert (x.grad, unused.grad) == (2.0, 0.0)


def test_a_chain_longer_than_pythons_stack() -> None:
    x = Value(1.0)
    y = x
    for _ in range(20_000):
        y = y + 1
    (y * y).backward()
    assert x.grad == 2 * 20_001.0


def test_descent_finds_a_line() -> None:
    """Points of y = 2x - 1; each step goes against the gradient of the mean square error."""
    slope, offset = Value(0.0), Value(0.0)
    for _ in range(300):
        loss = sum(((slope * x + offset - (2 * x - 1)) ** 2 for x in (-1.0, 0.0, 2.0)), Value(0.0)) / 3
        loss.backward()
        for parameter in (slope, offset):
            parameter.tensor.assign(parameter.data - 0.2 * parameter.grad)
            parameter.tensor.zero_grad()
    assert (slope.data, offset.data) == pytest.approx((2.0, -1.0), abs=1e-9)


def test_float32_stays_float32() -> None:
    x = Tensor(np.float32(2), requires_grad=True)
    out = (1 / x + x**-2 - engine.exp(-x)) * 3.0
    out.backward()
    assert x.grad is not None
    assert out.dtype == x.grad.dtype == np.float32

"""Primitives: what a rule may ask for, and that a user's own op is a first-class one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor
from engine.declare import primitive
from engine.examples import REAL, elementwise
from engine.primitive import Primitive, registry
from engine.shortcuts import Binary, Quick
from engine.testing import GradientError, check_op, gradcheck
from engine.testing.claims import Case
from engine.testing.laws.calls import shortcut_is_the_general_call


def cube(x: Any) -> Any:
    """x * x * x."""
    return x * x * x


def test_a_user_can_define_an_op_and_every_law_checks_it() -> None:
    right = Primitive(
        cube, vjp=(lambda g, x: g * 3 * x * x,), jvp=(lambda t, x: t * 3 * x * x,), examples=elementwise(REAL)
    )
    check_op(right)
    x = Tensor([2.0], requires_grad=True)
    right(x).sum().backward()
    assert x.grad is not None
    assert x.grad.numpy() == [12.0]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda g, x: g * 2 * x * x,  # a wrong factor
        lambda g, x: -g * 3 * x * x,  # a wrong sign
        lambda g, x: g * 3.003 * x * x,  # off by a thousandth
        lambda g, x: 3 * x * x,  # forgets g
        lambda g, x: g * 0.0,  # nothing
    ],
)
def test_a_wrong_rule_is_found(wrong: Any) -> None:
    broken = Primitive(cube, vjp=(wrong,), jvp=(lambda t, x: t * 3 * x * x,), examples=elementwise(REAL))
    with pytest.raises(GradientError, match="cube"):
        check_op(broken)


def test_a_wrong_jvp_is_found_although_the_vjp_is_right() -> None:
    broken = Primitive(
        cube, vjp=(lambda g, x: g * 3 * x * x,), jvp=(lambda t, x: t * x * x,), examples=elementwise(REAL)
    )
    with pytest.raises(GradientError, match="jvp"):
        check_op(broken)


def test_a_rule_that_asks_for_an_unknown_name_fails_at_once() -> None:
    with pytest.raises(TypeError, match=r"cube: a rule asks for 'y'.*'x'"):
        Primitive(cube, vjp=(lambda g, y: g,), jvp=(lambda t: t,), examples=elementwise(REAL))


def test_a_name_can_be_taken_once_only() -> None:
    with pytest.raises(ValueError, match="'exp' exists already"):

        @primitive(vjp=(lambda g: g,), jvp=(lambda t: t,), examples=elementwise(REAL))
        def exp(x: Any) -> Any:
            return x

    assert registry["exp"] is engine.ops.exp


def test_arguments_bind_by_position_and_by_name() -> None:
    x = Tensor(np.ones((2, 3)))
    assert engine.reshape(x, (3, 2)).shape == (3, 2)
    assert engine.layer_norm(x, bias=Tensor(np.ones(3))).shape == (2, 3)
    with pytest.raises(TypeError, match="layer_norm: no argument named"):
        engine.layer_norm(x, bia=1)
    with pytest.raises(TypeError, match="linear: missing argument 'weight'"):
        engine.linear(x)


def test_a_rule_that_sends_a_wrong_shape_is_refused() -> None:
    broken = Primitive(cube, vjp=(lambda g: g.sum(),), jvp=(lambda t: t,), examples=elementwise(REAL))
    with pytest.raises(RuntimeError, match=r"cube: its vjp rule failed: it sent shape \(\)"):
        broken(Tensor([1.0, 2.0], requires_grad=True)).backward([1.0, 1.0])


def test_a_rule_of_any_number_of_arrays_may_read_them_all_also_when_recorded() -> None:
    def product(*xs: Any) -> Any:
        return math.prod(xs)

    def others(g: Any, xs: Any, *, position: int) -> Any:
        return g * math.prod([x for k, x in enumerate(xs) if k != position])

    gradcheck(Primitive(product, vjp=(others,), jvp=(others,)), 2.0, 3.0, 5.0, order=2)


@pytest.mark.parametrize("wrong", ["value", "kind of result"])
def test_a_quick_call_that_gives_something_else_is_found(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case, right = Case(engine.linear, [np.ones((1, 2)), np.ones((3, 2)), None], {}, 0), Quick.__call__

    def call(op: Any, *arguments: Any) -> Any:
        result = right(op, *arguments)
        if not isinstance(result, Tensor) or result.requires_grad:
            return result
        return Tensor(2 * result.numpy()) if wrong == "value" else result.numpy()

    monkeypatch.setattr(Quick, "__call__", call)
    with pytest.raises(GradientError, match=f"linear: called with .* the shortcut gives another.*{wrong}"):
        shortcut_is_the_general_call(case)


@pytest.mark.parametrize("forgotten", ["scope", "saved", "dtype"])
def test_a_shortcut_that_forgets_something_is_found(forgotten: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case, right = Case(engine.multiply, [np.array([2.0]), np.array([3.0])], {}, 0), Binary.short

    def call(op: Any, *arguments: Any) -> Any:
        result = right(op, *arguments)
        if isinstance(result, Tensor) and result.node is not None:
            setattr(result.node, forgotten, {"scope": (), "saved": (), "dtype": np.dtype(np.float16)}[forgotten])
        return result

    monkeypatch.setattr(Binary, "short", call)
    with pytest.raises(GradientError, match=f"multiply: called with .* the shortcut gives another.*{forgotten}"):
        shortcut_is_the_general_call(case)

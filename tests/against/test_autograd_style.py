"""Functions as people write them, differentiated twice in every mix of modes: see `gradcheck`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor, grad
from engine.primitive import Primitive
from engine.testing import GradientError, gradcheck

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    """Numbers become float64: central differences see more than float32 can say."""
    engine.set_default_dtype(np.float64)
    yield
    engine.set_default_dtype(np.float32)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


def positive(*shape: int) -> Any:
    return RNG.uniform(0.5, 2, size=shape)


def shared_intermediate(x: Any) -> Any:
    """The cotangent of `a` is added up from four places, one of them an element."""
    a = x * x + 1.0
    b = a[0] + engine.sin(a)
    return a * b + a + b


def newton(x: Any) -> Any:
    """The square root, by a loop."""
    root = x * 0.5 + 0.5
    for _ in range(5):
        root = 0.5 * (root + x / root)
    return root


def branching(x: Any) -> Any:
    """Python decides, on values."""
    return sum(engine.exp(part) if part > 0 else part**3 for part in x)


def recurrent(weights: Any, inputs: Any) -> Any:
    """A small recurrent network: the same weights at every step."""
    state = engine.zeros_like(weights["bias"])
    for x in inputs:
        state = engine.tanh(weights["state"] @ state + weights["input"] @ x + weights["bias"])
    return {"state": state, "size": engine.norm(state)}


def attention(x: Any) -> Any:
    """Every position looks at those before it."""
    return engine.scaled_dot_product_attention(x, 2.0 * x, engine.sin(x), causal=True)


def sorted_weights(x: Any) -> Any:
    """Sorting moves cotangents; the other use of x does not."""
    return engine.sort(x) * np.arange(x.size) + x * engine.take_along_axis(x, engine.argsort(x), axis=0)


def parts(x: Any) -> Any:
    """Taken apart and joined in another order."""
    left, middle, right = engine.split(x, [1, 3], axis=1)
    return engine.concat([right * left, middle, engine.stack([left[:, 0], right[:, 0]], axis=1)], axis=1)


def gap(*values: float) -> Any:
    return np.array(values)


FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "identity": (lambda x: x, normal(3)),
    "constant": (lambda x: Tensor(np.ones(2)), normal(3)),
    "an argument unused": (lambda x, y: y * y, normal(3), normal(2)),
    "linear": (lambda x: 3.0 * x - x, normal(3)),
    "fan-out": (lambda x: engine.sin(engine.sin(x) + engine.sin(x)), normal()),
    "shared intermediate": (shared_intermediate, normal(4)),
    "closure of an inner grad": (lambda x: x * grad(lambda y: x * y * y)(2.0), 1.5),
    "no perturbation confusion": (lambda x: x * grad(lambda y: x * y)(x), 5.0),
    "third derivative": (grad(grad(grad(lambda x: engine.tanh(x) * x**3))), 0.7),
    "grad in the other argument": (grad(lambda x, y: engine.sin(engine.sin(x) + engine.sin(y)), 1), 0.3, -0.4),
    "inner jvp": (lambda x: engine.jvp(lambda y: engine.exp(x * y), x * x, x + 0.0)[1], normal(3)),
    "inner vjp": (lambda x: engine.vjp(lambda y: engine.sin(y) * x, x * x)[1](x)[0], normal(3)),
    "inner hvp": (lambda x: engine.hvp(lambda y: (y**3 * x).sum(), x * 2.0, engine.cos(x)), normal(3)),
    "inner jacobian": (lambda x: (engine.jacobian(lambda y: engine.tanh(y) * y[0] * x)(x) ** 2).sum(), normal(2)),
    "inner hessian": (lambda x: engine.hessian(lambda y: (y * y * x).sum() * y[0])(x) @ x, normal(2)),
    "dict": (lambda p: p["weight"] @ p["x"] + p["bias"], {"weight": normal(2, 3), "x": normal(3), "bias": normal(2)}),
    "lists in tuples": (lambda xs: {"a": xs[0] * xs[1][0], "b": [xs[1][1] ** 2]}, (normal(2), [normal(2), normal()])),
    "broadcasting": (lambda x, y, z: (x + y) * z / (1.0 + y * y), normal(2, 1), normal(3), normal()),
    "empty": (lambda x, y: x * y + x.sum(), normal(0, 2), normal(2)),
    "kept axis": (lambda x: x / x.sum(axis=1, keepdims=True), positive(2, 3)),
    "repeated index": (lambda x: x[np.array([0, 0, 2])] * x[1], normal(3)),
    "mask": (lambda x: x[x > 0] ** 2, normal(3, 4)),
    "slices": (lambda x: x[::-2, None, 1:] * x[0, 0], normal(3, 3)),
    "parts": (parts, normal(2, 4)),
    "einsum": (lambda x, y, z: engine.einsum("ij,jk,ki->i", x, y, z), normal(2, 3), normal(3, 2), normal(2, 2)),
    "diagonal": (lambda x: engine.einsum("ii->i", x) * engine.einsum("ij->j", x), normal(3, 3)),
    "matrices and vectors": (lambda x, y: (x @ y) @ (y @ x.T @ x), normal(3, 3), normal(3)),
    "where": (lambda x: engine.where(x.numpy() > 0, engine.sqrt(engine.abs(x)), x * x), gap(-2.0, -1.0, 0.5, 3.0)),
    "maximum and clip": (lambda x: engine.maximum(x, 1.0) * engine.clip(x, -1.0, 2.0), gap(-2.0, 0.0, 1.5, 3.0)),
    "extremes": (lambda x: x.max(axis=0) * x.min() + x.max(), normal(3, 2)),
    "sort": (sorted_weights, gap(2.0, -1.0, 0.0, 3.5)),
    "prod with a zero": (lambda x: engine.prod(x, axis=0) * x[1], np.array([[1.0, 0.0, 2.0], [3.0, 0.5, 1.0]])),
    "cumprod with zeros": (lambda x: engine.cumprod(x, axis=0) * x, gap(2.0, 0.0, 3.0, 0.0, 1.5)),
    "cumsum": (lambda x: engine.cumsum(x * x, axis=-1), normal(2, 3)),
    "logsumexp": (lambda x: engine.logsumexp(x * x, axis=(0, 1)) - engine.logsumexp(x, axis=0), normal(2, 3)),
    "spread": (lambda x: x.std(0) * x.var() / x.norm(1), normal(3, 3)),
    "powers": (lambda x, y: x**y + 2.0**y + x**-2, positive(3), normal(3)),
    "norms": (lambda x, w: engine.layer_norm(x, w, x[0]) + engine.rms_norm(x, w), normal(2, 4), normal(4)),
    "cross entropy": (lambda x: engine.cross_entropy(x * x, np.array([0, 2])) * engine.softmax(x), normal(2, 3)),
    "attention": (attention, normal(3, 2)),
    "newton": (newton, positive(3)),
    "branching": (branching, gap(-1.0, 2.0, 0.5)),
    "recurrent": (recurrent, {"state": normal(2, 2), "input": normal(2, 3), "bias": normal(2)}, normal(3, 3)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_are_right_to_the_second_order(name: str) -> None:
    f, *args = FUNCTIONS[name]
    gradcheck(f, *args, order=2)


def test_checkpoint() -> None:
    gradcheck(lambda x, y: engine.checkpoint(lambda x: engine.tanh(x) * y)(x) * x, normal(3), normal(3), order=2)


def test_checkpoint_of_an_argument_and_what_was_made_of_it() -> None:
    gradcheck(lambda x: engine.checkpoint(lambda x, y: engine.tanh(y) * x)(x, x * x), normal(3), order=2)


def test_a_hook_on_the_argument_of_a_checkpoint_runs_once() -> None:
    seen: list[float] = []
    x = Tensor(np.array(3.0), requires_grad=True)
    x.register_hook(lambda g: seen.append(g.item()))
    engine.checkpoint(lambda x: x * x)(x).backward()
    assert seen == [6.0]


@pytest.mark.parametrize("modes", [("forward",), ("reverse",), ("forward", "reverse")], ids="+".join)
def test_third_order(modes: tuple[str, ...]) -> None:
    gradcheck(lambda x, y: engine.sin(x * y) * engine.softmax(x), normal(3), normal(), order=3, modes=modes)


# ---- the checker itself --------------------------------------------------------------------------------------------


def double_of(x: Any) -> Any:
    """x twice."""
    return 2.0 * x


def square(x: Any) -> Any:
    """x times x."""
    return x * x


def op(function: Any, vjp: Any, jvp: Any) -> Primitive:
    """An op with rules that may be wrong; it is not registered."""
    return Primitive(function, vjp=(vjp,), jvp=(jvp,))


def test_right_rules_pass() -> None:
    gradcheck(op(double_of, lambda g: 2.0 * g, lambda t: 2.0 * t), normal(3), order=2)
    gradcheck(op(square, lambda g, x: g * double_of(x), lambda t, x: t * double_of(x)), normal(3), order=2)


@pytest.mark.parametrize(("vjp", "jvp", "message"), [(2.001, 2.0, "the vjp rule"), (2.0, 1.999, "the jvp rule")])
def test_a_wrong_rule_is_found(vjp: float, jvp: float, message: str) -> None:
    with pytest.raises(GradientError, match=message):
        gradcheck(op(double_of, lambda g: vjp * g, lambda t: jvp * t), normal(3), order=2)


def test_a_wrong_rule_inside_a_right_one_is_found_at_the_second_order() -> None:
    almost = op(double_of, lambda g: 2.002 * g, lambda t: 2.002 * t)  # its value, the slope of a square, is right
    squared = op(square, lambda g, x: g * almost(x), lambda t, x: t * almost(x))
    gradcheck(squared, normal(3), order=1)
    with pytest.raises(GradientError, match=r"^(forward|reverse) derivative of square: the (vjp|jvp) rule"):
        gradcheck(squared, normal(3), order=2)

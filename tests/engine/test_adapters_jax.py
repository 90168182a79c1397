"""check_jax: right backward passes agree under float64, planted mistakes are found and named."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import numpy as np
import pytest

from engine.testing import GradientError, Inconclusive, check_jax

jax: Any = pytest.importorskip("jax", reason="JAX is not installed; `make compare` installs it")
jnp = jax.numpy
RNG = np.random.default_rng(0)
X, W = RNG.normal(size=(2, 3)), RNG.normal(size=(3, 2))
PARAMS = {"layers": [{"w": W, "b": jnp.ones(2)}, {"w": RNG.normal(size=(2, 2)), "b": np.zeros(2)}]}


def with_rule(f: Any, backward: Any) -> Any:
    """A function of p and x with a backward pass of its own."""

    def linear(p: Any, x: Any) -> Any:
        return f(p, x)

    ruled = jax.custom_vjp(linear)
    ruled.defvjp(lambda p, x: (f(p, x), (p, x)), lambda kept, g: backward(g, *kept))
    return ruled


def times(p: Any, x: Any) -> Any:
    return x @ p["w"] + p["b"]


def times_vjp(g: Any, p: Any, x: Any) -> Any:
    return {"w": x.T @ g, "b": g.sum(0)}, g @ p["w"].T


def network(params: Any, x: Any, act: str, axis: int) -> Any:
    for layer in params["layers"]:
        x = getattr(jnp, act)(x @ layer["w"] + layer["b"])
    return {"y": jax.nn.softmax(x, axis), "place": jnp.argmax(x), "axis": axis}


def recurrent(w: Any, xs: Any) -> Any:
    return jax.lax.scan(lambda h, x: (jnp.tanh(h @ w + x), h), jnp.zeros(2), xs)


def branching(x: Any) -> Any:
    return 2 * x if x[0, 0] > 0 else 3 * x


@pytest.mark.parametrize(
    ("f", "arrays"),
    [
        pytest.param(jax.nn.gelu, (X,), id="gelu"),
        pytest.param(jax.nn.softmax, (X.astype(np.float32),), id="float32"),
        pytest.param(with_rule(times, times_vjp), ({"w": W, "b": np.ones(2)}, X), id="custom_vjp"),
        pytest.param(jax.jit(with_rule(times, times_vjp)), ({"w": W, "b": np.ones(2)}, X), id="jit"),
        pytest.param(network, (PARAMS, X, "tanh", 1), id="settings"),
        pytest.param(jax.jit(network, static_argnums=(2, 3)), (PARAMS, X, "tanh", 1), id="static"),
        pytest.param(recurrent, (W[:2], RNG.normal(size=(3, 2))), id="scan"),
        pytest.param(branching, (X,), id="a condition on values"),
        pytest.param(lambda k, x: x * jax.random.uniform(k, x.shape), (jax.random.key(0), X), id="key"),
        pytest.param(lambda x, ids: x[ids], (X, np.array([1, 0, 1])), id="ids"),
        pytest.param(lambda xs: xs[0] * xs[1], ([0.5, 2.0],), id="numbers"),
        pytest.param(lambda x: 2 * x, (jnp.ones(3, jnp.bfloat16),), id="bfloat16"),
        pytest.param(partial(lambda a, x: a * x * x, 2.0), (X,), id="partial"),
        pytest.param(jax.jit(lambda x: 2 * x, donate_argnums=0), (X,), id="donated"),
    ],
)
def test_right_functions_agree_in_float64_and_leave_the_configuration(f: Any, arrays: tuple[Any, ...]) -> None:
    before = jax.config.jax_enable_x64
    report = check_jax(f, *arrays)
    assert report.worst < 1e-9
    assert not report.remarks  # such as that f computes in float32
    assert jax.config.jax_enable_x64 is before


def doubled(g: Any, p: Any, x: Any) -> Any:
    of_p, of_x = times_vjp(g, p, x)
    return {**of_p, "w": -of_p["w"]}, of_x


def almost(g: Any, p: Any, x: Any) -> Any:
    of_p, of_x = times_vjp(g, p, x)
    return of_p, 1.00001 * of_x


def transposed(g: Any, p: Any, x: Any) -> Any:
    return times_vjp(g, p, x)[0], g @ p["w"]


def ones_for_g(g: Any, p: Any, x: Any) -> Any:
    return {**times_vjp(g, p, x)[0], "b": jnp.full(2, float(x.shape[0]))}, g @ p["w"].T


def unsummed(g: Any, p: Any, x: Any) -> Any:
    return {**times_vjp(g, p, x)[0], "b": g}, g @ p["w"].T


@pytest.mark.parametrize(
    ("backward", "report"),
    [
        pytest.param(unsummed, r"linear: Custom VJP bwd rule must.*the shapes do not match", id="a sum is missing"),
        pytest.param(
            doubled, r"linear: the vjp rule of p\['w'\] .*at       p\['w'\]\[\d, \d\].*ratio    -1", id="sign"
        ),
        pytest.param(almost, r"the vjp rule of x .*ratio    1.00001", id="a hundred-thousandth"),
        pytest.param(transposed, r"the vjp rule of x .*at       x\[\d, \d\]", id="transposed"),
        pytest.param(ones_for_g, r"the vjp rule of p\['b'\]|linear in g", id="ignores g"),
    ],
)
@pytest.mark.parametrize("jit", [False, True], ids=["", "jit"])
def test_wrong_rules_are_found(backward: Any, report: str, jit: bool) -> None:
    f = with_rule(times, backward)
    with pytest.raises(GradientError) as caught:
        check_jax(jax.jit(f) if jit else f, {"w": W[:2], "b": np.ones(2)}, X[:, :2])
    assert not isinstance(caught.value, Inconclusive)
    assert re.search(report, str(caught.value), re.DOTALL)
    assert "check_jax(linear, {'b'" in caught.value.snippet or "check_jax(linear, {'w'" in caught.value.snippet


def test_float32_compares_the_narrow_rule_as_well() -> None:
    def only_in_float32(g: Any, p: Any, x: Any) -> Any:
        of_p, of_x = times_vjp(g, p, x)
        return of_p, of_x * (1.01 if g.dtype == jnp.float32 else 1.0)

    args = {"w": W, "b": np.ones(2)}, X
    check_jax(with_rule(times, times_vjp), *args, dtype=jnp.float32)
    check_jax(with_rule(times, only_in_float32), *args)
    with pytest.raises(GradientError, match="narrow = wide"):
        check_jax(with_rule(times, only_in_float32), *args, dtype="float32")


def test_a_surrogate_is_a_jax_function_or_one_of_the_point() -> None:
    stop = jax.lax.stop_gradient
    check_jax(lambda x: x + stop(jnp.round(x) - x), X, surrogate=lambda x: x)
    check_jax(lambda x: x * stop(x), X, surrogate=lambda at: lambda x: x * at)
    with pytest.raises(GradientError, match=r"ratio    0\.5"):
        check_jax(lambda x: x * stop(x), X)


def test_other_verdicts() -> None:
    kink = np.array([0.0, 1.0])
    with pytest.raises(Inconclusive, match=r"x\[0\].*is at a kink"):
        check_jax(jax.nn.relu, kink)
    check_jax(jax.nn.relu, kink, subgradient=True)
    with pytest.raises(Inconclusive, match="two calls with the same arguments differ; fix its randomness"):
        check_jax(lambda x: x * np.random.rand(), X)


@pytest.mark.parametrize(
    ("f", "argument", "options", "message"),
    [
        (jnp.sin, X + 1j, {}, "x is complex"),
        (lambda x: x * 1j, X, {}, "returns complex numbers"),
        (jnp.argmax, X, {}, "returns no floating array"),
        (jnp.sin, 3, {}, "none of the arguments of sin is a floating array"),
        (jnp.sin, X, {"dtype": "int32"}, "dtype is float64, float32 or float16, not 'int32'"),
        (jnp.sin, X, {"dtype": jnp.bfloat16}, "dtype is float64, float32 or float16"),
    ],
)
def test_mistakes_of_use_are_one_line(f: Any, argument: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message) as caught:
        check_jax(f, argument, **options)
    assert "\n" not in str(caught.value)

"""Functions in JAX, each with arguments: what `viz.trace` has to give the gradients of.

`jax.grad` takes all arguments at the places `argnums`; the arrays of floats in them are the leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="JAX is not installed; `make compare` installs it")
jnp, lax = jax.numpy, jax.lax
RNG = np.random.default_rng(0)


class Model(NamedTuple):
    """A loss function and its arguments, those with a gradient first."""

    name: str
    loss: Any
    arguments: tuple[Any, ...]
    argnums: tuple[int, ...] = (0,)


def floats(*shape: int) -> Any:
    """Standard normal values."""
    return RNG.normal(size=shape)


# ---- networks --------------------------------------------------------------------------------------------------------


def perceptron(params: Any, x: Any, y: Any) -> Any:
    for layer in params["layers"]:
        x = jnp.tanh(x @ layer["w"] + layer["b"])
    return jnp.mean((x - y) ** 2)


def transformer(params: Any, ids: Any) -> Any:
    """Two blocks with equal weights, and the table of the embedding as output layer."""
    x = params["table"][ids] + params["places"]
    for number in range(2):
        with jax.named_scope(f"block.{number}"):
            with jax.named_scope("attention"):
                query, key, value = jnp.split(x @ params["qkv"], 3, axis=-1)
                x = x + jax.vmap(attention)(query, key, value)
            with jax.named_scope("mlp"):
                x = x + jax.nn.silu(x @ params["in"]) @ params["out"]
    logits = jax.nn.log_softmax(x @ params["table"].T)
    return -jnp.mean(jnp.take_along_axis(logits, ids[..., None], -1))


def attention(query: Any, key: Any, value: Any) -> Any:
    scores = query @ key.T / np.sqrt(query.shape[-1]).astype(query.dtype)
    return jax.nn.softmax(jnp.where(jnp.tril(jnp.ones(scores.shape, bool)), scores, -jnp.inf)) @ value


def recurrent(params: Any, xs: Any) -> Any:
    def cell(h: Any, x: Any) -> Any:
        h = jnp.tanh(h @ params["u"] + x @ params["w"] + params["b"])
        return h, h

    h, every = lax.scan(cell, jnp.zeros_like(params["b"]), xs)
    return jnp.sum(h**2) + jnp.sum(every)


def convolution(params: Any, x: Any) -> Any:
    h = jax.nn.relu(lax.conv_general_dilated(x, params["kernel"], (1, 1), "SAME"))
    return jnp.mean(lax.reduce_window(h, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID"))


# ---- rules of one's own ----------------------------------------------------------------------------------------------


def sevenfold(x: Any) -> Any:
    return jnp.sin(x)


ruled = jax.custom_vjp(sevenfold)
ruled.defvjp(lambda x: (jnp.sin(x), None), lambda _, g: (7 * g,))


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def both(x: Any, number: Any, factor: int) -> Any:
    return x * number, factor + x


both.defvjp(
    lambda x, number, factor: (both(x, number, factor), number),
    lambda factor, number, g: (5 * g[0] + g[1], np.zeros(number.shape, jax.dtypes.float0)),
)


product = jax.custom_jvp(lambda x, y: x * y)
product.defjvp(lambda primals, tangents: (primals[0] * primals[1], tangents[0] * 3 + tangents[1] * primals[0]))


# ---- trees -----------------------------------------------------------------------------------------------------------


class Pair(NamedTuple):
    w: Any
    more: Any


@jax.tree_util.register_dataclass
@dataclass
class Layer:
    weight: Any
    scale: Any


def of_trees(pair: Pair, layer: Layer) -> Any:
    return jnp.sum(pair.w * pair.more[0]["z"] * layer.weight * layer.scale)


def reversed_scan(x: Any, xs: Any) -> Any:
    final, (doubled, same) = lax.scan(lambda h, x: (jnp.tanh(h + x), (h * 2, x)), x, xs, reverse=True)
    return jnp.sum(final) + jnp.sum(doubled * jnp.arange(3)[:, None]) + jnp.sum(same**2)


def nested_scan(x: Any, xs: Any) -> Any:
    def outer(h: Any, row: Any) -> Any:
        return lax.scan(lambda h, element: (jnp.sin(h * element + x), None), h, row)[0], None

    return jnp.sum(lax.scan(outer, x, xs)[0])


def while_aside(x: Any) -> Any:
    bound = lax.while_loop(lambda n: n < 10, lambda n: n * 2, jnp.sum(x**2) + 1)
    return jnp.sum(x) * lax.stop_gradient(bound)


def dropout(x: Any, key: Any) -> Any:
    def layer(h: Any, key: Any) -> Any:
        return jnp.where(jax.random.bernoulli(key, 0.5, h.shape), h * 2, 0.0), None

    return jnp.sum(lax.scan(layer, x, jax.random.split(key, 2))[0])


LAYERS = {"layers": [{"w": floats(4, 8), "b": floats(8)}, {"w": floats(8, 2), "b": floats(2)}]}
TRANSFORMER = {"table": floats(5, 4), "places": floats(3, 4), "qkv": floats(4, 12), "in": floats(4, 6)}
TRANSFORMER["out"] = floats(6, 4)
CELL = {"u": floats(3, 3), "w": floats(2, 3), "b": floats(3)}
IDS = np.array([[1, 2, 3], [0, 0, 4]])
W = floats(3)

MODELS = [
    Model("perceptron", perceptron, (LAYERS, floats(5, 4), floats(5, 2)), (0, 1, 2)),
    Model("jit", jax.jit(perceptron), (LAYERS, floats(5, 4), floats(5, 2)), (0, 1, 2)),
    Model("transformer", transformer, (TRANSFORMER, IDS)),
    Model("recurrent", recurrent, (CELL, floats(4, 2)), (0, 1)),
    Model("recurrent-long", recurrent, (CELL, floats(200, 2)), (0, 1)),
    Model("convolution", convolution, ({"kernel": floats(2, 1, 3, 3)}, floats(2, 1, 4, 4)), (0, 1)),
    Model("scan-reversed", reversed_scan, (W, floats(3, 3)), (0, 1)),
    Model("scan-nested", nested_scan, (W, floats(2, 3)), (0, 1)),
    Model(
        "scan-over-layers",
        lambda ws, x: jnp.sum(lax.scan(lambda h, w: (h @ w, None), x, ws)[0]),
        (floats(3, 2, 2), W[:2]),
        (0, 1),
    ),
    Model("fori", lambda x: jnp.sum(lax.fori_loop(0, 3, lambda i, h: jnp.sin(h) * i + x, x)), (W,)),
    Model("map", lambda x: jnp.sum(lax.map(lambda row: jnp.sin(row) @ row, x)), (floats(3, 2),)),
    Model("custom-vjp", lambda x: jnp.sum(ruled(x) ** 2), (W,)),
    Model("custom-vjp-integers", lambda x, n: sum(map(jnp.sum, both(x, n, 2))), (W, np.arange(3))),
    Model("custom-jvp", lambda x, y: jnp.sum(product(x, y)), (W, floats(3)), (0, 1)),
    Model("cond", lambda x: jnp.sum(lax.cond(x.sum() > 0, jnp.sin, jnp.cos, x)), (W,)),
    Model("switch", lambda x, n: jnp.sum(lax.switch(n, [jnp.sin, jnp.cos, jnp.tanh], x)), (W, 2)),
    Model("while-aside", while_aside, (W,)),
    Model("checkpoint", lambda x: jnp.sum(jax.checkpoint(lambda x: jnp.sin(jnp.sin(x)))(x)), (W,)),
    Model("twice", lambda x: jnp.sum(x * x + x @ x), (W,)),
    Model("tied", lambda p: jnp.sum(p["a"] * p["b"] ** 2), ({"a": W, "b": W},)),
    Model("trees", of_trees, (Pair(W, [{"z": floats(3)}]), Layer(floats(3), 5)), (0,)),
    Model("weak-type", lambda x, scale: jnp.sum(x * scale), (W, 0.5), (0, 1)),
    Model("gradient-inside", lambda x: jnp.sum(jax.grad(lambda y: jnp.sum(jnp.sin(y) ** 2))(x) ** 2), (W,)),
    Model("solve", lambda a, b: jnp.sum(jnp.linalg.solve(a, b) ** 2), (floats(3, 3) + 4 * np.eye(3), W), (0, 1)),
    Model(
        "several-outputs",
        lambda a: jnp.sum(jnp.linalg.eigh(a + a.T)[0] ** 3) + jnp.sum(jnp.sort(a)[0]),
        (floats(3, 3),),
    ),
    Model("complex-inside", lambda x: jnp.sum(jnp.abs(jnp.fft.fft(x)) ** 2), (floats(4),)),
    Model("dropout", dropout, (floats(4), jax.random.key(0))),
    Model("settings", lambda x, n, how: jnp.sum(x[:n]) if how == "sum" else 0.0, (W, 2, "sum")),
    Model("any-number", lambda *xs: sum(jnp.sum(x**2) for x in xs), (W, floats(2)), (0, 1)),
    Model("partial", partial(lambda x, y: jnp.sum(x * y), floats(3)), (W,)),
    Model("empty", lambda x: jnp.sum(x * 2), (floats(0, 3),)),
    Model("a-leaf", lambda x: x, (0.5,)),
    Model("a-view", lambda x: jnp.sum(x).reshape(1).squeeze(), (W,)),
]

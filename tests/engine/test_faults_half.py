"""Faults found in other engines: float16 that stops counting at 2048, or is infinite after 65504.

The law of narrow dtypes holds every op to it, at small shapes; here are the exact values, and long sums.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor
from tests.engine.traps import Function, grad_of, leaf, same

half, N = np.float16, 5000


def h(values: Any) -> Tensor:
    return leaf(np.asarray(values, half), half)


def test_09_attention() -> None:
    out = engine.scaled_dot_product_attention(h([[0], [12]]), h([[1], [0.5]]), h([[1], [3]]))
    same(out, np.array([[2], [1.005]], half))


def test_10_layer_norm() -> None:
    same(engine.layer_norm(h([0, 600, 0, 600])), [-1, 1, -1, 1])
    same(engine.rms_norm(h([600, 600])), [1, 1])
    same(engine.norm(h([300, 400])), 500)
    same(engine.var(h([200, -200])), 40000)
    same(engine.std(h([60000, -60000])), 60000)


def test_11_long_sums_in_the_forward_pass() -> None:
    same(engine.softmax(h(np.zeros(70000)))[0], half(1 / 70000))
    same(engine.log_softmax(h(np.zeros(70000)))[0], half(-np.log(70000)))
    same(engine.logsumexp(h(np.zeros(70000))), half(np.log(70000)))
    same(engine.cross_entropy(h(np.zeros((70000, 2))), np.zeros(70000, int)), half(np.log(2)))
    same(engine.mean(h(np.ones(70000))), 1)
    same(engine.norm(h(np.full(70000, 1 / 16))), half(np.sqrt(70000) / 16))
    same(engine.var(h(np.arange(70000) % 2)), 0.25)
    same(engine.matmul(h(np.ones(N)), h(np.ones(N))), N)
    same(engine.einsum("i,i->", h(np.ones(N)), h(np.ones(N))), N)
    same(engine.cumsum(h(np.ones(N)), axis=0)[N - 1], N)
    same(engine.sum(h([60000, 60000, -60000])), 60000)


ONES = np.ones(N, half)
LONG: dict[str, tuple[Function, Any]] = {  # N contributions to x[0], of 1 each
    "an array of indices": (lambda x: x[np.zeros(N, int)], [1.0]),
    "indices with two axes": (lambda x: x[np.zeros((2, N // 2), int)], [1.0]),
    "take": (lambda x: x.take(np.zeros(N, int), axis=0), [1.0]),
    "take_along_axis": (lambda x: engine.take_along_axis(x, np.zeros(N, int), axis=0), [1.0, 2.0]),
    "embedding of few rows": (lambda x: engine.embedding(np.zeros(N, int), x), [[1.0]]),
    "embedding of many rows": (lambda x: engine.embedding(np.zeros(N, int), x), np.ones((300, 1))),
    "broadcasting": (lambda x: x * ONES, 1.0),
    "broadcast_to": (lambda x: engine.broadcast_to(x, shape=(N,)), [1.0]),
    "where": (lambda x: engine.where(ONES > 0, x, 0.0), 1.0),
    "outer": (lambda x: engine.outer(x, ONES), [1.0]),
    "einsum": (lambda x: engine.einsum("i,j->ij", x, ONES), [1.0]),
    "matmul": (lambda x: ONES[:, None] @ x, [[1.0]]),
    "bias of linear": (lambda x: engine.linear(ONES[:, None], ONES[:1, None], x), [1.0]),
    "weight of linear": (lambda x: engine.linear(ONES[:, None], x), [[1.0]]),
    "bias of layer_norm": (lambda x: engine.layer_norm(np.tile(ONES[:2], (N, 1)), None, x)[:, 0], [1.0, 1.0]),
    "concat": (lambda x: engine.concat([x] * N), [1.0]),
    "stack": (lambda x: engine.stack([x] * N), 1.0),
    "sum of many": (lambda x: sum((x for _ in range(N)), Tensor(0.0, dtype=half)), 1.0),
    "many slices": (lambda x: engine.stack([x[0] for _ in range(N)]), [1.0]),
}


@pytest.mark.parametrize("name", LONG)
def test_12_long_sums_in_the_backward_pass(name: str) -> None:
    f, values = LONG[name]
    x = h(values)
    f(x).sum().backward()
    assert grad_of(x).dtype == half
    assert grad_of(x).flat[0] == half(N)


def test_12_long_sums_in_the_forward_mode() -> None:
    same(engine.jvp(engine.sum, Tensor(ONES), ONES)[1], N)
    same(engine.jvp(lambda x: engine.matmul(x, ONES), Tensor(ONES), ONES)[1], N)

"""Faults found in other engines: caches that grow with what the user does, and work that grows with the square.

Nothing is timed: memory is counted by tracemalloc, work by the Python calls, and by the bytes at the highest point.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor
from tests.engine.traps import float32, leaf

FEW, MANY = 300, 10_000
KEPT = 20_000  # bytes that may stay after a few calls: free lists, and the counters themselves


def swept(out: Any) -> None:
    out.sum().backward()


def changing(k: int) -> Any:
    """An array whose shape is another one for each of the first few hundred k."""
    return np.full((1 + k % 7, 1 + k % 11, 1 + k % 13), 0.5, float32)


def anew(k: int) -> Any:
    """An op that a user makes in a loop."""
    return engine.Primitive(lambda x: x * k, vjp=(lambda g: g * k,), name="made in a loop")


def labels(k: int) -> str:
    return "".join(chr(ord("a") + (k + i) % 26) for i in range(3))


def refused(call: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        call()


CALLS: dict[str, Callable[[int], Any]] = {  # what the k-th call does; each sweeps and drops its graph
    "shapes": lambda k: swept(engine.softmax(leaf(changing(k), float32) * 2.0, axis=k % 3)),
    "stack": lambda k: swept(engine.stack([leaf(1.0)] * (1 + k % 40))),
    "concat": lambda k: swept(engine.concat([leaf([1.0]) if i % 3 else np.ones(1) for i in range(1, 2 + k % 100)])),
    "einsum": lambda k: swept(engine.einsum(f"{labels(k)}->{labels(k)[k % 3]}", leaf(changing(k)))),
    "reshape": lambda k: swept(leaf(changing(k)).reshape(-1, 1 + k % 7)),
    "index": lambda k: swept(leaf(np.ones(200))[k % 150 : 160]),
    "metadata": lambda k: swept(engine.pad(leaf([1.0]), widths=(k % 50, 3), value=1 / (1 + k))),
    "settings": lambda k: swept(engine.layer_norm(leaf([1.0, 2.0]), eps=1 / (1 + k))),
    "clip": lambda k: swept(engine.clip(leaf([1.0, 2.0]), -k, k + 1.0)),
    "split": lambda k: swept(engine.split(leaf(np.ones(600)), [k % 500, 550])[1]),
    "scopes": lambda k: engine.scope(f"layer {k}")(lambda: swept(leaf(1.0) * k))(),
    "names": lambda k: swept(Tensor(1.0, requires_grad=True, name=f"w{k}") * 2.0),
    "grad": lambda k: engine.grad(lambda x: (x * k).sum())(np.ones(1 + k % 50)),
    "hessian": lambda k: engine.hessian(lambda x: (x**3 * k).sum())(np.ones(1 + k % 2)),
    "jvp": lambda k: engine.jvp(lambda x: x * k, np.ones(1 + k % 50), np.ones(1 + k % 50)),
    "checkpoint": lambda k: swept(engine.checkpoint(lambda x: engine.exp(x) * k)(leaf(1.0))),
    "hooks": lambda k: (leaf(1.0) * 2.0).register_hook(lambda g: g * k),
    "assign": lambda k: leaf(np.ones(1 + k % 50)).assign(np.ones(1 + k % 50)),
    "created graphs": lambda k: (leaf(1.0) * k).backward(create_graph=False, retain_graph=True),
    "unswept": lambda k: leaf(1.0) * k + 1.0,
    "new ops": lambda k: swept(anew(k)(leaf(1.0))),
    "errors": lambda k: refused(lambda: engine.matmul(leaf(np.ones(1 + k % 50)), np.ones(99))),
    "random": lambda k: engine.random.normal((1 + k % 20,)),
    "half": lambda k: swept(engine.exp(leaf(np.ones(1 + k % 50), np.float16))),
}


def kept_by(call: Callable[[int], Any], count: int) -> int:
    """The bytes that `count` more calls leave, after as many that filled what may be filled once."""
    for k in range(min(count, FEW)):
        call(k)
    gc.collect()
    tracemalloc.start()
    try:
        for k in range(5):
            call(k)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for k in range(count):
            call(k + FEW)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", CALLS)
def test_17_no_cache_grows(name: str) -> None:
    assert kept_by(CALLS[name], FEW) < KEPT


@pytest.mark.deep
@pytest.mark.parametrize("name", CALLS)
def test_17_no_cache_grows_in_ten_thousand_calls(name: str) -> None:
    assert kept_by(CALLS[name], MANY) < 4 * MANY  # the free lists of Python and NumPy fill slowly


def test_17_the_plans_of_an_op_are_few() -> None:
    for k in range(1, 600, 5):
        swept(engine.stack([leaf(1.0)] * k))
    assert len(engine.ops.shapes.concatenate._plans) < 100


# ---- 18: linear work -----------------------------------------------------------------------------------------------


def chain(n: int) -> Any:
    y = x = leaf(1.0)
    for _ in range(n):
        y = y * x
    return y


def with_parts(n: int) -> Any:
    x = leaf(np.ones(n))
    return engine.concat([part * 2.0 for part in engine.split(x, n)])


WORK: dict[str, Callable[[int], Any]] = {  # a tensor made of n others, to be swept
    "concat": lambda n: engine.concat([leaf([1.0, 2.0]) for _ in range(n)]),
    "concat of one": lambda n: engine.concat([leaf([1.0, 2.0])] * n),
    "concat, some constant": lambda n: engine.concat([leaf([1.0]) if k % 2 else np.ones(1) for k in range(n)]),
    "stack": lambda n: engine.stack([leaf(1.0) for _ in range(n)]),
    "stack of one": lambda n: engine.stack([leaf(1.0)] * n, axis=-1),
    "split": with_parts,
    "einsum": lambda n: engine.einsum(",".join(["a"] * n) + "->a", *[leaf([0.5, 1.0]) for _ in range(n)]),
    "sum of many": lambda n: sum(leaf([1.0]) for _ in range(n)),
    "one tensor used n times": lambda n: engine.stack([leaf(1.0) for _ in range(2)] * n),
    "chain": chain,
    "iteration": lambda n: engine.stack([*leaf(np.ones(n))][:2]),
}


def work_of(make: Callable[[int], Any], n: int) -> tuple[int, int]:
    """The calls, and the bytes at the highest point, of making a tensor of n others and sweeping it."""
    calls = 0

    def count(_: Any, event: str, __: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    swept(make(n))  # plans are made
    sys.setprofile(count)
    try:
        swept(make(n))
    finally:
        sys.setprofile(None)
    gc.collect()
    tracemalloc.start()
    try:
        swept(make(n))
        return calls, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def growth(make: Callable[[int], Any], n: int) -> Iterator[float]:
    """How many times as many calls and bytes it takes for 2n as for n."""
    once, twice = work_of(make, n), work_of(make, 2 * n)
    yield from (b / a for a, b in zip(once, twice))


@pytest.mark.parametrize("name", WORK)
def test_18_twice_as_many_tensors_take_about_twice_the_work(name: str) -> None:
    calls, size = growth(WORK[name], 400)
    assert calls < 2.2, f"{calls:.2f} times the calls"
    assert size < 2.2, f"{size:.2f} times the bytes"

"""The awkward cases by number, rows 1 to 20, graph and life cycle.

An error that says what to do, or the right answer; never a wrong gradient in silence.
Forward passes warn as NumPy warns; backward passes never do, and here every warning that is not expected fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import itertools
import json
import math
import os
import pickle
import re
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor, versions
from engine.backward import gradients
from engine.primitive import Primitive
from tests.engine.traps import Function, grad_of, leaf, ones, recorded, same, slopes


def test_01_a_saved_parameter_assigned_between_forward_and_backward() -> None:
    uses: dict[str, Function] = {
        "multiply": lambda w: w * w,
        "matmul": lambda w: w.T @ w,  # saved as a view
        "linear": lambda w: engine.linear(w, w),
    }
    for name, use in uses.items():
        w = ones(2, 2)
        w.assign(2 * np.eye(2))
        loss = use(w).sum()
        w.assign(np.zeros((2, 2)))
        with pytest.raises(RuntimeError, match=rf"^{name}: .*version 1, now version 2.*backward before assign"):
            loss.backward()
        assert w.grad is None


def test_01_many_assignments() -> None:
    w = leaf([1.0])
    loss = (w * w).sum()
    for _ in range(10):
        w.assign([2.0])
    with pytest.raises(RuntimeError, match=r"saved at version (0|2 or before), now version 10"):
        loss.backward()


def test_02_what_is_written_into_arrays_given_or_got() -> None:
    data = np.array([1.0, 2.0])
    x = leaf(data)
    loss = (x * x).sum()
    data[0] = 99.0
    for view in (x.numpy(), x.detach().numpy(), (x + 1).numpy()):
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 99.0
    loss.backward()
    same(grad_of(x), [2.0, 4.0])


def test_03_two_handles_on_one_parameter() -> None:
    w = leaf([2.0])
    handle = w.detach()
    loss = (w * w).sum()
    handle.assign([5.0])
    assert w.item() == handle.item() == 5.0
    assert versions.version(w.array) == versions.version(handle.array) == 1
    with pytest.raises(RuntimeError, match="version 0, now version 1"):
        loss.backward()


def test_04_backward_twice() -> None:
    x = leaf([3.0])
    for y in (x * x, x + x):  # whether it saved anything or not
        shared, loss = (y * 2).sum(), y.sum()
        loss.backward()
        for again in (loss, shared):
            with pytest.raises(RuntimeError, match=r"graph was freed.*retain_graph=True"):
                again.backward()


@pytest.mark.parametrize("derivative", [engine.grad, lambda f: lambda x: engine.jvp(f, x, 1.0)[1]], ids=["grad", "jvp"])
def test_04_a_transform_through_a_graph_freed_meanwhile(derivative: Function) -> None:
    def f(x: Any) -> Any:
        y = x * x
        y.backward()
        return y * x

    with pytest.raises(RuntimeError, match="graph was freed"):
        derivative(f)(3.0)  # or else 27


def test_04_gradients_through_a_freed_graph() -> None:
    x = leaf([3.0])
    y = x * x
    loss = (y * 2).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="graph was freed"):
        gradients(loss, [x])


def test_05_backward_of_many_elements_without_a_gradient() -> None:
    x = leaf([1.0, 2.0])
    with pytest.raises(RuntimeError, match=r"shape \(2,\) is no loss; give it a gradient, or reduce it"):
        (x * 2).backward()
    (x * 2).backward([1.0, 10.0])
    (x * 2)[:1].backward()  # one element is a loss, whatever its shape
    same(grad_of(x), [4.0, 20.0])


def test_06_a_gradient_of_the_wrong_shape() -> None:
    x = leaf([1.0, 2.0])
    for gradient in ([1.0], 1.0, np.ones((1, 2)), np.ones((2, 1))):
        with pytest.raises(ValueError, match=rf"{re.escape(str(np.shape(gradient)))}.*\(2,\)"):
            (x * 2).backward(gradient)
    assert x.grad is None


def test_07_backward_with_no_graph() -> None:
    x = leaf(1.0)
    with engine.no_grad():
        quiet = x * 2
    for y in (Tensor(1.0), Tensor(1.0) * 2, x.detach(), quiet):
        with pytest.raises(RuntimeError, match="no input requires a gradient, or it was made under no_grad"):
            y.backward()


def test_08_backward_again_without_zero_grad() -> None:
    seen: list[Any] = []
    x, y, seed = leaf([1.0, 2.0]), leaf([3.0, 4.0]), Tensor(np.ones(2))
    x.register_hook(lambda g: seen.append(g.array))
    for times in (1, 2, 3):
        (x + y).backward(seed)
        same(grad_of(x), [times, times])
        held = [grad_of(x), grad_of(y), x.array, y.array, seed.array, seen[-1]]
        assert not any(np.shares_memory(a, b) for a in held[:2] for b in held if a is not b)


def test_08_recorded_gradients_share_no_memory_either() -> None:
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    (x + y).backward(np.ones(2), create_graph=True)
    assert not np.shares_memory(grad_of(x), grad_of(y))


def test_09_the_gradient_of_a_non_leaf() -> None:
    x = leaf(3.0)
    kept, other = x * 2, x * 5
    kept.retain_grad()
    (kept * other).backward()
    assert grad_of(kept) == 15.0
    assert other.grad is None


def test_10_an_input_the_output_does_not_depend_on() -> None:
    def f(x: Any, tree: Any) -> Any:
        return x * tree["used"]

    x, unused = leaf(3.0), leaf(4.0)
    f(x, {"used": x}).backward()
    assert unused.grad is None
    tree = {"used": 2.0, "idle": [1.0]}
    with pytest.raises(RuntimeError, match=r"does not depend on argument \d\['idle'\]\[0\]; allow_unused=True"):
        engine.grad(f, 1)(3.0, tree)
    found = engine.grad(f, 1, allow_unused=True)(3.0, tree)
    assert (found["used"].item(), found["idle"]) == (3.0, [None])


def test_10_the_number_of_that_argument() -> None:
    with pytest.raises(RuntimeError, match="does not depend on argument 1"):
        engine.grad(lambda x, y: x * x, argnums=1)(3.0, 4.0)


def test_11_one_tensor_used_many_times() -> None:
    assert slopes(lambda x: x * x + x, [2.0, 3.0]) == [[5.0, 7.0]]
    assert slopes(lambda x: sum(x * k for k in range(100)), 1.0) == [4950.0]
    x, visits = leaf(1.0), []
    y = x
    for _ in range(60):  # diamonds on top of each other: 2**60 paths
        y = y + y
        y.register_hook(lambda g: visits.append(g.item()))
    y.backward()
    assert grad_of(x) == 2.0**60
    assert visits == [2.0**k for k in range(60)]


def test_12_exceptions_inside_no_grad_and_nesting() -> None:
    with engine.no_grad():
        with engine.enable_grad():
            with engine.no_grad():
                assert not recorded()
            assert recorded()
        with contextlib.suppress(KeyError), engine.enable_grad():
            raise KeyError
        assert not recorded()
    with contextlib.suppress(KeyError), engine.enable_grad(), engine.no_grad():
        raise KeyError
    assert recorded()


def test_13_no_grad_across_a_generator_a_task_and_a_thread() -> None:
    def generator(times: int) -> Iterator[bool]:
        with engine.no_grad():
            yield from (recorded() for _ in range(times))

    async def task(context: Any) -> list[bool]:
        with context:
            before = recorded()
            await asyncio.sleep(0)
            return [before, recorded()]

    async def tasks() -> None:
        both = await asyncio.gather(task(engine.no_grad()), task(contextlib.nullcontext()))
        assert [*both] == [[False, False], [True, True]]

    assert [(inside, recorded()) for inside in generator(2)] == [(False, True)] * 2
    asyncio.run(tasks())
    seen: list[bool] = []
    with contextlib.contextmanager(generator)(1):  # there the caller is whom it is for
        assert not recorded()
        thread = threading.Thread(target=lambda: seen.append(recorded()))
        thread.start()
        thread.join()
    assert seen == [True]


@pytest.mark.parametrize("length", [100_000, pytest.param(1_000_000, marks=pytest.mark.deep)])
def test_14_a_chain_of_a_million_ops(length: int) -> None:
    x, one = leaf(1.0), Tensor(np.array(1.0))
    y = z = x
    for _ in range(length):
        y = y + one
    y.backward()
    assert grad_of(x) == 1.0
    for _ in range(100_000):
        z = z + one
    del z  # freed without a sweep


def test_15_deepcopy_and_pickle() -> None:
    x = Tensor([1.0], requires_grad=True, name="x")
    copies: list[Function] = [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
    for copied in copies:
        twin = copied(x)
        assert (twin.requires_grad, twin.name, twin.item()) == (True, "x", 1.0)
        assert not np.shares_memory(twin.array, x.array)
        with pytest.raises(RuntimeError, match=r"part of a graph; detach\(\) it first"):
            copied(x * 2)
        assert copied((x * 2).detach()).item() == 2.0


def test_16_losses_kept_over_many_steps() -> None:
    x = leaf(np.ones(100))
    losses: list[Any] = []
    for _ in range(5):
        y = engine.exp(x)
        node, array = weakref.ref(y.node), weakref.ref(y.array)
        losses.append((y * y).sum())
        del y
        losses[-1].backward()
        assert node() is array() is None
    assert not any(loss.node.parents for loss in losses)
    assert not any(loss.node.saved or loss.node.metadata for loss in losses)


TRAINING = """
import gc, json, os, pathlib
import numpy as np
import engine, nn

def used():
    statm = pathlib.Path("/proc/self/statm")
    pages = int(statm.read_text().split()[1]) if statm.exists() else 0
    return sum(isinstance(o, engine.Tensor | engine.Node) for o in gc.get_objects()), pages * 4096

gc.disable()
model = nn.Sequential(nn.Embedding(11, 16), nn.TransformerBlock(16, 2, dropout=0.1), nn.Linear(16, 11))
optimizer = nn.optim.AdamW(model.parameters(), lr=1e-3)
rng, seen = np.random.default_rng(0), []
for step in range(1001):
    ids = rng.integers(0, 11, (4, 9))
    engine.cross_entropy(model(ids[:, :-1]), ids[:, 1:]).backward()
    nn.clip_grad_norm(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    if step in (100, 1000):
        seen.append(used())
print(json.dumps(seen))
"""


def test_17_a_thousand_training_steps_with_the_garbage_collector_off() -> None:
    paths = {**os.environ, "PYTHONPATH": str(Path(engine.__file__).parents[1])}
    run = subprocess.run([sys.executable, "-c", TRAINING], env=paths, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    (early, before), (late, after) = json.loads(run.stdout)
    assert late == early > 10
    assert after - before < 2**20


def test_18_an_error_inside_a_rule() -> None:
    def failing(x: Any) -> Any:
        return np.copy(x)

    failing_op = Primitive(failing, vjp=(lambda g: g / math.sqrt(-1),), jvp=(lambda t: t / math.sqrt(-1),))
    x, y = leaf(1.0), leaf(2.0)
    y.backward()  # a gradient to be left as it is
    with engine.scope("model"), engine.scope("head"):
        loss = failing_op(x) + y
    with pytest.raises(RuntimeError, match=r"^failing: its vjp rule failed \(in model\.head\): math domain") as caught:
        loss.backward()
    assert isinstance(caught.value.__cause__, ValueError)
    assert (x.grad, grad_of(y)) == (None, 1.0)
    with pytest.raises(RuntimeError, match=r"^failing: its jvp rule failed: math domain"):
        engine.jvp(failing_op, 1.0, 1.0)


def test_19_hash_equality_and_truth() -> None:
    x, twin = Tensor([1.0, 2.0]), Tensor([1.0, 2.0])
    assert {x: "x", twin: "twin"}[x] == "x"
    same(x == twin, [True, True])
    same(x != [1.0, 5.0], [False, True])
    assert (bool(Tensor([[2.0]])), bool(Tensor(0.0))) == (True, False)
    for wrong in (x, Tensor(np.ones((0,)))):
        with pytest.raises(ValueError, match=rf"shape {re.escape(str(wrong.shape))} is neither true nor false"):
            bool(wrong)


def test_20_nested_grad() -> None:
    ways: list[Function] = [lambda f, x: engine.grad(f)(x), lambda f, x: engine.jvp(f, x, 1.0)[1]]
    for outer, inner in itertools.product(ways, ways):
        assert outer(lambda x, d=inner: x * d(lambda y: x * y, x), 5.0).item() == 10.0
        assert outer(lambda x, d=inner: d(lambda y: x * y, x), 5.0).item() == 1.0
        assert outer(lambda x, d=inner: x * d(lambda y: x + y, 1.0), 1.0).item() == 1.0
        assert outer(lambda x, d=inner: d(lambda y: x * y * y, x), 5.0).item() == 20.0
    grad: Function = engine.grad
    assert grad(lambda x: grad(lambda y: grad(lambda z: x * y * z)(y))(x))(5.0).item() == 1.0

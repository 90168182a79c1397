"""The awkward cases, by number: an error that says what to do, or the right answer; never a wrong gradient in silence.

Forward passes warn as NumPy warns; backward passes never do, and here every warning that is not expected fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import itertools
import json
import math
import operator as op
import os
import pickle
import re
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engine
import nn
from engine import Tensor, versions
from engine.backward import gradients
from engine.primitive import Primitive, registry
from tests.engine.gradients import check_gradients

Function = Callable[..., Any]
inf, nan, float32 = math.inf, math.nan, np.float32
RNG = np.random.default_rng(0)


def leaf(values: Any, dtype: Any = np.float64) -> Tensor:
    return Tensor(values, requires_grad=True, dtype=dtype)


def ones(*shape: int) -> Tensor:
    return leaf(np.ones(shape), float32)


def grad_of(x: Tensor) -> Any:
    assert x.grad is not None
    return x.grad.numpy()


def slopes(f: Function, *values: Any) -> list[Any]:
    """The gradient of f(values).sum() in each; only the forward pass may warn."""
    inputs = [leaf(value) for value in values]
    with np.errstate(all="ignore"):
        total = f(*inputs).sum()
    total.backward()
    return [grad_of(x).tolist() for x in inputs]


def same(found: Any, expected: Any) -> None:
    np.testing.assert_array_equal(found.numpy() if isinstance(found, Tensor) else found, expected)


def recorded() -> bool:
    return (leaf(1.0) * 2).requires_grad


# ---- graph and life cycle ------------------------------------------------------------------------------------------


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


def test_14_a_chain_of_a_million_ops() -> None:
    x, one = leaf(1.0), Tensor(np.array(1.0))
    y = z = x
    for _ in range(1_000_000):
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


# ---- shapes and dtypes ---------------------------------------------------------------------------------------------

ARITHMETIC: list[Function] = [op.add, op.sub, op.mul, op.truediv, op.pow]
PICKING: list[Function] = [engine.maximum, engine.clip, lambda x, y: engine.where(np.array([True, False]), x, y)]


def test_21_broadcasting() -> None:
    shapes: list[Any] = [
        ((2, 3), (3,)),
        ((2, 1), (1, 3)),
        ((2, 3), ()),
        ((1,), (2, 1, 3)),
        ((0,), (1,)),
        ((3, 1), (1, 0)),
    ]
    for f, pair in itertools.product(ARITHMETIC, shapes):
        x, y = (leaf(np.full(shape, 2.0)) for shape in pair)
        out = f(x, y)
        out.sum().backward()
        for tensor, each in zip((x, y), slopes(f, 2.0, 2.0), strict=True):
            assert grad_of(tensor).shape == tensor.shape
            np.testing.assert_allclose(grad_of(tensor), each * out.size / max(tensor.size, 1))


def test_22_shapes_that_do_not_fit() -> None:
    two, three, wide, mask, ids = ones(2), ones(3), ones(2, 3), np.ones(2, bool), np.zeros(1, int)
    elementwise = "add subtract multiply divide pow atan2 hypot maximum minimum equal not_equal less greater_equal clip"
    calls: list[tuple[str, Any]] = [(name, (two, three)) for name in elementwise.split()]
    calls += [("where", (mask, three, 0.0)), ("matmul", (wide, wide)), ("tensordot", (wide, ones(3, 2)))]
    calls += [("einsum", ("ij,jk", wide, wide)), ("linear", (wide, two))]
    calls += [("layer_norm", (wide, two)), ("rms_norm", (wide, two)), ("rotary", (wide, np.ones((2, 2), complex)))]
    calls += [("embedding", (ids, two)), ("cross_entropy", (wide, ids)), ("broadcast_to", (wide, (2, 2)))]
    calls += [("scaled_dot_product_attention", (wide, ones(2, 2), ones(4, 2)))]
    for name, args in calls:
        with pytest.raises(ValueError, match=f"^{name}: ") as caught:
            getattr(engine, name)(*args)
        assert all(str(a.shape) in str(caught.value) for a in args if hasattr(a, "shape")), caught.value


def test_23_integers_and_booleans_that_require_a_gradient() -> None:
    for values in (np.arange(3), np.ones(2, bool), True):
        with pytest.raises(TypeError, match=r"dtype (int\d+|bool) cannot require a gradient; give dtype=np\.float32"):
            Tensor(values, requires_grad=True)


def stays_float32(f: Function, *others: Any) -> None:
    for swapped in (False, True):
        x = leaf([[2.0, 2.0], [2.0, 2.0]], float32)
        out = f(*others, x) if swapped else f(x, *others)
        out.sum().backward()
        assert {out.dtype, grad_of(x).dtype} == {np.dtype(float32)}


def test_24_float32_with_scalars() -> None:
    for scalar in (np.float64(2), 2.0, np.array(2.0), np.float32(2), 2, np.int64(2), np.array(2)):
        for f in ARITHMETIC + PICKING:
            stays_float32(f, scalar)
    one = np.float64(1)
    stays_float32(lambda x: engine.layer_norm(x, eps=one) + engine.rms_norm(x, eps=one))
    stays_float32(lambda x: engine.std(x, correction=one) + engine.pad(x, 1, value=one))
    stays_float32(lambda x: engine.scaled_dot_product_attention(x, x, x, scale=one))


def test_25_float32_with_integer_arrays() -> None:
    joining: list[Function] = [op.matmul, engine.linear, lambda x, y: engine.concat([x, y]), engine.outer]
    for integers in (np.full((2, 2), 2), np.full((2, 2), 2, np.uint8), Tensor(np.full((2, 2), 2))):
        for f in ARITHMETIC + PICKING + joining:
            stays_float32(f, integers)
    for norm in (engine.layer_norm, engine.rms_norm):
        assert norm(ones(2, 2), np.array([1, 2])).dtype == norm(np.eye(2, dtype=int), ones(2)).dtype == float32


def test_26_results_with_no_axes() -> None:
    x, y = leaf(0.5), leaf([2.0, 3.0])
    made = [each(x) for each in registry.values() if each.arity == 1 and not each.metadata_count]
    made += [x * x, y.sum(), y[0], y @ y, y.max(), y.norm(), engine.cross_entropy(y, np.array(0)), *y]
    made += [engine.grad(lambda x: x.square())(2.0), *engine.jvp(lambda x: abs(x) * x, 2.0, 1.0)]
    (abs(x) * y.sum()).backward()
    made += [x.grad, y.grad]
    assert {type(tensor.array) for tensor in made} == {np.ndarray}
    with pytest.raises(np.exceptions.AxisError, match=r"^softmax: axis -1"):
        engine.softmax(x)  # which has no axis to be right about


def test_26_what_a_hook_sees() -> None:
    x, seen = leaf(2.0), []
    x.register_hook(lambda g: seen.append(type(g.array)))
    abs(x).backward()
    assert seen == [np.ndarray]


def test_27_float16_is_added_up_in_float32() -> None:
    halves, total = leaf(np.full((70_000, 2), 0.5), np.float16), np.float16(35_000)  # added up in float16: 1024
    for found in (halves.sum(axis=0), halves.cumsum(axis=0)[-1], engine.sum_to(halves, shape=(2,))):
        same(found, [total, total])
    same((halves + 0.5).mean(axis=0), [1, 1])
    bias = leaf(np.zeros(2), np.float16)
    (bias + halves).backward(halves)
    same(grad_of(bias), [total, total])
    with pytest.warns(RuntimeWarning, match="overflow"):  # 70,000 itself is beyond float16
        same((halves + 0.5).sum(axis=0), [inf, inf])


def test_28_integer_arithmetic() -> None:
    small, truths, few = np.array([250, 1], np.uint8), np.array([True, False]), np.arange(2)
    wraps: list[Function] = [lambda x: x + 10, lambda x: x - 2, lambda x: -x, lambda x: x * x, lambda x: x**2]
    widens: list[Function] = [lambda x: x / 2, lambda x: x * 2.5, lambda x: x**2.0, lambda x: x**3.0]
    for f in wraps + widens:
        np.testing.assert_array_equal(f(Tensor(small)).numpy(), f(small), strict=True)
    for f in (engine.rms_norm, engine.layer_norm, engine.softmax, engine.log_softmax, engine.sigmoid):
        same(f(Tensor(small)), f(small.astype(np.float64)))
    refused: list[tuple[Any, Any, Function]] = [
        (OverflowError, small, lambda x: x + 300),
        (TypeError, truths, lambda x: x - x),
        (ValueError, few, lambda x: x**-1),
    ]
    for error, values, f in refused:
        for x in (values, Tensor(values)):
            with pytest.raises(error):
                f(x)


def test_28_small_integers_with_wide_scalars() -> None:
    small = np.array([250], np.uint8)
    np.testing.assert_array_equal((Tensor(small) + np.int64(10)).numpy(), small + np.int64(10), strict=True)


def test_29_arrays_and_numpy_scalars_on_the_left() -> None:
    for left in (np.full(2, 2, float32), np.float64(2), np.array(2.0), np.full((3, 2), 2, float32)):
        for f in ARITHMETIC:
            out = f(left, ones(2))
            assert isinstance(out, Tensor)
            assert out.requires_grad
            same(out, f(left, np.ones(2, float32)))
    assert isinstance(np.ones((3, 2)) @ ones(2), Tensor)
    same(np.array([1.0, 2.0]) <= ones(2), [True, False])


def test_30_writing_into_an_array_and_into_a_tensor() -> None:
    array, x = np.ones(2), ones(2)
    writes: list[Function] = [op.iadd, op.isub, op.imul, op.itruediv, op.ipow]
    for write in writes:
        with pytest.raises(TypeError, match=r"lose its graph; use array = array \+ tensor"):
            write(array, x)
    with pytest.raises(TypeError, match=r"tensors are values: use engine\.where to select, or assign\(\)"):
        x[0] = 1.0
    before = x
    x += 1.0  # a new tensor under the name
    same(before, array)


def test_31_numpy_functions_of_a_tensor() -> None:
    x = ones(2)
    ours: list[tuple[Function, str]] = [(np.exp, "exp"), (np.sum, "sum"), (np.abs, "abs"), (np.linalg.norm, "norm")]
    concatenate: Function = np.concatenate
    ours += [(lambda x: concatenate([x, x]), "concat")]
    for f, name in ours:
        with pytest.raises(TypeError, match=rf"use engine\.{name}, or \.numpy\(\)"):
            f(x)
    readers: list[Function] = [np.asarray, np.array, np.isnan, lambda x: np.array([x, x])]
    for read in readers:
        with pytest.raises(TypeError, match=r"\.numpy\(\) for its value"):
            read(x)


LAYOUTS: dict[str, Function] = {
    "transposed": lambda a: leaf(a.T.copy()).T,
    "strided": lambda a: leaf(np.repeat(a, 2, axis=-1))[..., ::2],
    "negative": lambda a: leaf(a[::-1, ::-1].copy())[::-1, ::-1],
    "read-only": lambda a: engine.broadcast_to(leaf(a), a.shape),
}
NORMALISING = "softmax log_softmax layer_norm rms_norm gelu sort exp prod max std norm logsumexp".split()
LAID_OUT: list[Function] = [getattr(engine, name) for name in NORMALISING] + [
    lambda x: x @ x.T,
    lambda x: engine.cumprod(x, axis=0),
    lambda x: engine.linear(x, x, x[:, 0]),
    lambda x: engine.scaled_dot_product_attention(x, x, x, causal=True),
    lambda x: engine.rotary(x, phases=np.exp(1j * np.arange(6.0).reshape(3, 2))),
    lambda x: engine.cross_entropy(x, np.array([0, 1, 2]), reduction="none"),
    lambda x: engine.embedding(np.array([0, 0, 2]), x),
    lambda x: engine.reshape(x, (2, 6)),
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_32_layouts(layout: str) -> None:
    a = RNG.uniform(0.5, 2.0, (3, 4))
    for f in LAID_OUT:
        plain, laid = leaf(a), LAYOUTS[layout](a)
        laid.retain_grad()
        expected, out = f(plain), f(laid)
        g = RNG.normal(size=out.shape)
        expected.backward(g)
        out.backward(g.T.copy().T)
        np.testing.assert_allclose(out.numpy(), expected.numpy(), rtol=1e-13)
        np.testing.assert_allclose(grad_of(laid), grad_of(plain), rtol=1e-11, atol=1e-12)
        same(laid, a)


MATRICES = [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((4, 2, 3), (3, 2)), ((3,), (4, 3, 2)), ((2, 0), (0, 3))]


@pytest.mark.parametrize(("left", "right"), MATRICES)
def test_33_matmul(left: Any, right: Any) -> None:
    x, y = RNG.normal(size=left), RNG.normal(size=right)
    out = engine.matmul(Tensor(x), Tensor(y))
    assert out.shape == (x @ y).shape
    np.testing.assert_allclose(out.numpy(), x @ y)
    check_gradients(engine.matmul, x, y)


def test_34_einsum_with_repeated_labels() -> None:
    cases: list[Any] = [("ii->i", (3, 3)), ("ii->", (3, 3)), ("ii", (3, 3)), ("iii->i", (2, 2, 2))]
    cases += [("iji->j", (2, 3, 2)), ("ijij->ji", (2, 3, 2, 3)), ("...ii->...i", (2, 3, 3))]
    cases += [("ii,i->i", (3, 3), (3,)), ("iij,jk->ik", (2, 2, 3), (3, 2))]
    for subscripts, *shapes in cases:
        arrays = [RNG.normal(size=shape) for shape in shapes]
        found = engine.einsum(subscripts, *[Tensor(x) for x in arrays]).numpy()
        np.testing.assert_allclose(found, np.einsum(subscripts, *arrays))
        check_gradients(lambda *xs, s=subscripts: engine.einsum(s, *xs), *arrays)
    for subscripts, shape in (("ii->i", (2, 3)), ("ii", (1, 3)), ("ij->ijj", (2, 3))):
        with pytest.raises(ValueError, match=f"^einsum: '{subscripts}': "):
            engine.einsum(subscripts, ones(*shape))


def test_35_joining() -> None:
    for join in (engine.concat, engine.stack):
        with pytest.raises(ValueError, match=f"^{join.__name__}: needs at least one tensor"):
            join([])
        with pytest.raises(ValueError, match=rf"^{join.__name__}.*\(2, 3\), \(2, 2\)"):
            join([ones(2, 3), ones(2, 2)])
        x, constant = leaf([1.0, 2.0]), Tensor(np.array([3.0, 4.0]))
        (join([constant, x]) * join([np.zeros(2), np.array([5.0, 7.0])])).sum().backward()
        same(grad_of(x), [5.0, 7.0])
        assert not join([constant, constant]).requires_grad


def test_36_reductions_over_an_empty_axis() -> None:
    nothing = ones(2, 0)
    for name, value in (("sum", 0), ("prod", 1), ("norm", 0), ("logsumexp", -inf)):
        same(getattr(engine, name)(nothing, axis=1), [value, value])
        assert slopes(getattr(engine, name), np.ones((2, 0))) == [[[], []]]
    for name in "mean max min argmax argmin var std".split():
        with pytest.raises(ValueError, match=rf"^{name}: (no|0) values along axis 1"):
            getattr(engine, name)(nothing, axis=1)
        assert name in ("var", "std") or getattr(engine, name)(nothing, axis=0).shape == (0,)


# ---- values: kinks, ties, edges of the domain ----------------------------------------------------------------------


def test_37_relu_and_abs_at_zero() -> None:
    for f in (engine.relu, engine.abs):
        assert slopes(f, [-0.0, 0.0]) == [[0.0, 0.0]]
        assert engine.jvp(f, 0.0, 1.0)[1].item() == 0.0


def test_38_ties() -> None:
    assert slopes(engine.maximum, [1.0, 2.0, 3.0], 2.0) == [[0.0, 0.5, 1.0], 1.5]
    assert slopes(engine.minimum, [1.0, 2.0, 3.0], 2.0) == [[1.0, 0.5, 0.0], 1.5]
    assert slopes(lambda x: engine.max(x, axis=1), [[3.0, 1.0, 3.0], [2.0] * 3]) == [[[0.5, 0.0, 0.5], [1 / 3] * 3]]
    assert slopes(engine.min, [3.0, 1.0, 1.0]) == [[0.0, 0.5, 0.5]]


def test_39_clip_at_a_bound_and_between_none() -> None:
    assert slopes(lambda x: engine.clip(x, 0.0, 1.0), [-1.0, 0.0, 0.5, 1.0, 2.0]) == [[0.0, 1.0, 1.0, 1.0, 0.0]]
    for low, high in ((2.0, 1.0), ([0.0, 2.0], 1.0), (2.0, np.array([[3.0], [1.0]]))):
        with pytest.raises(ValueError, match=r"^clip: min 2\.0 is greater than max 1\.0"):
            engine.clip(Tensor([0.0, 1.0]), low, high)


def test_40_sqrt_log_and_quotients_outside_their_domain() -> None:
    cases: list[tuple[Function, float, float, float]] = [(engine.log, 0.0, -inf, inf), (engine.log, -1.0, nan, -1.0)]
    cases += [(engine.sqrt, -1.0, nan, nan), (lambda x: 1 / x, 0.0, inf, -inf)]
    for f, at, value, slope in cases:
        x = leaf(at)
        with pytest.warns(RuntimeWarning, match="divide by zero|invalid value"):  # as NumPy does
            out = f(x)
        out.backward()  # without a warning, and so below
        same([out.item(), grad_of(x)], [value, slope])
    (x := leaf(0.0)).sqrt().backward()
    assert grad_of(x) == inf


def test_40_anomaly_mode() -> None:
    line = rf"made at .*test_traps\.py:\d+ in {sys._getframe().f_code.co_name}"
    with engine.detect_anomaly(), engine.scope("model"), engine.scope("head"), np.errstate(all="ignore"):
        for f in (engine.sqrt, engine.log):
            for x in (leaf([0.5, -1.0]), Tensor([0.5, -1.0])):
                with pytest.raises(FloatingPointError, match=rf"^{f.name}: .*nan at \(1,\).*in model\.head, {line}"):
                    f(x)
            f(leaf(0.0)).backward()  # infinities are no anomaly
        cube = leaf(-2.0) ** leaf(3.0)  # -8, but log(-2) on the way back
        with pytest.raises(FloatingPointError, match=rf"^pow: .*argument 1 is nan \(in model\.head, {line}"):
            cube.backward()


def test_41_a_branch_not_taken() -> None:
    def f(x: Any) -> Any:
        return engine.where(x > 0, engine.sqrt(x), x)

    def derivative(order: int) -> Function:
        return f if order == 0 else engine.grad(lambda x: derivative(order - 1)(x).sum())

    x = np.array([-1.0, 0.0, 4.0])
    assert slopes(f, x) == [[1.0, 1.0, 0.25]]
    assert slopes(lambda x: engine.where(x != 0, engine.square(1 / x), 0.0), [0.0, 2.0]) == [[0.0, -0.25]]
    with np.errstate(all="ignore"):
        for order, slope in enumerate((1 / 4, -1 / 32, 3 / 256, -15 / 2048), 1):
            np.testing.assert_allclose(derivative(order)(x).numpy(), [order == 1, order == 1, slope])
        same(engine.jvp(f, x, np.ones(3))[1], [1, 1, 1 / 4])
        same(engine.hessian(lambda x: f(x).sum())(x), np.diag([0, 0, -1 / 32]))


def test_42_powers() -> None:
    for x, y, expected in ((0.0, 0.0, [0.0, 0.0]), (0.0, 2.0, [0.0, 0.0]), (-2.0, 3.0, [12.0, nan])):
        same(slopes(engine.pow, x, y), expected)
        same(slopes(lambda x, y=y: x**y, x), expected[:1])
        same(slopes(lambda x, y=int(y): x**y, x), expected[:1])
        same(slopes(lambda y, x=x: x**y, y), expected[1:])


def test_43_norm_hypot_and_atan2_at_zero() -> None:
    assert slopes(lambda x: engine.norm(x, axis=1), [[0.0, 0.0], [0.0, 2.0]]) == [[[0.0, 0.0], [0.0, 1.0]]]
    assert engine.jvp(engine.norm, np.zeros(2), np.ones(2))[1].item() == 0.0
    for f in (engine.hypot, engine.atan2):
        assert slopes(f, 0.0, 0.0) == [0.0, 0.0]
        assert engine.jvp(f, (0.0, 0.0), (1.0, 1.0))[1].item() == 0.0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_44_the_variance_of_a_constant_and_of_too_few(dtype: Any) -> None:
    for f in (engine.var, engine.std):
        for constant in (0.0, 0.1, 1 / 3, 1000.1):  # whose mean is in general a rounding off
            for axis in (None, 0, 1):
                x = leaf(np.full((3, 7), constant), dtype)
                out = f(x, axis=axis)
                out.sum().backward()
                assert not np.any(out.numpy())
                assert not np.any(grad_of(x))
        with pytest.raises(ValueError, match=f"^{f.name}: 3 values along axis 0 are too few for correction 3"):
            f(ones(3, 7), axis=0, correction=3)


def test_45_products_with_zeros() -> None:
    others = [
        ([2, 3, 4], [12, 8, 6]),
        ([2, 0, 4], [0, 8, 0]),
        ([0, 0, 4], [0, 0, 0]),
        ([[2, 0], [3, 4]], [[0, 24], [0, 0]]),
    ]
    for values, expected in others:
        same(slopes(engine.prod, values)[0], expected)
    same(slopes(lambda x: engine.cumprod(x, axis=0), [2, 0, 3, 0, 4])[0], [1, 8, 0, 0, 0])
    check_gradients(engine.prod, np.array([[2.0, 0.0], [0.0, 4.0]]))
    check_gradients(lambda x: engine.cumprod(x, axis=-1), np.array([2.0, 0.0, 3.0, 0.0, 0.5, 1.0, -1.0]))


def test_46_sorting_ties() -> None:
    ties, weights = np.tile([2.0, 1.0], 50), np.arange(100.0)  # many, since NumPy sorts a few stably in any case
    for descending, order in ((False, [*range(1, 100, 2), *range(0, 100, 2)]), (True, np.argsort(-ties, stable=True))):
        same(engine.argsort(ties, descending=descending), order)
        (slope,) = slopes(lambda x, d=descending: engine.sort(x, descending=d) * weights, ties)
        same(np.array(slope)[order], weights)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_47_no_overflow(dtype: Any) -> None:
    cases: list[tuple[Function, list[float], list[float]]] = [
        (engine.softmax, [0, 0, 1], [0, 0, 0]),
        (lambda x: engine.log_softmax(x)[1:], [-1e4, 0], [0, 1, -1]),
        (engine.logsumexp, [1e4], [0, 0, 1]),
        (engine.sigmoid, [0, 0.5, 1], [0, 0.25, 0]),
        (lambda x: engine.softplus(x)[::2], [0, 1e4], [0, 0, 1]),
        (lambda x: engine.cross_entropy(x, np.array(1)), [1e4], [0, -1, 1]),
    ]
    for f, values, gradient in cases:
        x = leaf([-1e4, 0.0, 1e4], dtype)
        (out := f(x)).sum().backward()
        same(out.numpy().ravel(), values)
        same(grad_of(x), gradient)
        assert np.isfinite(engine.hvp(lambda x, f=f: f(x).sum(), x.numpy(), np.ones(3, dtype)).numpy()).all()


def test_48_nothing_to_choose_from() -> None:
    rows = leaf([[-inf, -inf], [0.0, 0.0]])
    out = engine.logsumexp(rows, axis=1)
    out.sum().backward()
    same(out, [-inf, np.log(2)])
    same(grad_of(rows), [[0, 0], [0.5, 0.5]])
    for mask in (np.array([[True, False], [False, False]]), np.array([[0, -inf], [-inf, -inf]])):
        for create_graph in (False, True):
            q, k, v = (leaf(np.ones((2, 2))) for _ in range(3))
            attended = engine.scaled_dot_product_attention(q, k, v, mask=mask)
            attended.backward(np.ones((2, 2)), create_graph=create_graph)
            same(attended, [[1, 1], [0, 0]])
            same([grad_of(q), grad_of(k), grad_of(v)], [np.zeros((2, 2)), np.zeros((2, 2)), [[1, 1], [0, 0]]])


def test_49_normalising_a_constant_row() -> None:
    for constant, dtype in ((0.1, np.float64), (0.1, float32), (1e15, float32)):
        x = leaf(np.full((2, 3), constant), dtype)
        engine.layer_norm(x).backward(np.arange(6.0).reshape(2, 3))
        assert np.isfinite(grad_of(x)).all()
    for eps in (0.0, -1.0):
        with pytest.raises(ValueError, match=f"^layer_norm: eps must be positive, not {eps}"):
            engine.layer_norm(ones(1, 3), eps=eps)
        with pytest.raises(ValueError, match=f"^rms_norm: eps must be positive, not {eps}"):
            nn.RMSNorm(3, eps=eps)(ones(1, 3))


def test_50_nan_propagates() -> None:
    for f in (f for f in registry.values() if f.__module__.startswith("engine.ops.elementwise")):
        if f.arity == 1 and not f.metadata_count:
            assert math.isnan(f(Tensor(nan)).item()), f.name
        if f.arity == 2:
            assert np.isnan([f(nan, Tensor(2.0)).item(), f(Tensor(2.0), nan).item()]).all(), f.name
    for name in "sum mean prod max min var std norm logsumexp softmax log_softmax layer_norm rms_norm gelu".split():
        assert np.isnan(getattr(engine, name)(Tensor([0.5, nan, 0.25])).numpy()).any(), name
    assert math.isnan(engine.clip(Tensor(nan), 0.0, 1.0).item())
    assert math.isnan(engine.cross_entropy(Tensor([0.5, nan]), np.array(0)).item())


def test_51_indexing() -> None:
    x = [1.0, 2.0, 3.0]
    assert slopes(lambda x: x[[0, 0, 1]], x) == [[2.0, 1.0, 0.0]]
    assert slopes(lambda x: x[x > 1] * [5.0, 7.0], x) == [[0.0, 5.0, 7.0]]
    assert slopes(lambda x: x[::-2] * [5.0, 7.0], x) == [[7.0, 0.0, 5.0]]
    for index in ([0, 0, 1], np.array(x) > 1, slice(None, None, -2)):
        same(leaf(x)[index], np.array(x)[index])


def test_52_wrong_indices() -> None:
    wrong: list[tuple[Any, str]] = [
        (2, "index 2 .* size 2"),
        ((0, -4), "index -4 .* size 3"),
        ([0, 5], "index 5 .* size 2"),
    ]
    wrong += [(1.0, "float64"), ([0.5], "float64"), (np.float64(1), "float64"), (Tensor([1.0]), "float32")]
    wrong += [((0, 0, 0), "too many indices"), (np.ones(3, bool), "boolean index"), ("a", "integer or boolean")]
    for index, message in wrong:
        with pytest.raises(IndexError, match=f"^(gather|getitem): .*{message}"):
            ones(2, 3)[index]


def test_53_ids_and_labels_out_of_range() -> None:
    for ids, what in (([0, -1], r"id -1 at position \(1,\)"), ([[0, 3]], r"id 3 at position \(0, 1\)")):
        with pytest.raises(IndexError, match=f"^embedding: {what} is not in a table of 3 rows"):
            engine.embedding(np.array(ids), ones(3, 2))
    for labels, what in (([-1, 0], r"label -1 at position \(0,\)"), ([0, 3], r"label 3 at position \(1,\)")):
        with pytest.raises(IndexError, match=f"^cross_entropy: {what} is not one of 3 classes"):
            engine.cross_entropy(ones(2, 3), np.array(labels))


def test_54_every_label_ignored() -> None:
    logits, labels = ones(2, 3), np.array([-100, -100])
    with pytest.raises(
        ValueError, match=r"^cross_entropy: every label is ignored.*use reduction='sum' or drop the batch"
    ):
        engine.cross_entropy(logits, labels)
    loss = engine.cross_entropy(logits, labels, reduction="sum")
    loss.backward()
    assert loss.item() == 0
    same(grad_of(logits), np.zeros((2, 3)))


def test_55_dropout_at_and_beyond_its_bounds() -> None:
    x = leaf([1.0, 2.0])
    assert nn.Dropout(0.0)(x) is x
    dropped = nn.Dropout(1.0)(x)
    dropped.sum().backward()
    same([dropped.numpy(), grad_of(x)], np.zeros((2, 2)))
    for p in (1.5, -0.1, nan):
        with pytest.raises(ValueError, match=f"^dropout: p must be between 0 and 1, not {p}"):
            nn.Dropout(p)(x)


@pytest.mark.parametrize("bad", [nan, inf, -inf])
def test_56_clipping_a_gradient_that_is_not_finite(bad: float) -> None:
    fine, wrong = (Tensor([1.0, 1.0], requires_grad=True, name=name) for name in ("fine", "wrong"))
    (fine * 30 + wrong * np.array([40.0, bad])).sum().backward()
    with pytest.raises(FloatingPointError, match=r"^clip_grad_norm: the gradient of wrong is not finite; lower"):
        nn.clip_grad_norm([fine, wrong], 1.0)
    same([grad_of(fine), grad_of(wrong)], [[30, 30], [40, bad]])

"""The awkward cases by number, rows 21 to 36, shapes and dtypes.

An error that says what to do, or the right answer; never a wrong gradient in silence.
Forward passes warn as NumPy warns; backward passes never do, and here every warning that is not expected fails.
"""

from __future__ import annotations

import itertools
import operator as op
from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor
from engine.primitive import registry
from engine.testing import gradcheck
from tests.engine.traps import RNG, Function, float32, grad_of, inf, leaf, ones, same, slopes

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
    with pytest.raises(np.exceptions.AxisError, match=r"^softmax: axis 1"):
        engine.softmax(x, axis=1)


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
    gradcheck(engine.matmul, x, y, order=2)


def test_34_einsum_with_repeated_labels() -> None:
    cases: list[Any] = [("ii->i", (3, 3)), ("ii->", (3, 3)), ("ii", (3, 3)), ("iii->i", (2, 2, 2))]
    cases += [("iji->j", (2, 3, 2)), ("ijij->ji", (2, 3, 2, 3)), ("...ii->...i", (2, 3, 3))]
    cases += [("ii,i->i", (3, 3), (3,)), ("iij,jk->ik", (2, 2, 3), (3, 2))]
    for subscripts, *shapes in cases:
        arrays = [RNG.normal(size=shape) for shape in shapes]
        found = engine.einsum(subscripts, *[Tensor(x) for x in arrays]).numpy()
        np.testing.assert_allclose(found, np.einsum(subscripts, *arrays))
        gradcheck(lambda *xs, s=subscripts: engine.einsum(s, *xs), *arrays, order=2)
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

"""Reductions, scans and order: values against NumPy, and exact gradients at ties, zeros and constants."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor
from engine.testing import gradcheck
from tests.engine.gradients import gradient

RNG = np.random.default_rng(0)


def numpy_logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


def numpy_norm(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))


REDUCTIONS: list[tuple[Any, Any]] = [
    (engine.sum, np.sum),
    (engine.mean, np.mean),
    (engine.prod, np.prod),
    (engine.max, np.max),
    (engine.min, np.min),
    (engine.var, np.var),
    (engine.std, np.std),
    (engine.norm, numpy_norm),
    (engine.logsumexp, numpy_logsumexp),
]
OPS = [ours for ours, _ in REDUCTIONS]
NAMES = [op.name for op in OPS]
reductions = pytest.mark.parametrize(("ours", "theirs"), REDUCTIONS, ids=NAMES)


@reductions
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), (-1, 0), ()])
def test_reductions_are_numpys(ours: Any, theirs: Any, dtype: Any, keepdims: bool, axis: Any) -> None:
    strided = RNG.normal(size=(2, 6, 4)).astype(dtype)[:, ::-2].swapaxes(1, 2)
    out = ours(Tensor(strided), axis=axis, keepdims=keepdims).numpy()
    expected = theirs(strided, axis=axis, keepdims=keepdims)
    assert out.dtype == dtype
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)
    assert out.shape == expected.shape


@reductions
def test_reductions_of_a_single_number(ours: Any, theirs: Any) -> None:
    out = ours(Tensor(np.array(2.0)))
    assert type(out.array) is np.ndarray
    np.testing.assert_allclose(out.numpy(), theirs(np.array(2.0)))


@pytest.mark.parametrize("op", OPS, ids=NAMES)
def test_an_axis_out_of_range_is_named_with_the_op(op: Any) -> None:
    for error in (ValueError, IndexError):
        with pytest.raises(error, match=f"^{op.name}: axis 2"):
            op(Tensor(np.ones((2, 3))), axis=2)
    with pytest.raises(ValueError, match=f"^{op.name}: .*axis"):
        op(Tensor(np.ones((2, 3))), axis=(0, -2))


def test_squares_of_float16_are_added_up_in_float32() -> None:
    assert engine.norm(np.full(4, 300.0, np.float16)) == 600
    assert engine.var(np.array([0.0, 500.0] * 4, np.float16)) == np.float16(62_500)
    for op in (engine.sum, engine.mean, engine.var, engine.std, engine.norm, engine.logsumexp):
        assert op(np.ones(4, np.float16)).dtype == np.float16


# ---- products ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scans_are_numpys(axis: int, dtype: Any) -> None:
    x = RNG.normal(size=(3, 8)).astype(dtype)[:, ::-2]
    for ours, theirs in ((engine.cumsum, np.cumsum), (engine.cumprod, np.cumprod)):
        out = ours(Tensor(x), axis=axis).numpy()
        assert out.dtype == dtype
        np.testing.assert_allclose(out, theirs(x, axis=axis), rtol=1e-6)
        assert ours(np.ones((2, 0)), axis=1).shape == (2, 0)
        with pytest.raises(IndexError, match=f"{theirs.__name__}: axis 1"):
            ours(np.array(1.0), axis=1)


def test_the_gradient_of_cumsum() -> None:
    np.testing.assert_array_equal(gradient(lambda x: engine.cumsum(x, axis=0), [1, 2, 3]), [3, 2, 1])


# ---- moments -------------------------------------------------------------------------------------------------------


def test_correction() -> None:
    x = RNG.normal(size=(4, 3))
    np.testing.assert_allclose(engine.var(x, axis=0, correction=1), np.var(x, axis=0, ddof=1))
    np.testing.assert_allclose(engine.std(x, correction=1.5), np.std(x, ddof=1.5))


def test_the_gradient_of_a_norm() -> None:
    np.testing.assert_allclose(gradient(engine.norm, [3.0, 4.0]), [0.6, 0.8])


def test_logsumexp_neither_overflows_nor_loses_a_row() -> None:
    x = np.array([[1000.0, 1000.0], [-1000.0, -np.inf]])
    out = engine.logsumexp(x, axis=1)
    np.testing.assert_allclose(out, [1000 + np.log(2), -1000])
    expected = [[0.5, 0.5], [1, 0]]
    np.testing.assert_array_equal(gradient(lambda x: engine.logsumexp(x, axis=1), x), expected)
    assert engine.logsumexp(np.array([np.inf, 0.0])) == np.inf
    narrow = gradient(engine.logsumexp, [1000.0, 1001.0, 1002.0], np.float32)
    np.testing.assert_allclose(narrow, engine.softmax(np.arange(3.0)), rtol=3e-7)


# ---- order ---------------------------------------------------------------------------------------------------------


def test_nan_is_an_extreme_and_takes_the_gradient() -> None:
    np.testing.assert_array_equal(gradient(engine.max, [3, np.nan, 1]), [0, 1, 0])


def test_argsort_of_unsigned_integers_descending() -> None:
    np.testing.assert_array_equal(engine.argsort(np.array([1, 3, 2], np.uint8), descending=True), [1, 2, 0])


@pytest.mark.parametrize("axis", [0, 1, -1, -3])
@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 0, 2)])
def test_sort_is_numpys(axis: int, shape: tuple[int, ...]) -> None:
    x = RNG.normal(size=shape).astype(np.float32)
    np.testing.assert_array_equal(engine.sort(Tensor(x), axis=axis).numpy(), np.sort(x, axis=axis))
    np.testing.assert_array_equal(engine.sort(x, axis=axis, descending=True), np.flip(np.sort(x, axis=axis), axis))
    np.testing.assert_array_equal(engine.argsort(Tensor(x), axis=axis), np.argsort(x, axis=axis, stable=True))


def test_the_gradient_of_sort_follows_the_permutation() -> None:
    x = RNG.permutation(12).reshape(3, 4).astype(float)
    gradcheck(lambda x: engine.square(engine.sort(x, axis=0)), x, order=2)
    gradcheck(lambda x: engine.square(engine.sort(x, descending=True)), x, order=2)
    with pytest.raises(IndexError, match=r"^sort: axis 2"):
        engine.sort(x, axis=2)


def test_places_are_plain_arrays() -> None:
    x = np.array([[1.0, 5.0, 5.0], [7.0, 0.0, 2.0]])
    for ours, theirs in ((engine.argmax, np.argmax), (engine.argmin, np.argmin)):
        for axis in (None, 0, -1):
            for keepdims in (False, True):
                out = ours(Tensor(x, requires_grad=True), axis=axis, keepdims=keepdims)
                assert type(out) is np.ndarray
                np.testing.assert_array_equal(out, theirs(x, axis=axis, keepdims=keepdims))
        with pytest.raises(IndexError, match=f"^{theirs.__name__}: axis 2"):
            ours(x, axis=2)

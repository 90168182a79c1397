"""Dtypes, shapes, operators and what a tensor refuses to be."""

from __future__ import annotations

import numpy as np

import engine
from engine import Tensor


def test_python_numbers_become_float32_and_arrays_keep_their_dtype() -> None:
    assert Tensor([1, 2]).dtype == np.float32
    assert Tensor(3).dtype == np.float32
    assert Tensor(np.arange(3)).dtype == np.int64
    assert Tensor(np.float64(2)).dtype == np.float64


def test_a_gradient_has_the_dtype_of_its_tensor_whatever_it_met() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    wide = Tensor(np.array([[3.0, 4.0]]), requires_grad=True)
    (x * wide).sum().backward()
    assert x.grad is not None
    assert wide.grad is not None
    assert x.grad.dtype == np.float32
    assert wide.grad.dtype == np.float64


def test_arrays_in_arrays_out() -> None:
    assert type(engine.exp(np.ones(2))) is np.ndarray
    assert type(engine.sum(np.ones(2))) is np.ndarray


def test_repr_says_how_it_was_made() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    assert repr(x) == "Tensor([1., 2.], requires_grad=True)"
    assert repr(x * 2.0) == "Tensor([2., 4.], <multiply>)"
    assert repr(Tensor(np.ones(1))) == "Tensor([1.], dtype=float64)"


def test_attention_with_scores_worlds_apart_or_not_finite_keeps_each_row_to_itself() -> None:
    query = np.array([[300.0], [-300.0], [0.0]])
    out = engine.scaled_dot_product_attention(query, np.array([[1.0], [2.0]]), np.array([[10.0], [20.0]]), scale=1.0)
    np.testing.assert_allclose(out, [[20.0], [10.0], [15.0]])
    query[0] = np.nan
    out = engine.scaled_dot_product_attention(query, np.array([[1.0], [2.0]]), np.array([[10.0], [20.0]]), scale=1.0)
    assert np.isnan(out[0])
    np.testing.assert_allclose(out[1:], [[10.0], [15.0]])

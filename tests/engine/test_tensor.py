"""Dtypes, shapes, operators and what a tensor refuses to be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor


def test_python_numbers_become_float32_and_arrays_keep_their_dtype() -> None:
    assert Tensor([1, 2]).dtype == np.float32
    assert Tensor(3).dtype == np.float32
    assert Tensor(np.arange(3)).dtype == np.int64
    assert Tensor(np.float64(2)).dtype == np.float64


@pytest.mark.parametrize("scalar", [2, 2.0, np.float64(2), np.array(2.0), np.arange(1, 3)], ids=repr)
def test_scalars_and_integer_arrays_never_widen_a_tensor(scalar: object) -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    for y in (x * scalar, scalar * x, x + scalar, scalar / x):
        assert isinstance(y, Tensor)
        assert y.dtype == np.float32
        x.zero_grad()
        y.sum().backward()
        assert x.grad is not None
        assert x.grad.dtype == np.float32


def test_a_gradient_has_the_dtype_of_its_tensor_whatever_it_met() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    wide = Tensor(np.array([[3.0, 4.0]]), requires_grad=True)
    (x * wide).sum().backward()
    assert x.grad is not None
    assert wide.grad is not None
    assert x.grad.dtype == np.float32
    assert wide.grad.dtype == np.float64


def test_results_without_axes_are_arrays_not_numpy_scalars() -> None:
    y = Tensor([1.0, 2.0]).sum() * 2.0
    assert type(y.array) is np.ndarray
    assert y.shape == ()


def test_an_array_meeting_a_tensor_becomes_one() -> None:
    y = np.array([1.0, 2.0], np.float32) + Tensor([1.0, 1.0])
    assert isinstance(y, Tensor)


def test_arrays_in_arrays_out() -> None:
    assert type(engine.exp(np.ones(2))) is np.ndarray
    assert type(engine.sum(np.ones(2))) is np.ndarray


def test_an_in_place_update_of_an_array_by_a_tensor_is_refused() -> None:
    array: Any = np.ones(2)
    with pytest.raises(TypeError):
        array += Tensor([1.0, 1.0])


def test_numpy_functions_do_not_take_tensors() -> None:
    with pytest.raises(TypeError, match=r"\.numpy\(\)"):
        np.asarray(Tensor([1.0]))
    with pytest.raises(TypeError):
        np.exp(Tensor([1.0]))


def test_integers_and_booleans_cannot_require_a_gradient() -> None:
    with pytest.raises(TypeError, match="int64"):
        Tensor(np.arange(3), requires_grad=True)


def test_shapes_that_do_not_fit_name_the_op_and_both_shapes() -> None:
    with pytest.raises(ValueError, match=r"add: .*\(2,\), \(3,\)"):
        Tensor([1.0, 2.0]) + Tensor([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"matmul: .*\(2, 3\), \(2, 3\)"):
        Tensor(np.ones((2, 3))) @ Tensor(np.ones((2, 3)))


def test_truth_hash_and_equality() -> None:
    x = Tensor([1.0, 2.0])
    assert (x == x).all()
    assert hash(x) == hash(x)
    assert bool(Tensor([2.0]))
    with pytest.raises(ValueError, match=r"\(2,\)"):
        bool(x)


def test_repr_says_how_it_was_made() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    assert repr(x) == "Tensor([1., 2.], requires_grad=True)"
    assert repr(x * 2.0) == "Tensor([2., 4.], <multiply>)"
    assert repr(Tensor(np.ones(1))) == "Tensor([1.], dtype=float64)"


def test_kinks_and_ties() -> None:
    zero = Tensor([0.0], requires_grad=True)
    (engine.relu(zero) + engine.abs(zero)).sum().backward()
    assert zero.grad is not None
    assert zero.grad.numpy() == [0.0]
    x, y = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
    engine.maximum(x, y).sum().backward()
    assert x.grad is not None
    assert x.grad.numpy() == [0.5]
    tied = Tensor([3.0, 1.0, 3.0], requires_grad=True)
    tied.max().backward()
    assert tied.grad is not None
    np.testing.assert_array_equal(tied.grad.numpy(), [0.5, 0.0, 0.5])


def test_repeated_indices_accumulate() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    x[[0, 0, 1]].sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), [2.0, 1.0])


def test_mistakes_with_ids_and_labels_name_value_position_and_size() -> None:
    weight, logits = Tensor(np.ones((3, 2))), Tensor(np.ones((2, 3)))
    with pytest.raises(IndexError, match=r"id 3 at position \(1,\) is not in a table of 3 rows"):
        engine.embedding(np.array([0, 3]), weight)
    with pytest.raises(IndexError, match=r"label -1 at position \(0,\) is not one of 3 classes"):
        engine.cross_entropy(logits, np.array([-1, 0]))
    with pytest.raises(ValueError, match="every label is ignored"):
        engine.cross_entropy(logits, np.array([-100, -100]))


def test_a_query_that_may_look_nowhere_gets_zero_and_sends_zero() -> None:
    q = Tensor(np.ones((2, 4)), requires_grad=True)
    mask = np.array([[True, False], [False, False]])
    out = engine.scaled_dot_product_attention(q, q, q, mask=mask)
    np.testing.assert_array_equal(out.numpy()[1], np.zeros(4))
    out.sum().backward()
    assert q.grad is not None
    assert np.isfinite(q.grad.numpy()).all()


def test_large_scores_do_not_overflow() -> None:
    x = Tensor([1000.0, 0.0, -1000.0])
    np.testing.assert_array_equal(engine.softmax(x).numpy(), [1, 0, 0])
    assert np.isfinite(engine.cross_entropy(x, np.array(2)).item())


def test_attention_with_scores_worlds_apart_or_not_finite_keeps_each_row_to_itself() -> None:
    query = np.array([[300.0], [-300.0], [0.0]])
    out = engine.scaled_dot_product_attention(query, np.array([[1.0], [2.0]]), np.array([[10.0], [20.0]]), scale=1.0)
    np.testing.assert_allclose(out, [[20.0], [10.0], [15.0]])
    query[0] = np.nan
    out = engine.scaled_dot_product_attention(query, np.array([[1.0], [2.0]]), np.array([[10.0], [20.0]]), scale=1.0)
    assert np.isnan(out[0])
    np.testing.assert_allclose(out[1:], [[10.0], [15.0]])

"""Fused ops on arrays with an empty side: an error that names the op, or the right answer without a warning."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor


def zeros(*shape: int) -> Any:
    return Tensor(np.zeros(shape), requires_grad=True)


@pytest.mark.parametrize("op", [engine.softmax, engine.log_softmax])
@pytest.mark.parametrize("axis", [0, 1])
def test_softmax_along_an_empty_axis_is_empty(op: Any, axis: int) -> None:
    x = zeros(0, 3) if axis == 0 else zeros(3, 0)
    out = op(x, axis=axis)
    out.backward(np.zeros(x.shape))
    assert out.shape == x.shape == x.grad.shape


@pytest.mark.parametrize(("op", "value"), [(engine.softmax, 1.0), (engine.log_softmax, 0.0)])
@pytest.mark.parametrize("axis", [0, -1])
def test_softmax_of_one_number_without_axes_is_constant_to_any_order(op: Any, value: float, axis: int) -> None:
    x = Tensor(0.7, requires_grad=True)
    for out in (op(x, axis=axis), op.reference(x, axis=axis)):
        assert out.item() == value
    first = engine.grad(lambda x: engine.sin(op(x, axis=axis)))
    assert (first(0.7).item(), engine.grad(first)(0.7).item()) == (0.0, 0.0)
    assert engine.grad(lambda x: engine.sin(op.reference(x, axis=axis)))(0.7).item() == 0.0


@pytest.mark.parametrize("op", [engine.softmax, engine.log_softmax])
def test_softmax_of_impossible_scores_is_nan(op: Any) -> None:
    x = np.array([[-np.inf, -np.inf], [-np.inf, 0.5]])
    with np.errstate(all="ignore"):
        for out in (op(x), op.reference(x, axis=-1)):
            assert np.isnan(out).any(axis=-1).tolist() == [True, False]


@pytest.mark.parametrize("op", [engine.layer_norm, engine.rms_norm])
def test_a_row_without_values_has_no_norm(op: Any) -> None:
    with pytest.raises(
        ValueError, match=rf"^{op.name}: a row without values has no mean \(argument shapes: \(2, 0\)\)"
    ):
        op(zeros(2, 0))


def test_attention_without_channels_weighs_all_values_alike() -> None:
    query, key, value = zeros(3, 0), zeros(2, 0), Tensor(np.array([[1.0], [3.0]]), requires_grad=True)
    out = engine.scaled_dot_product_attention(query, key, value)
    np.testing.assert_array_equal(out.numpy(), [[2.0], [2.0], [2.0]])
    out.sum().backward()
    np.testing.assert_array_equal(value.grad.numpy(), [[1.5], [1.5]])  # type: ignore[union-attr]
    assert query.grad is not None
    assert query.grad.shape == (3, 0)


def test_attention_to_no_keys_is_zero() -> None:
    out = engine.scaled_dot_product_attention(zeros(3, 2), zeros(0, 2), zeros(0, 4))
    np.testing.assert_array_equal(out.numpy(), np.zeros((3, 4)))
    out.sum().backward()

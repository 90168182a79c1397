"""Attention where the weights are not kept: in slices of the queries, with the same results and little memory."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor
from engine.ops.fused import attention_weights
from engine.primitive import registry
from engine.testing import check_op

OP = "scaled_dot_product_attention"


@pytest.fixture
def sliced(monkeypatch: pytest.MonkeyPatch) -> None:
    """No weights are kept, and a slice has one or two queries."""
    monkeypatch.setattr(attention_weights, "_KEPT", 0)
    monkeypatch.setattr(attention_weights, "_SLICE", 6)


def slopes(arrays: Any, g: Any, **settings: Any) -> list[Any]:
    """The result, and the gradients of <g, result>."""
    leaves = [Tensor(array, requires_grad=True) for array in arrays]
    out = engine.scaled_dot_product_attention(*leaves, **settings)
    out.backward(g)
    return [out.numpy(), *(leaf.grad.numpy() for leaf in leaves if leaf.grad is not None)]


@pytest.mark.usefixtures("sliced")
def test_the_laws_hold_in_slices() -> None:
    check_op(registry[OP])


@pytest.mark.usefixtures("sliced")
def test_no_weights_are_kept() -> None:
    out, weights, shift, inverse = registry[OP].forward(*np.ones((3, 5, 2)), mask=None, causal=True, scale=None)
    assert weights is None
    assert out.shape == (5, 2)
    assert shift.shape == inverse.shape == (5, 1)


MASKS = {
    "none": None,
    "over keys": np.array([True, False, True, True, True, True, False]),
    "of each query": np.tri(5, 7, 1, dtype=bool),
    "numbers": np.linspace(-2, 2, 35).reshape(5, 7),
    "with a leading axis": np.arange(70).reshape(2, 1, 5, 7) % 3 > 0,
    "one column": np.array([True, False, True, True, True])[:, None],
}


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("mask", MASKS)
def test_slices_change_nothing(mask: str, causal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape) for shape in ((2, 3, 5, 4), (1, 3, 7, 4), (3, 7, 6))]
    g = rng.standard_normal((2, 3, 5, 6))
    whole = slopes(arrays, g, mask=MASKS[mask], causal=causal)
    monkeypatch.setattr(attention_weights, "_KEPT", 0)
    for size in (1, 50, 200):
        monkeypatch.setattr(attention_weights, "_SLICE", size)
        for found, expected in zip(slopes(arrays, g, mask=MASKS[mask], causal=causal), whole, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("where", ["query", "key", "value"])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_slices_read_what_is_not_finite_where_the_whole_does(
    where: str, number: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third query, key or value is not finite."""
    rng = np.random.default_rng(1)
    arrays = [rng.standard_normal((5, 4)) for _ in range(3)]
    arrays[["query", "key", "value"].index(where)][2] = number
    for last in (2, 5):  # cotangents of queries before the third, and of all
        cotangent = np.where(np.arange(5)[:, None] < last, rng.standard_normal((5, 4)), 0)
        whole = slopes(arrays, cotangent, causal=True)
        with monkeypatch.context() as patch:
            patch.setattr(attention_weights, "_KEPT", 0)
            patch.setattr(attention_weights, "_SLICE", 6)
            sliced = slopes(arrays, cotangent, causal=True)
        for found, expected in zip(sliced, whole, strict=True):
            known = ~np.isnan(expected)  # a slice does not read keys after its last query at all, so it knows more
            np.testing.assert_allclose(found[known], expected[known], rtol=1e-10, atol=1e-12)
            assert np.isnan(found[2]).all() == np.isnan(expected[2]).all()


def test_memory_grows_with_the_text_and_not_with_its_square() -> None:
    """4,096 characters: the weights alone would take 256 MB."""
    arrays = [np.ones((4, 4096, 8), np.float32) for _ in range(3)]
    slopes([x[:, :512] for x in arrays], arrays[0][:, :512], causal=True)  # loads what is loaded at first use
    tracemalloc.start()
    try:
        slopes(arrays, np.ones((4, 4096, 8), np.float32), causal=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 24e6

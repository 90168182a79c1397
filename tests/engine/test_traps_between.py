"""What no drawn example comes to: rules where two of their cases meet, indices in other forms, one large table.

Each of these tests finds a wrong rule that nothing else found, see `engine/testing/mutation/`.
"""

from __future__ import annotations

from functools import partial

import numpy as np

import engine
from engine import Tensor
from tests.engine.traps import grad_of, inf, leaf, nan, same, slopes


def test_indices_in_other_forms() -> None:
    """Tuples, lists within tuples, and empty lists read, and send back, what arrays of integers would."""
    assert slopes(lambda x: engine.take(x, (0, 0), axis=0), [1.0, 2.0]) == [[2.0, 0.0]]
    assert slopes(lambda x: engine.take_along_axis(x, ((0, 0),), axis=1), [[1.0, 2.0]]) == [[[2.0, 0.0]]]
    assert slopes(lambda x: x[[0, 0], 1], [[1.0, 2.0]]) == [[[0.0, 2.0]]]
    assert slopes(lambda x: x[Tensor([0, 0], dtype=np.int64), 1], [[1.0, 2.0]]) == [[[0.0, 2.0]]]
    for read in (
        lambda x: x[[]],
        lambda x: engine.take(x, [], axis=0),
        lambda x: engine.take_along_axis(x, [], axis=0),
    ):
        assert slopes(read, [1.0, 2.0]) == [[0.0, 0.0]]


def test_axes_counted_from_the_end() -> None:
    x = leaf(np.arange(6.0).reshape(1, 2, 3))
    g = np.arange(6.0).reshape(3, 1, 2)
    engine.permute_dims(x, axes=(-1, 0, -2)).backward(g)
    same(grad_of(x), g.transpose(1, 2, 0))


def test_at_a_bound_nothing_goes_to_the_bound() -> None:
    x, low, high = [-1.0, 0.0, 0.5, 1.0, 2.0], [0.0] * 5, [1.0] * 5
    assert slopes(engine.clip, x, low, high)[1:] == [[1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0]]


def test_powers_side_by_side() -> None:
    """A zero exponent or a zero base changes nothing for its neighbours."""
    base, exponent = [0.0, 0.0, 2.0, 0.0], [0.0, 2.0, 3.0, -1.0]
    of_base, of_exponent = slopes(engine.pow, base, exponent)
    same(of_base, [0.0, 0.0, 12.0, -inf])
    same(of_exponent, [0.0, 0.0, 8 * np.log(2.0), -inf])
    tiny = engine.grad(lambda y: engine.grad(lambda x: x**y)(np.array(1e-200)))(np.array(0.0))
    np.testing.assert_allclose(tiny.item(), 1e200)


def test_the_origin_beside_other_points() -> None:
    assert slopes(engine.hypot, [0.0, 3.0], [0.0, 4.0]) == [[0.0, 0.6], [0.0, 0.8]]
    np.testing.assert_allclose(slopes(engine.atan2, [0.0, 3.0], [0.0, 4.0]), [[0.0, 0.16], [0.0, -0.12]])


def test_nan_is_what_comes_out_so_it_receives() -> None:
    for f in (engine.max, engine.min):
        assert slopes(f, [1.0, nan, 2.0]) == [[0.0, 1.0, 0.0]]


def test_attention_of_large_scores_recorded() -> None:
    q, k, v = leaf([[1e3, 0.0]]), leaf([[1e3, 0.0], [0.0, 0.0]]), leaf([[1.0], [2.0]])
    engine.scaled_dot_product_attention(q, k, v).backward([[1.0]], create_graph=True)
    for x in (q, k, v):
        assert np.isfinite(grad_of(x)).all()
    same(grad_of(v), [[1.0], [0.0]])


def test_attention_where_only_values_have_a_batch() -> None:
    q, k, v = np.ones((1, 2)), np.ones((3, 2)), np.arange(12.0).reshape(2, 3, 2)
    _, moved = engine.jvp(lambda v: engine.scaled_dot_product_attention(q, k, v), v, v)
    np.testing.assert_allclose(moved.numpy(), v.mean(axis=1, keepdims=True))


def test_one_class_and_an_ignored_label() -> None:
    logits = leaf([[3.0], [4.0]])
    engine.cross_entropy(logits, np.array([0, -100])).backward()
    same(grad_of(logits), [[0.0], [0.0]])


def test_a_large_table() -> None:
    table = leaf(np.zeros((300, 2)))
    engine.embedding(np.array([299, 0, 299]), table).sum().backward()
    assert grad_of(table)[[0, 1, 299], 0].tolist() == [1.0, 0.0, 2.0]


def test_values_of_what_is_averaged() -> None:
    x = np.array([[1.0, 2.0, 4.0]])
    loss = engine.cross_entropy(Tensor(np.zeros((4, 2))), np.array([0, 1, 0, -100]))
    np.testing.assert_allclose(loss.item(), np.log(2))
    np.testing.assert_allclose(engine.var(Tensor(x), correction=1.0).item(), np.var(x, ddof=1))


def test_the_default_scale_of_attention() -> None:
    q = np.array([[[0.0, 2.0, 0.0, 0.0]]])
    k, v = np.eye(4), np.array([[0.0], [1.0], [0.0], [0.0]])
    out = engine.scaled_dot_product_attention(Tensor(q), Tensor(k), Tensor(v))
    np.testing.assert_allclose(out.item(), np.e / (np.e + 3))


def test_a_mask_and_the_order_of_time() -> None:
    q, k, v = np.zeros((2, 1)), np.zeros((2, 1)), np.array([[1.0], [3.0]])
    mask = np.array([[True, True], [False, True]])
    attend = partial(engine.scaled_dot_product_attention, Tensor(q), Tensor(k), Tensor(v))
    same(attend(), [[2.0], [2.0]])
    same(attend(causal=True), [[1.0], [2.0]])
    same(attend(mask=mask), [[2.0], [3.0]])
    same(attend(mask=mask, causal=True), [[1.0], [3.0]])


def test_without_channels_an_affine_map_is_its_bias() -> None:
    x, weight = leaf(np.ones((2, 0))), leaf(np.ones((3, 0)))
    out = engine.linear(x, weight, np.arange(3.0))
    out.sum().backward()
    same(out, [[0.0, 1.0, 2.0]] * 2)
    assert (grad_of(x).shape, grad_of(weight).shape) == ((2, 0), (3, 0))


def test_only_a_nan_is_mended_and_only_place_by_place() -> None:
    at, w = np.array([0.0, 4.0]), np.zeros(2)
    slope = engine.jacobian(lambda w: engine.grad(lambda x: (w * engine.sqrt(x)).sum())(at))(w)
    assert slope.numpy()[1, 1] == 0.25  # w is 0 and asks for nothing, its derivative does
    x, y = leaf(np.ones((2, 2))), np.array([[inf, 1.0], [1.0, 1.0]])
    (x @ y).backward([[0.0, 1.0], [1.0, 1.0]])
    same(grad_of(x), [[nan, 1.0], [inf, 2.0]])  # 0 * inf + 1: the zero is not all that was asked of that place


def test_each_gradient_in_its_own_dtype() -> None:
    x, y = leaf([1.0, 2.0], np.float32), leaf([3.0, 4.0])
    (x * y).sum().backward()
    same([grad_of(x), grad_of(y)], [[3.0, 4.0], [1.0, 2.0]])
    assert (grad_of(x).dtype, grad_of(y).dtype) == (np.float32, np.float64)


def test_what_is_joined_to_a_constant_moves_alone() -> None:
    x = np.array([1.0, 2.0])
    same(engine.jvp(lambda x: engine.concat([x, Tensor([5.0], dtype=np.float64)]), x, x)[1], [1.0, 2.0, 0.0])

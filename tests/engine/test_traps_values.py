"""The awkward cases by number, rows 37 to 56, kinks, ties, edges of the domain.

An error that says what to do, or the right answer; never a wrong gradient in silence.
Forward passes warn as NumPy warns; backward passes never do, and here every warning that is not expected fails.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import pytest

import engine
import nn
from engine import Tensor
from engine.primitive import registry
from engine.testing import gradcheck
from tests.engine.traps import Function, float32, grad_of, inf, leaf, nan, ones, same, slopes


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
    line = rf"made at .*test_traps_values\.py:\d+ in {sys._getframe().f_code.co_name}"
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
    gradcheck(engine.prod, np.array([[2.0, 0.0], [0.0, 4.0]]), order=2)
    gradcheck(lambda x: engine.cumprod(x, axis=-1), np.array([2.0, 0.0, 3.0, 0.0, 0.5, 1.0, -1.0]), order=2)


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
            engine.rms_norm(ones(1, 3), eps=eps)
        with pytest.raises(ValueError, match=f"^RMSNorm: eps must be above 0, not {eps:g}"):
            nn.RMSNorm(3, eps=eps)


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


@pytest.mark.parametrize("factor", [1.0, 2.0, -3.0])
def test_a_multiple_of_a_loss_has_that_multiple_of_its_gradient(factor: float) -> None:
    (slope,) = slopes(lambda x: engine.cross_entropy(x, [0]) * factor, [[0.5, 0.5]])
    same(slope, [[-0.5 * factor, 0.5 * factor]])


def test_55_dropout_at_and_beyond_its_bounds() -> None:
    x = leaf([1.0, 2.0])
    assert nn.Dropout(0.0)(x) is x
    dropped = nn.Dropout(1.0)(x)
    dropped.sum().backward()
    same([dropped.numpy(), grad_of(x)], np.zeros((2, 2)))
    for p in (1.5, -0.1, nan):
        with pytest.raises(ValueError, match=f"^Dropout: p must be (between 0 and 1|finite), not {p}"):
            nn.Dropout(p)(x)


@pytest.mark.parametrize("bad", [nan, inf, -inf])
def test_56_clipping_a_gradient_that_is_not_finite(bad: float) -> None:
    fine, wrong = (Tensor([1.0, 1.0], requires_grad=True, name=name) for name in ("fine", "wrong"))
    (fine * 30 + wrong * np.array([40.0, bad])).sum().backward()
    with pytest.raises(
        FloatingPointError, match=r"^clip_grad_norm: the gradient of the tensor wrong of shape .* is not finite; lower"
    ):
        nn.clip_grad_norm([fine, wrong], 1.0)
    same([grad_of(fine), grad_of(wrong)], [[30, 30], [40, bad]])

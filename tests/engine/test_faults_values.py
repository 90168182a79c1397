"""Faults found in other engines: wrong numbers in silence.

What is not used is multiplied by zero, intermediates leave the range of floats, the rules refuse what the forward pass
accepts. Precision in the tails is in `test_faults_tails.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor
from tests.engine.gradients import gradient
from tests.engine.traps import Function, float32, grad_of, inf, leaf, nan, same, slopes

SECOND = np.array([False, True])


def entropy(x: Any) -> Any:
    return x * engine.log(x)


# ---- 1: a zero cotangent beats what was saved ---------------------------------------------------------------------


UNUSED: dict[str, Function] = {  # the value at x = -1 is left out, and that at x = 2 is used
    "where": lambda x: engine.where(x > 0, entropy(x), 0.0),
    "index": lambda x: entropy(x)[1],
    "mask": lambda x: entropy(x)[SECOND],
    "array of indices": lambda x: entropy(x)[np.array([1])],
    "take": lambda x: engine.take(entropy(x), [1], axis=0),
    "take_along_axis": lambda x: engine.take_along_axis(entropy(x), [1], axis=0),
    "split": lambda x: engine.split(entropy(x), 2)[1],
    "pad and index": lambda x: engine.pad(entropy(x), widths=(0, 1))[1:],
    "roll and index": lambda x: engine.roll(entropy(x), shift=1)[0],
    "flip and index": lambda x: engine.flip(entropy(x))[0],
    "reshape and index": lambda x: engine.reshape(entropy(x), shape=(2, 1))[1],
    "astype and index": lambda x: engine.astype(entropy(x), dtype=float32)[1],
    "embedding": lambda x: engine.embedding([1], entropy(x)[:, None]),
    "through an op": lambda x: engine.where(SECOND, entropy(x), 0.0) * 1.0,
    "max over where": lambda x: engine.max(engine.where(SECOND, entropy(x), -5.0)),
    "sort and index": lambda x: engine.sort(engine.where(SECOND, entropy(x), 0.0))[1],
}
SAVED_NAN: list[Function] = [  # pointwise, of log(x), which is nan at x = -1
    *(engine.tanh, engine.sigmoid, engine.silu, engine.gelu, engine.softplus, engine.erf, engine.exp, engine.square),
    *(engine.abs, engine.sqrt, engine.atan, engine.sinh, lambda y: 1 / y, lambda y: y**3, lambda y: y * y),
    *(lambda y: engine.hypot(y, 1.0), lambda y: engine.atan2(y, 2.0), lambda y: engine.clip(y, -9.0, 9.0)),
    *(lambda y: engine.maximum(y, 0.0), lambda y: engine.where(y > 0, y, 1.0), lambda y: engine.pow(2.0, y)),
]
ALONG: list[Function] = [  # along an axis: the first row is nan and left out
    *(lambda y, op=op: op(y, axis=1) for op in (engine.sum, engine.mean, engine.prod, engine.max, engine.norm)),
    *(lambda y, op=op: op(y, axis=1) for op in (engine.var, engine.std, engine.logsumexp, engine.min)),
    *(lambda y, op=op: op(y, axis=1) for op in (engine.softmax, engine.log_softmax, engine.cumsum, engine.cumprod)),
    *(engine.sort, engine.layer_norm, engine.rms_norm),
]


@pytest.mark.parametrize("f", UNUSED.values(), ids=UNUSED)
def test_01_a_place_that_is_not_used_sends_zero(f: Function) -> None:
    ((first, second),) = slopes(f, [-1.0, 2.0])
    assert first == 0.0
    assert second == pytest.approx(1 + np.log(2.0))


@pytest.mark.parametrize("f", SAVED_NAN)
def test_01_whatever_pointwise_op_saved_the_nan(f: Function) -> None:
    (found,) = slopes(lambda x: engine.where(SECOND, f(engine.log(x)), 0.0), [-1.0, 2.0])
    assert found == [0.0, pytest.approx(slopes(lambda x: f(engine.log(x)), [2.0])[0][0])]


@pytest.mark.parametrize("f", ALONG)
def test_01_a_slice_that_is_not_used_sends_zero(f: Function) -> None:
    x, weights = [[-1.0, -2.0], [2.0, 3.0]], np.array([1.0, 3.0])
    (found,) = slopes(lambda x: f(engine.log(x))[1] * weights, x)
    (alone,) = slopes(lambda x: f(engine.log(x))[0] * weights, x[1:])
    assert found == [[0.0, 0.0], pytest.approx(alone[0])]


def test_01_the_row() -> None:
    with np.errstate(invalid="ignore"):
        assert gradient(lambda x: engine.where(x > 0, x * engine.log(x), 0.0), [-1.0]) == [0.0]


# ---- 5: what is ignored or masked is not read ---------------------------------------------------------------------


def test_05_ignored_labels() -> None:
    logits = leaf([[-inf, 1.0, 2.0], [-inf, 0.5, nan]])
    loss = engine.cross_entropy(logits, [1, -100])
    loss.backward()
    assert loss.item() == pytest.approx(1.3132617)
    np.testing.assert_allclose(grad_of(logits), [[0.0, -0.7310586, 0.7310586], [0.0] * 3], rtol=1e-6)


def test_05_ignored_labels_with_smoothing_and_none() -> None:
    x = [[1.0, 2.0], [nan, inf]]
    for keywords in ({"label_smoothing": 0.1}, {"reduction": "none"}, {"reduction": "sum"}):
        (found,) = slopes(lambda x, k=keywords: engine.cross_entropy(x, [1, -100], **k), x)
        assert found[1] == [0.0, 0.0]
        assert np.isfinite(found[0]).all()


def test_05_a_class_of_probability_zero_may_be_impossible() -> None:
    logits = leaf([[-inf, 1.0, 2.0]])
    loss = engine.cross_entropy(logits, [[0.0, 0.5, 0.5]])
    loss.backward()
    assert loss.item() == pytest.approx(0.8132617)
    np.testing.assert_allclose(grad_of(logits), [[0.0, -0.2310586, 0.2310586]], rtol=1e-6)


MASKS: dict[str, tuple[dict[str, Any], int]] = {  # and how many queries see the first key only
    "boolean": ({"mask": np.array([[True, False], [True, False]])}, 2),
    "added": ({"mask": np.array([[0.0, -inf], [0.0, -inf]])}, 2),
    "of keys": ({"mask": np.array([True, False])}, 2),
    "causal": ({"causal": True}, 1),
}


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("bad", [nan, inf, -inf])
@pytest.mark.parametrize("mask", MASKS)
def test_05_masked_keys_and_values(mask: str, bad: float, recorded: bool) -> None:
    keywords, seeing = MASKS[mask]
    if recorded and mask == "causal":
        return  # the second query does read what is bad, and a recorded sweep is one of products of matrices
    for spoilt in ("key", "value"):
        query = leaf([[1.0, 0.0], [0.0, 2.0]])
        key, value = leaf([[1.0, 0.0], [bad if spoilt == "key" else 1.0, 2.0]]), leaf([[1.0], [bad]])
        out = engine.scaled_dot_product_attention(query, key, value, **keywords)
        same(out.array[:seeing], [[1.0]] * seeing)
        out[:seeing].sum().backward(create_graph=recorded)
        same(grad_of(value), [[float(seeing)], [0.0]])
        assert not grad_of(query).any()
        assert not grad_of(key).any()


def test_05_any_number_of_keys_may_be_masked() -> None:
    bad = leaf([[1.0], [nan], [2.0]])
    out = engine.scaled_dot_product_attention(
        np.zeros((2, 1)), np.zeros((3, 1)), bad, mask=np.array([True, False, True])
    )
    out.sum().backward(create_graph=True)
    same(grad_of(bad), [[1.0], [0.0], [1.0]])


def test_05_a_query_that_sees_nothing_reads_nothing() -> None:
    mask = np.array([[False, False], [True, True]])
    out = engine.scaled_dot_product_attention(np.eye(2), np.eye(2), np.array([[1.0], [nan]]), mask=mask)
    same(out, [[0.0], [nan]])


@pytest.mark.parametrize("p", [0.5, 1.0])
def test_05_what_is_dropped(p: float) -> None:
    x = leaf(np.full(50, nan))
    out = engine.dropout(x, p=p, rng=np.random.default_rng(0))
    kept = np.isnan(out.array)
    assert kept.any() == (p < 1)
    engine.where(kept, 0.0, out).sum().backward()
    assert not grad_of(x).any()


# ---- 6 and 13: no intermediate leaves the range of floats ---------------------------------------------------------


RANGE: list[tuple[Function, list[float], Any, list[float]]] = [
    (lambda x: engine.cumprod(x, axis=0)[3], [1e-20, 1e20, 1e20, 1e-20], 1.0, [1e20, 1e-20, 1e-20, 1e20]),
    (engine.prod, [1e30, 1e30, 1e-30, 1e-30], 1.0, [1e-30, 1e-30, 1e30, 1e30]),
    (engine.norm, [3e20, 4e20], 5e20, [0.6, 0.8]),
    (engine.norm, [3e-30, 4e-30], 5e-30, [0.6, 0.8]),
    (engine.norm, [3e38, 0.0], 3e38, [1.0, 0.0]),
    (engine.std, [1e30, -1e30], 1e30, [0.5, -0.5]),
    (engine.std, [1e-30, -1e-30], 1e-30, [0.5, -0.5]),
    (lambda x: engine.hypot(x[0], x[1]), [3e30, 4e30], 5e30, [0.6, 0.8]),
    (lambda x: engine.hypot(x[0], x[1]), [3e-30, 4e-30], 5e-30, [0.6, 0.8]),
    (lambda x: engine.atan2(x[0], x[1]), [3e30, 4e30], 0.6435011, [1.6e-31, -1.2e-31]),
    (lambda x: x[0] / x[1], [1e30, 1e30], 1.0, [1e-30, -1e-30]),
    (lambda x: x[0] / x[1], [1e-30, 1e-30], 1.0, [1e30, -1e30]),
    (engine.mean, [3e38, 3e38], 3e38, [0.5, 0.5]),
    (engine.logsumexp, [3e38, 3e38], 3e38, [0.5, 0.5]),
    (lambda x: engine.softmax(x)[0], [3e38, -3e38], 1.0, [0.0, 0.0]),
    (lambda x: engine.log_softmax(x)[1], [1e38, 3e38], 0.0, [0.0, 0.0]),
    (lambda x: engine.cross_entropy(x, 1), [3e38, 1e38], 2e38, [1.0, -1.0]),
    (lambda x: engine.layer_norm(x, [1.0, 0.0]).sum(), [3e30, -3e30], 1.0, [0.0, 0.0]),
    (lambda x: engine.rms_norm(x, [1.0, 0.0]).sum(), [3e30, 4e30], 0.84852815, [1.8101933e-31, -1.3576451e-31]),
    (lambda x: engine.gelu(x, approximate="tanh").sum(), [1e30, -1e30], 1e30, [1.0, 0.0]),
    (lambda x: engine.gelu(x).sum(), [1e30, -1e30], 1e30, [1.0, 0.0]),
    (lambda x: engine.gelu(x * [1e30, 1.0], approximate="tanh")[1], [1.0, 0.5], 0.34571401, [0.0, 0.86737012]),
    (lambda x: engine.cumprod(x, axis=0)[2], [1e30, 1e30, 1e-30], 1e30, [1.0, 1.0, inf]),
]


@pytest.mark.parametrize("case", RANGE, ids=range(len(RANGE)))
def test_06_and_13_no_intermediate_leaves_the_range_of_float32(case: Any) -> None:
    f, x, value, slope = case
    moved = leaf(x, float32)
    with np.errstate(all="ignore"):
        out = f(moved)
    out.backward()
    np.testing.assert_allclose(out.array, value, rtol=1e-5)
    np.testing.assert_allclose(grad_of(moved), slope, rtol=1e-5, atol=1e-36)
    for direction, expected in zip(np.eye(len(x), dtype=float32), slope, strict=True):
        with np.errstate(all="ignore"):
            pushed = engine.jvp(f, Tensor(np.array(x, float32)), direction)[1]
        np.testing.assert_allclose(pushed.array, expected, rtol=1e-5, atol=1e-36)


DEGREES: list[tuple[str, Function, float]] = [  # scaling x by s scales the value by s to this power
    *((name, getattr(engine, name), 1.0) for name in ("negative", "abs", "relu", "mean", "max", "min", "norm", "std")),
    *((name, getattr(engine, name), 1.0) for name in ("sort", "sum")),
    ("multiply", lambda x: x * x[::-1], 2.0),
    ("square", engine.square, 2.0),
    ("var", engine.var, 2.0),
    ("prod", engine.prod, 3.0),
    ("cumprod", lambda x: engine.cumprod(x, axis=0)[2], 3.0),
    ("divide", lambda x: x / x[::-1], 0.0),
    ("sqrt", lambda x: engine.sqrt(engine.abs(x)), 0.5),
    ("pow", lambda x: engine.abs(x) ** 1.5, 1.5),
    ("reciprocal", lambda x: 1 / x, -1.0),
    ("hypot", lambda x: engine.hypot(x, x[::-1]), 1.0),
    ("atan2", lambda x: engine.atan2(x, x[::-1]), 0.0),
    ("sign", engine.sign, 0.0),
    ("maximum", lambda x: engine.maximum(x, x[::-1] * 0.9), 1.0),
    ("clip", lambda x: engine.clip(x, -x[0], x[0]), 1.0),
    ("layer_norm", lambda x: engine.layer_norm(x, eps=1e-38), 0.0),
    ("rms_norm", lambda x: engine.rms_norm(x, eps=1e-38), 0.0),
    ("matmul", lambda x: engine.matmul(x, x[::-1]), 2.0),
    ("attention in values", lambda x: engine.scaled_dot_product_attention(np.eye(3), np.eye(3), x[:, None]), 1.0),
    ("gelu far from 0", lambda x: engine.gelu(engine.abs(x) * 64.0), 1.0),
]


@pytest.mark.parametrize("row", DEGREES, ids=[name for name, _, _ in DEGREES])
def test_13_scaling_the_input_scales_value_and_gradient(row: tuple[str, Function, float]) -> None:
    """By powers of two, to the edges of float32, wherever value and gradient are normal numbers."""
    name, f, degree = row
    base, weights, compared = np.array([1.25, -2.5, 1.75]), np.array([1.0, 2.0, 0.5]), 0
    exact = leaf(base)
    value = f(exact)
    (value * weights[: value.size].reshape(value.shape)).sum().backward()
    for power in range(-120, 121, 8):
        scaled = leaf(base * 2.0**power, float32)
        sizes = np.abs(
            [*np.ravel(value.array * 2.0 ** (power * degree)), *(grad_of(exact) * 2.0 ** (power * (degree - 1)))]
        )
        sizes = sizes[sizes > 0]
        far = name.startswith("gelu") and power < 0  # where it is not homogeneous
        eps = name.endswith("_norm") and power < -40  # where eps counts
        if far or eps or not sizes.size or sizes.min() < 2.0**-120 or sizes.max() > 2.0**120:
            continue
        with np.errstate(all="ignore"):
            out = f(scaled)
        (out * weights[: out.size].reshape(out.shape)).sum().backward()
        tolerance = 1e-5 * np.abs(grad_of(exact)).max()
        np.testing.assert_allclose(out.array * 2.0 ** (-power * degree), value.array, rtol=1e-5)
        found = grad_of(scaled).astype(float) * 2.0 ** (-power * (degree - 1))
        np.testing.assert_allclose(found, grad_of(exact), rtol=1e-5, atol=tolerance)
        compared += 1
    assert compared > 4


def test_13_attention_over_large_values_is_their_mean() -> None:
    values = leaf(np.full((4, 1), 3e38), float32)
    out = engine.scaled_dot_product_attention(np.ones((1, 1), float32), np.ones((4, 1), float32), values)
    out.backward()
    np.testing.assert_allclose(out.array, [[3e38]], rtol=1e-6)
    np.testing.assert_allclose(grad_of(values), np.full((4, 1), 0.25), rtol=1e-6)


# ---- 8: what the forward pass accepts, the rules accept -----------------------------------------------------------


ALONG_ONE = "sum mean prod max min logsumexp var std norm cumsum cumprod softmax log_softmax sort flip".split()


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("op", ALONG_ONE)
def test_08_an_array_without_axes_has_axis_0(op: str, axis: int) -> None:
    x = leaf(2.0)
    out = getattr(engine, op)(x, axis=axis)
    out.backward()
    constant = {"var": 0.0, "std": 0.0, "log_softmax": 0.0, "softmax": 1.0}
    assert out.shape == ()
    assert out.item() == constant.get(op, 2.0)
    assert grad_of(x) == (0.0 if op in constant else 1.0)
    pushed = engine.jvp(lambda x: getattr(engine, op)(x, axis=axis), Tensor(2.0), 1.0)[1]
    assert pushed.item() == grad_of(x)


@pytest.mark.parametrize("op", ["sum", "max", "flip"])
def test_08_but_no_axis_1(op: str) -> None:
    with pytest.raises(ValueError, match="axis 1 is out of bounds"):
        getattr(engine, op)(Tensor(2.0), axis=1).backward()


@pytest.mark.parametrize("op", ["argmax", "argmin", "argsort"])
def test_08_nor_do_indices_need_one(op: str) -> None:
    assert [getattr(engine, op)(Tensor(2.0), axis=axis).item() for axis in (0, -1)] == [0, 0]


ACCEPTED: list[tuple[Function, Any]] = [
    (lambda x: engine.cross_entropy(x, 1), [0.5, 2.0]),
    (lambda x: engine.cross_entropy(x, [1]), [[0.5, 2.0]]),
    (lambda x: engine.embedding(1, x), [[0.5], [2.0]]),
    (lambda x: engine.permute_dims(x, axes=None), [[0.5, 2.0]]),
    (lambda x: engine.permute_dims(x, axes=[-1, 0]), [[0.5, 2.0]]),
    (lambda x: engine.sum(x, axis=[0, 1]), [[0.5, 2.0]]),
    (lambda x: engine.norm(x, axis=[0, 1]), [[0.5, 2.0]]),
    (lambda x: engine.std(x, axis=[0, -1]), [[0.5, 2.0]]),
    (lambda x: engine.logsumexp(x, axis=()), [[0.5, 2.0]]),
    (lambda x: engine.prod(x, axis=()), [[0.5, 2.0]]),
    (lambda x: engine.max(x, axis=()), [[0.5, 2.0]]),
    (lambda x: engine.sum(x, axis=np.int64(1)), [[0.5, 2.0]]),
    (lambda x: engine.softmax(x, axis=Tensor(1, dtype=int)), [[0.5, 2.0]]),
    (lambda x: engine.reshape(x, shape=np.array([2, 1])), [[0.5, 2.0]]),
    (lambda x: engine.roll(x, shift=[1, 0], axis=[0, 1]), [[0.5, 2.0]]),
    (lambda x: engine.flip(x, axis=[0, 1]), [[0.5, 2.0]]),
    (lambda x: engine.pad(x, widths=[[0, 1], [1, 0]]), [[0.5, 2.0]]),
    (lambda x: engine.tensordot(x, x, axes=[[0, 1], [0, 1]]), [[0.5, 2.0]]),
    (lambda x: engine.layer_norm(x, [1.0, 2.0], [0.0, 0.0]), [[0.5, 2.0]]),
    (lambda x: engine.linear(x, [[1.0, 2.0]], [1.0]), [0.5, 2.0]),
    (lambda x: engine.scaled_dot_product_attention(x, [[1.0, 2.0]], [[1.0]]), [[0.5, 2.0]]),
    (lambda x: engine.where([True, False], x, 0), [0.5, 2.0]),
    (lambda x: engine.clip(x, 0, 1), [0.5, 2.0]),
    (lambda x: x ** np.array([2, 3]), [0.5, 2.0]),
    (lambda x: engine.stack([x, 1.0]), 2.0),
]


@pytest.mark.parametrize("case", ACCEPTED, ids=range(len(ACCEPTED)))
def test_08_every_form_of_a_setting_or_operand_has_rules_in_every_mode(case: Any) -> None:
    f, x = case
    plain, recorded = leaf(x), leaf(x)
    f(plain).sum().backward()
    f(recorded).sum().backward(create_graph=True)
    np.testing.assert_allclose(grad_of(recorded), grad_of(plain), rtol=1e-12, atol=1e-15)
    pushed = engine.jvp(lambda x: f(x).sum(), Tensor(np.array(x)), np.ones(np.shape(x)))[1]
    np.testing.assert_allclose(pushed.array, grad_of(plain).sum(), rtol=1e-12, atol=1e-15)

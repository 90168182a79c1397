"""Shapes, joining, moving, indexing and creation: values against NumPy, errors, and gradients of composed functions."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor
from engine.testing import gradcheck
from tests.engine.gradients import gradient

X = np.arange(24.0).reshape(2, 3, 4)


def strided(dtype: Any) -> Any:
    """The values of X, laid out otherwise."""
    return np.repeat(X.swapaxes(0, 2).astype(dtype), 2, axis=0)[::2].swapaxes(0, 2)


UNARY: list[tuple[str, Any, Any]] = [
    ("reshape", lambda x: engine.reshape(x, (4, -1)), lambda x: np.reshape(x, (4, -1))),
    ("expand_dims", lambda x: engine.expand_dims(x, axis=-1), lambda x: np.expand_dims(x, -1)),
    ("squeeze none", lambda x: engine.squeeze(x[:1, :, :1]), lambda x: np.squeeze(x[:1, :, :1])),
    ("squeeze", lambda x: engine.squeeze(x[:1, :, :1], axis=-1), lambda x: np.squeeze(x[:1, :, :1], -1)),
    ("squeeze two", lambda x: engine.squeeze(x[:1, :, :1], axis=(0, -1)), lambda x: np.squeeze(x[:1, :, :1], (0, -1))),
    ("flip", lambda x: engine.flip(x), lambda x: np.flip(x)),
    ("flip axis", lambda x: engine.flip(x, axis=-1), lambda x: np.flip(x, -1)),
    ("flip axes", lambda x: engine.flip(x, axis=(0, -1)), lambda x: np.flip(x, (0, -1))),
    ("roll", lambda x: engine.roll(x, 5), lambda x: np.roll(x, 5)),
    ("roll axis", lambda x: engine.roll(x, -1, axis=-1), lambda x: np.roll(x, -1, -1)),
    ("roll axes", lambda x: engine.roll(x, (1, 2), axis=(0, 2)), lambda x: np.roll(x, (1, 2), (0, 2))),
    ("pad", lambda x: engine.pad(x, 1), lambda x: np.pad(x, 1)),
    ("pad pair", lambda x: engine.pad(x, (1, 0), value=2), lambda x: np.pad(x, (1, 0), constant_values=2)),
    ("pad pairs", lambda x: engine.pad(x, ((1, 0), (0, 0), (0, 2))), lambda x: np.pad(x, ((1, 0), (0, 0), (0, 2)))),
    ("tril", lambda x: engine.tril(x), lambda x: np.tril(x)),
    ("tril k", lambda x: engine.tril(x, k=1), lambda x: np.tril(x, 1)),
    ("triu", lambda x: engine.triu(x, k=-1), lambda x: np.triu(x, -1)),
    ("split", lambda x: engine.split(x, 3, axis=1)[1], lambda x: np.split(x, 3, axis=1)[1]),
    ("split at", lambda x: engine.split(x, [1, 3], axis=-1)[1], lambda x: np.split(x, [1, 3], axis=-1)[1]),
    ("split beyond", lambda x: engine.split(x, [1, 9], axis=1)[2], lambda x: np.split(x, [1, 9], axis=1)[2]),
    ("concat", lambda x: engine.concat([x, x[:, :1]], axis=1), lambda x: np.concat([x, x[:, :1]], axis=1)),
    ("stack", lambda x: engine.stack([x, x, x], axis=-1), lambda x: np.stack([x, x, x], axis=-1)),
    ("take", lambda x: engine.take(x, [0, 0, -1], axis=1), lambda x: np.take(x, [0, 0, -1], axis=1)),
    ("take none", lambda x: engine.take(x, [], axis=1), lambda x: x[:, :0]),
    ("take one", lambda x: engine.take(x, 1, axis=-1), lambda x: x[..., 1]),
    ("take 2-d", lambda x: engine.take(x, [[0, 1], [2, 2]], axis=1), lambda x: x[:, [[0, 1], [2, 2]]]),
    (
        "take_along_axis",
        lambda x: engine.take_along_axis(x, [[[0], [0], [1]]], axis=0),
        lambda x: np.take_along_axis(x, np.array([[[0], [0], [1]]]), axis=0),
    ),
]


@pytest.mark.parametrize(("ours", "theirs"), [case[1:] for case in UNARY], ids=[case[0] for case in UNARY])
def test_shapes_are_numpys(ours: Any, theirs: Any) -> None:
    for dtype in (np.float32, np.float64):
        for x in (X.astype(dtype), strided(dtype)):
            out = ours(Tensor(x)).numpy()
            assert out.dtype == dtype
            assert out.shape == theirs(x).shape
            np.testing.assert_array_equal(out, theirs(x))
    gradcheck(lambda x: engine.square(ours(x)), X / 8, order=2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: engine.reshape(X, (5, 5)), r"^reshape: .*\(5,5\).*\(2, 3, 4\)"),
        (lambda: engine.squeeze(X, axis=1), r"^squeeze: axis 1 of shape \(2, 3, 4\)"),
        (lambda: engine.squeeze(X, axis=3), "^squeeze: axis 3"),
        (lambda: engine.expand_dims(X, axis=4), "^expand_dims: axis 4"),
        (lambda: engine.flip(X, axis=3), "^flip: axis 3"),
        (lambda: engine.flip(X, axis=(0, 0)), "^flip: repeated axis"),
        (lambda: engine.roll(X, 1, axis=3), "^roll: axis 3"),
        (lambda: engine.pad(X, -1), "^pad: widths must be .* not -1"),
        (lambda: engine.pad(X, 0.5), "^pad: widths must be .* not 0.5"),
        (lambda: engine.pad(X, (1, 2, 3)), r"^pad: widths must be .* not \(1, 2, 3\)"),
        (lambda: engine.tril(X[0, 0]), r"^tril: needs at least two axes, not shape \(4,\)"),
        (lambda: engine.triu(np.ones(())), "^triu: needs at least two axes"),
        (lambda: engine.split(X, 2, axis=1), "^split: axis 1 of size 3 has no 2 equal parts"),
        (lambda: engine.split(X, 0), "^split: axis 0 of size 2 has no 0 equal parts"),
        (lambda: engine.split(X, 1, axis=3), "^split: axis 3"),
        (lambda: engine.stack([X], axis=4), "^stack: axis 4"),
    ],
)
def test_what_does_not_fit_is_a_value_error(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_concat_and_stack_mix_tensors_with_arrays_and_numbers() -> None:
    x, constant = Tensor([1.0, 2.0], requires_grad=True), Tensor([5.0])
    out = engine.concat([x, constant, np.array([3, 4]), np.ones(1, np.float64)])
    assert out.dtype == np.float64  # an array with axes does widen
    (out * np.arange(6.0)).sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == np.float32
    np.testing.assert_array_equal(x.grad.numpy(), [0, 1])
    stacked = engine.stack([x[0], 2.0, np.float64(3), x[1]])
    assert stacked.dtype == np.float32
    np.testing.assert_array_equal(stacked.numpy(), [1, 2, 3, 2])
    np.testing.assert_array_equal(engine.stack([[1.0, 2.0], x]).numpy(), [[1, 2], [1, 2]])
    np.testing.assert_array_equal(engine.expand_dims(2.0), [2.0])


def test_the_parts_of_split_lead_back_to_the_whole() -> None:
    gradcheck(lambda x: engine.square(engine.concat(engine.split(x, 2, axis=-1)[::-1], axis=-1)), X / 8, order=2)
    gradcheck(
        lambda x: engine.matmul(*(part[..., 0] for part in engine.split(x, [2, 4], axis=1)[:2])), X[:, :4, :], order=2
    )


# ---- indexing ------------------------------------------------------------------------------------------------------

INDICES: list[Any] = [
    -1,
    np.int64(1),
    np.array(1),
    (0, 0, 0),
    (..., 0),
    (0, ...),
    (None, 1, slice(None), None),
    (slice(None, None, -2), slice(1, 1)),
    [0, 0, 1],
    [],
    range(2),
    ([0, 0], [1, 1]),
    ((1, 1),),
    ([0, 1, 1], slice(None), -1),
    (slice(None), [2, 2], slice(None, None, 3)),
    ([[0], [1]], [0, 0], 1),
    [True, False],
    np.array([True, False]),
    X > 7,
    X[:, :, 0] > 7,
    (slice(None), np.array([True, False, True]), [0, 0]),
    (0, X[0] > 7),
    True,
    Tensor(np.array([1, 1])),
    (slice(None), Tensor(np.array([[1, 1]]))),
]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_indexing_is_numpys_and_repeated_indices_accumulate(index: Any) -> None:
    plain = tuple(map(bare, index)) if isinstance(index, tuple) else bare(index)
    np.testing.assert_array_equal(Tensor(X)[index].numpy(), X[plain])
    assert type(Tensor(X)[index].array) is np.ndarray
    weights = np.random.default_rng(0).normal(size=X[plain].shape)
    expected = np.zeros_like(X)
    np.add.at(expected, plain, weights)
    np.testing.assert_allclose(gradient(lambda x: x[index] * weights, X), expected)


def bare(part: Any) -> Any:
    if isinstance(part, Tensor):
        return part.numpy()
    return np.array(part, int) if isinstance(part, list) and not part else part


def test_an_empty_mask_stays_a_mask() -> None:
    x = np.ones((0, 3))
    assert Tensor(x)[x > 0].shape == (0,)
    assert gradient(lambda x: x[x > 0], x).shape == (0, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: engine.take(x, [0, 3], axis=1), "^take: index 3 .* size 3"),
        (lambda x: engine.take(x, [-4], axis=1), "^take: index -4 .* size 3"),
        (lambda x: engine.take(x, [1.0], axis=1), "^take: indices must be integers, not float"),
        (lambda x: engine.take(x, [True], axis=1), "^take: indices must be integers, not bool"),
        (lambda x: engine.take(x, [0], axis=3), "^take: axis 3"),
        (lambda x: engine.take_along_axis(x, [[[4]]], axis=-1), "^take_along_axis: index 4 .* size 4"),
        (lambda x: engine.take_along_axis(x, [[[0.5]]], axis=-1), "^take_along_axis: indices must be integers"),
    ],
)
def test_a_wrong_index_is_an_index_error(call: Any, message: str) -> None:
    with pytest.raises(IndexError, match=message):
        call(Tensor(X))


def test_indices_are_the_engines_own() -> None:
    """What the caller writes into an index afterwards does not move the gradient."""
    for read in (engine.getitem, partial(engine.take, axis=0), partial(engine.take_along_axis, axis=0)):
        x, indices = Tensor([1.0, 2.0, 3.0], requires_grad=True), np.array([0, 0, 1])
        out = read(x, indices).sum()
        indices[:] = 2
        out.backward()
        assert x.grad is not None
        np.testing.assert_array_equal(x.grad.numpy(), [2, 1, 0])


# ---- creation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (lambda: engine.zeros((2, 3)), np.zeros((2, 3), np.float32)),
        (lambda: engine.ones(2, dtype=np.float64), np.ones(2)),
        (lambda: engine.full((2,), 3), np.full(2, 3, np.float32)),
        (lambda: engine.full((), 2.0), np.array(2, np.float32)),
        (lambda: engine.arange(3), np.arange(3)),
        (lambda: engine.arange(5, 1, -2), np.array([5, 3])),
        (lambda: engine.arange(1, 2, 0.25), np.array([1, 1.25, 1.5, 1.75], np.float32)),
        (lambda: engine.arange(3, dtype=np.float64), np.arange(3.0)),
        (lambda: engine.eye(2), np.eye(2, dtype=np.float32)),
        (lambda: engine.eye(2, 3, k=1, dtype=np.float64), np.eye(2, 3, 1)),
        (lambda: engine.zeros_like(X), np.zeros_like(X)),
        (lambda: engine.ones_like(Tensor(np.arange(2))), np.ones(2, int)),
        (lambda: engine.full_like(Tensor([1.0, 2.0]), 7), np.array([7, 7], np.float32)),
    ],
)
def test_creation(made: Any, expected: Any) -> None:
    tensor = made()
    assert isinstance(tensor, Tensor)
    assert not tensor.requires_grad
    assert tensor.dtype == expected.dtype
    assert tensor.shape == expected.shape
    np.testing.assert_array_equal(tensor.numpy(), expected)


def test_created_tensors_can_be_leaves() -> None:
    x = engine.full((2,), 3.0, requires_grad=True)
    (x * x).sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), [6, 6])
    for make in (engine.zeros, engine.ones):
        assert make(2, requires_grad=True).is_leaf
    with pytest.raises(TypeError, match="int64"):
        engine.arange(3, requires_grad=True)

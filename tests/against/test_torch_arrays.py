"""Reductions, scans, order, shapes, indexing and products against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor
from tests.against.agreement import Row, arrays, cases, compare, matrices, normal, torch

CUBES = [normal(2, 3, 4), normal(4, 3, 2).T, normal(4, 3, 8)[::-2, :, ::2], normal(2, 1, 3), normal(1, 1, 1)]
EMPTY = [normal(2, 0, 3), normal(0, 0, 0)]
LINES = [normal(4), normal(1), normal(8)[::-2], *matrices(), *CUBES]
WITH_ZEROS = [np.round(normal(5)), np.array([2.0, 0.0, 3.0]), np.array([0.0, 2.0, 0.0]), np.zeros((2, 3)), *LINES]


def both(name: str, call: Any, points: Any, order: int = 2) -> Row:
    """A row for a call written alike in both libraries; `call` takes the library first."""
    return Row(name, lambda *xs: call(engine, *xs), lambda *xs: call(torch, *xs), points, order)


REDUCTIONS = [
    both("sum", lambda m, x: m.sum(x), arrays()),
    both("sum 0", lambda m, x: m.sum(x, axis=0), [*LINES, *EMPTY]),
    both("sum -1 kept", lambda m, x: m.sum(x, axis=-1, keepdims=True), [*LINES, *EMPTY]),
    both("sum of two axes", lambda m, x: m.sum(x, axis=(0, -1)), [*matrices(), *CUBES, *EMPTY]),
    both("sum of two axes kept", lambda m, x: m.sum(x, axis=(-1, 1), keepdims=True), [*CUBES, *EMPTY]),
    both("mean", lambda m, x: m.mean(x), [normal(), *LINES]),
    both("mean -2", lambda m, x: m.mean(x, axis=-2), [*matrices(), *CUBES]),
    both("mean of two axes kept", lambda m, x: m.mean(x, axis=(0, -1), keepdims=True), CUBES),
    Row("var", engine.var, lambda x: torch.var(x, correction=0), [normal(), *LINES]),
    both("var 0 corrected", lambda m, x: m.var(x, axis=0, correction=1, keepdims=True), [normal(3), normal(2, 3)]),
    both("var of two axes", lambda m, x: m.var(x, axis=(0, -1), correction=0.5), [normal(2, 3), *CUBES[:3]]),
    Row("std", engine.std, lambda x: torch.std(x, correction=0), [normal(3), *CUBES[:4]]),
    both("std -1 corrected", lambda m, x: m.std(x, axis=-1, correction=1), [normal(3), normal(2, 3), *CUBES[:4]]),
    both("std of two axes kept", lambda m, x: m.std(x, axis=(-1, 0), correction=0, keepdims=True), CUBES[:4]),
    Row("norm", engine.norm, torch.linalg.vector_norm, arrays()),
    Row("norm -1", lambda x: engine.norm(x, axis=-1), lambda x: torch.linalg.vector_norm(x, dim=-1), LINES),
    Row("norm of two", lambda x: x.norm((0, -1), True), lambda x: torch.linalg.vector_norm(x, 2, (0, -1), True), CUBES),
    Row("logsumexp", engine.logsumexp, lambda x: x.flatten().logsumexp(0), [normal(), *LINES]),
    both("logsumexp -1", lambda m, x: m.logsumexp(x, axis=-1), [200 * x for x in LINES]),
    both("logsumexp of two axes kept", lambda m, x: m.logsumexp(x, axis=(0, -1), keepdims=True), CUBES),
    both("prod", lambda m, x: m.prod(x), [*arrays(), *WITH_ZEROS]),
    both("prod 0", lambda m, x: m.prod(x, axis=0), [*WITH_ZEROS, *EMPTY]),
    both("prod -1 kept", lambda m, x: m.prod(x, axis=-1, keepdims=True), [*WITH_ZEROS, *EMPTY]),
]

SCANS = [
    both("cumsum 0", lambda m, x: m.cumsum(x, axis=0), [*LINES, *EMPTY]),
    both("cumsum -1", lambda m, x: m.cumsum(x, axis=-1), [*LINES, *EMPTY]),
    both("cumprod 0", lambda m, x: m.cumprod(x, axis=0), [*WITH_ZEROS, *EMPTY]),
    both("cumprod -1", lambda m, x: m.cumprod(x, axis=-1), [normal(9), *WITH_ZEROS, *EMPTY]),
]

# Ties are shared evenly, as by amax (PyTorch's max along an axis blames one); sorting is stable in both.
TIES = [np.array([1.0, 3.0, 3.0, 2.0, 3.0]), np.round(normal(3, 4)), np.zeros((2, 3))]

ORDER = [
    Row("max", engine.max, torch.amax, [normal(), *LINES, *TIES]),
    Row("max -1", lambda x: x.max(-1), lambda x: x.amax(-1), [*LINES, *TIES]),
    Row("max of two axes kept", lambda x: x.max((0, -1), True), lambda x: x.amax((0, -1), True), CUBES),
    Row("min", engine.min, torch.amin, [normal(), *LINES, *TIES]),
    Row("min 0 kept", lambda x: x.min(0, True), lambda x: x.amin(0, True), [*LINES, *TIES]),
    Row("sort", engine.sort, lambda x: torch.sort(x, stable=True).values, [*LINES, *TIES, normal(0)]),
    Row("sort 0", lambda x: x.sort(0), lambda x: torch.sort(x, dim=0, stable=True).values, [*LINES, *TIES, *EMPTY]),
    Row(
        "sort down",
        lambda x: engine.sort(x, descending=True),
        lambda x: torch.sort(x, descending=True, stable=True).values,
        [*LINES, *TIES],
    ),
]

SHAPES = [
    Row("reshape", lambda x: x.reshape(3, -1), lambda x: x.reshape(3, -1), [normal(2, 3), *CUBES[:4]]),
    Row("flatten", lambda x: x.flatten(), lambda x: x.flatten(), arrays()),
    Row("permute_dims", lambda x: x.permute_dims(2, 0, 1), lambda x: x.permute(2, 0, 1), [*CUBES, *EMPTY]),
    Row("permute_dims -1", lambda x: x.permute_dims(-2, -1, 0), lambda x: x.permute(-2, -1, 0), [*CUBES, *EMPTY]),
    Row("T", lambda x: x.T, lambda x: x.permute([*reversed(range(x.ndim))]), arrays()),
    Row("swapaxes", lambda x: x.swapaxes(0, -1), lambda x: x.swapaxes(0, -1), [*LINES, *EMPTY]),
    Row("mT", lambda x: x.mT, lambda x: x.mT, [*CUBES, *EMPTY]),
    Row("expand_dims 0", lambda x: engine.expand_dims(x, axis=0), lambda x: x.unsqueeze(0), arrays()),
    Row("expand_dims -1", lambda x: engine.expand_dims(x, axis=-1), lambda x: x.unsqueeze(-1), arrays()),
    Row("squeeze", engine.squeeze, torch.squeeze, arrays()),
    Row("squeeze -2", lambda x: x.squeeze(-2), lambda x: x.squeeze(-2), [normal(1, 3), normal(2, 1, 3)]),
    both("broadcast_to", lambda m, x: m.broadcast_to(x, (2, 3)), [normal(), normal(1), normal(3), *matrices()[:5]]),
    both("broadcast_to nothing", lambda m, x: m.broadcast_to(x, (0, 2)), [normal(), normal(1), normal(1, 2)]),
    both(
        "concat", lambda m, x, y: m.concat([x, y, x], axis=-1), [(normal(2, 3), normal(2, 1)), (normal(0), normal(3))]
    ),
    both("concat 0", lambda m, x, y: m.concat([x, y]), [(normal(3), normal(4)[::-2]), (normal(2, 3).T, normal(1, 2))]),
    both("stack", lambda m, x, y: m.stack([x, y], axis=0), [(x, 2 * x) for x in arrays()]),
    both(
        "stack -1", lambda m, x, y: m.stack([x, y, x], axis=-1), [(normal(), normal()), (normal(2, 3), normal(3, 2).T)]
    ),
    Row(
        "split", lambda x: _mixed(x.split(2, 0)), lambda x: _mixed(x.chunk(2)), [normal(4), normal(2, 3), normal(4, 0)]
    ),
    Row(
        "split at", lambda x: _mixed(x.split([1, 3], -1)), lambda x: _mixed(x.tensor_split([1, 3], -1)), [normal(2, 4)]
    ),
    Row("flip", engine.flip, lambda x: x.flip([*range(x.ndim)]), arrays()),
    Row("flip -1", lambda x: engine.flip(x, axis=-1), lambda x: x.flip(-1), [*LINES, *EMPTY]),
    Row("flip two", lambda x: engine.flip(x, axis=(0, -1)), lambda x: x.flip(0, -1), [*matrices(), *CUBES]),
    Row("roll", lambda x: engine.roll(x, shift=2), lambda x: x.roll(2), [*LINES, normal(0)]),
    Row("roll -1", lambda x: engine.roll(x, shift=-4, axis=-1), lambda x: x.roll(-4, -1), [*LINES, *EMPTY]),
    Row("roll two", lambda x: engine.roll(x, shift=(1, -2), axis=(0, 1)), lambda x: x.roll((1, -2), (0, 1)), CUBES),
    Row(
        "pad",
        lambda x: engine.pad(x, widths=((0, 2), (1, 0)), value=3.0),
        lambda x: torch.nn.functional.pad(x, (1, 0, 0, 2), value=3.0),
        [*matrices(), normal(0, 2)],
    ),
    Row("tril", engine.tril, torch.tril, [*matrices(), *CUBES, *EMPTY]),
    Row("tril -1", lambda x: engine.tril(x, k=-1), lambda x: x.tril(-1), [*matrices(), *CUBES]),
    Row("triu 1", lambda x: engine.triu(x, k=1), lambda x: x.triu(1), [*matrices(), *CUBES, *EMPTY]),
]


def _mixed(parts: Any) -> Any:
    """One number that all parts go into, each in its own way."""
    return sum(((k + 1) * part * part).sum() for k, part in enumerate(parts))


MASK = np.array([True, False, True])
INDICES = {
    "integer": 1,
    "negative": -1,
    "slice": np.s_[1:],
    "stride": np.s_[::2, 1:3],
    "ellipsis": np.s_[..., 0],
    "new axis": np.s_[:, None, -1],
    "repeated": np.array([0, 0, 1]),
    "pairs": (np.array([0, 1, 0, 0]), np.array([-1, 2, 2, 2])),
    "column": np.s_[:, np.array([[2, 0], [0, 0]])],
    "apart": (np.array([0, 1]), slice(None), np.array([1, 1])),
    "none": np.array([], int),
    "mask": np.s_[:, MASK],
    "masks": np.s_[np.array([[True, False, True], [False, False, True]])],
}

INDEXING = [
    Row(f"getitem {name}", lambda x, i=index: x[i], lambda x, i=index: x[_torch(i)], [normal(2, 3, 4), CUBES[2]])
    for name, index in INDICES.items()
]


def _torch(index: Any) -> Any:
    """An index with PyTorch's tensors in place of arrays."""
    parts = index if isinstance(index, tuple) else (index,)
    found = tuple(torch.tensor(part) if isinstance(part, np.ndarray) else part for part in parts)
    return found if isinstance(index, tuple) else found[0]


AT = np.array([1, 0, 1, 1])
INDEXING += [
    Row("take 0", lambda x, i: engine.take(x, i, axis=0), lambda x, i: x.index_select(0, i), [(normal(2, 3), AT)]),
    Row("take -1", lambda x, i: x.take(i, axis=-1), lambda x, i: x[..., i], [(x, AT) for x in CUBES[:4]]),
    both(
        "take_along_axis",
        lambda m, x, i: (m.take_along_axis if m is engine else _along)(x, i, axis=-1),
        [(normal(2, 3), np.array([[0, 2, 2, 0], [1, 1, 1, 1]])), (normal(6)[::-2], np.array([2, 0]))],
    ),
]


def _along(x: Any, indices: Any, axis: int) -> Any:
    return torch.take_along_dim(x, indices, axis)


MATRICES = [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((4, 2, 3), (3, 2)), ((2, 3), (4, 3, 2)), ((3,), (4, 3, 2))]
MATRICES += [((2, 1, 2, 3), (4, 3, 1)), ((4, 2, 3), (3,)), ((2, 0), (0, 3)), ((0, 2), (2, 3)), ((1, 1), (1, 1))]
VIEWS = [(normal(3, 2).T, normal(6, 4)[::-2, ::2]), (np.broadcast_to(normal(3), (2, 3)), normal(2, 3).T)]

EINSUMS = {
    "ij,jk->ik": ((2, 3), (3, 4)),
    "ij,j": ((2, 3), (3,)),
    "ij->ji": ((2, 3),),
    "ij->": ((2, 3),),
    "ii->i": ((3, 3),),
    "ii->": ((3, 3),),
    "bij,bjk->bik": ((2, 2, 3), (2, 3, 2)),
    "bhtc,bhsc->bhts": ((2, 2, 2, 3), (2, 2, 3, 3)),
    "ij,jk,kl->il": ((2, 3), (3, 2), (2, 2)),
    "i,ij,j->": ((2,), (2, 3), (3,)),
    "...ij,...jk->...ik": ((2, 2, 3), (3, 2)),
    "...i,i->...": ((2, 3), (3,)),
    "i,j->ij": ((3,), (2,)),
    "iij,jk->ik": ((2, 2, 3), (3, 2)),
    "ij,jk": ((2, 0), (0, 3)),
}

PRODUCTS = [
    both("matmul", lambda m, x, y: m.matmul(x, y), [*[(normal(*x), normal(*y)) for x, y in MATRICES], *VIEWS]),
    Row(
        "outer",
        engine.outer,
        torch.outer,
        [(normal(3), normal(2)), (normal(4)[::-2], normal(1)), (normal(0), normal(3))],
    ),
    both(
        "tensordot",
        lambda m, x, y: _tensordot(m, x, y, 2),
        [(normal(2, 3, 4), normal(3, 4)), (normal(2, 3), normal(2, 3))],
    ),
    both("tensordot 0", lambda m, x, y: _tensordot(m, x, y, 0), [(normal(2), normal(3)), (normal(), normal(2))]),
    both(
        "tensordot of pairs", lambda m, x, y: _tensordot(m, x, y, ([0, -1], [1, 0])), [(normal(2, 3, 4), normal(4, 2))]
    ),
    *[
        both(f"einsum {way}", lambda m, *xs, way=way: m.einsum(way, *xs), [tuple(normal(*shape) for shape in shapes)])
        for way, shapes in EINSUMS.items()
    ],
]


def _tensordot(library: Any, x: Any, y: Any, axes: Any) -> Any:
    return library.tensordot(x, y, **{"axes" if library is engine else "dims": axes})


ROWS = [*REDUCTIONS, *SCANS, *ORDER, *SHAPES, *INDEXING, *PRODUCTS]


@pytest.mark.parametrize(("ours", "theirs", "arrays", "order"), cases(ROWS))
def test_agrees_with_pytorch(ours: Any, theirs: Any, arrays: Any, order: int) -> None:
    compare(ours, theirs, arrays, order)


@pytest.mark.parametrize("axis", [None, 0, -1])
def test_places_agree(axis: Any) -> None:
    x = np.round(normal(3, 4))
    for ours, theirs in ((engine.argmax, torch.argmax), (engine.argmin, torch.argmin)):
        np.testing.assert_array_equal(ours(Tensor(x), axis=axis), theirs(torch.tensor(x), dim=axis).numpy())

"""Products: matmul, tensordot, outer, einsum. Values against NumPy, gradients against central differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor
from engine.testing import gradcheck

RNG = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


@pytest.mark.parametrize(("left", "right"), [((), (3,)), ((3,), ()), ((2, 3), (2, 3)), ((3,), (4,))])
def test_matrices_that_do_not_fit(left: Any, right: Any) -> None:
    with pytest.raises(ValueError, match=r"^matmul: shapes .* do not fit"):
        engine.matmul(Tensor(normal(*left)), Tensor(normal(*right)))


@pytest.mark.parametrize("axes", [0, 1, 2, ([0], [1]), ([-1, 0], [0, -1]), (1, 0), ((), ())], ids=str)
def test_tensordot_is_numpys(axes: Any) -> None:
    x, y = normal(2, 3), normal(2, 3).reshape((2, 3) if axes == 2 else (3, 2))
    out = engine.tensordot(Tensor(x), y, axes=axes)
    expected = np.tensordot(x, y, axes)
    np.testing.assert_allclose(out.numpy(), expected)
    assert out.shape == expected.shape
    gradcheck(lambda x, y: engine.tensordot(x, y, axes=axes), x, y, order=2)


@pytest.mark.parametrize("axes", [1, 3, -1, ([0], [0]), ([0], [0, 1])], ids=str)
def test_tensordot_names_shapes_that_do_not_fit(axes: Any) -> None:
    with pytest.raises(ValueError, match=r"tensordot: .*\(2, 3\).*\(4, 2\)"):
        engine.tensordot(normal(2, 3), normal(4, 2), axes=axes)


def test_outer_flattens() -> None:
    x, y = normal(2, 2), normal(3)
    np.testing.assert_array_equal(engine.outer(x, Tensor(y)).numpy(), np.outer(x, y))
    assert engine.outer(Tensor([1.0]), 2.0).dtype == np.float32
    gradcheck(engine.outer, x, y, order=2)


EINSUMS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ba", (2, 3)),
    ("ij->ji", (2, 3)),
    ("ij->", (2, 3)),
    ("ij->j", (2, 3)),
    ("i,i->", (3,), (3,)),
    ("i,i->i", (3,), (3,)),
    ("i,j->ji", (3,), (2,)),
    ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)),
    ("bhtc,bhsc->bhts", (2, 1, 2, 3), (2, 1, 3, 3)),
    ("ij,k->k", (2, 3), (2,)),
    ("ij,kj->", (2, 3), (2, 3)),
    ("ij,jk,kl->il", (2, 3), (3, 2), (2, 2)),
    ("ij,kl,jk->il", (2, 3), (2, 2), (3, 2)),
    ("a,b,c,a->cb", (2,), (3,), (2,), (2,)),
    ("i,ij,j->", (2,), (2, 3), (3,)),
    ("...ij,...jk->...ik", (2, 2, 3), (3, 2)),
    ("...i,i", (2, 3), (3,)),
    ("...i->...", (2, 2, 3)),
    ("i...->...i", (2, 3)),
    ("...,...->...", (2, 1), (3,)),
    ("i...,j...->ij...", (2, 1, 3), (2, 2, 1)),
    ("ij,ij->ij", (1, 3), (2, 3)),
    ("ij,ij->", (1, 3), (2, 1)),
    ("i,i->", (1,), (3,)),
    ("i,i->i", (1,), (1,)),
    ("ij,jk->ik", (2, 0), (0, 3)),
    ("i,i->i", (1,), (0,)),
    (",i->i", (), (3,)),
    ("->", ()),
    ("i->...i", (2,)),
    (" i j , j k -> i k ", (2, 3), (3, 2)),
]


@pytest.mark.parametrize("case", EINSUMS, ids=str)
def test_einsum_is_numpys(case: Any) -> None:
    subscripts, *shapes = case
    arrays = [normal(*shape) for shape in shapes]
    expected = np.einsum(subscripts, *arrays)
    out = engine.einsum(subscripts, *[Tensor(x) for x in arrays])
    assert out.shape == expected.shape
    np.testing.assert_allclose(out.numpy(), expected, atol=1e-12)
    narrow = [x.astype(np.float32) for x in arrays]
    assert engine.einsum(subscripts, *narrow).dtype == np.float32
    gradcheck(lambda *xs: engine.einsum(subscripts, *xs), *arrays, order=2)


def test_einsum_takes_arrays_lists_and_numbers_beside_tensors() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    out = engine.einsum("i,i,->i", x, [3, 4], np.float64(2))
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out.numpy(), [6, 16])
    wide = engine.einsum("i,i->", x, np.array([3.0, 4.0]))
    wide.backward()
    assert x.grad is not None
    assert x.grad.dtype == np.float32


@pytest.mark.parametrize(
    ("subscripts", "shapes", "message"),
    [
        ("ij", [(2,)], r"'ij' does not name the 1 axes of shape \(2,\)"),
        ("i", [(2, 3)], r"'i' does not name the 2 axes"),
        ("ijk...", [(2, 3)], r"does not name the 2 axes"),
        ("ij,jk", [(2, 3), (4, 2)], r"'j' has several sizes in shapes \(2, 3\), \(4, 2\)"),
        ("ii,i", [(2, 3), (3,)], "'i' has several sizes"),
        ("ij->k", [(2, 3)], "must occur in an operand"),
        ("ij,jk->ik", [(2, 3)], "2 terms for 1 operands"),
        ("", [], "1 terms for 0 operands"),
        ("...i->i", [(2, 3)], r"the result needs '\.\.\.'"),
        ("i.j", [(2, 3)], "'i.j' is not made of letters"),
        ("i->j->k", [(2,)], "'j->k' is not made of letters"),
        ("......", [(2,)], "at most one"),
    ],
)
def test_einsum_refuses_what_does_not_fit(subscripts: str, shapes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        engine.einsum(subscripts, *[normal(*shape) for shape in shapes])
    assert str(caught.value).startswith(f"einsum: {subscripts!r}: ")


def test_einsum_wants_its_subscripts_first() -> None:
    with pytest.raises(TypeError, match="string of subscripts"):
        engine.einsum(normal(2), "i")

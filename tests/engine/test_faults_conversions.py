"""Faults found in other engines: what is no real number gets in, and what has a gradient gets out, without a word.

Every message is one line, names the op or setting, and where it names a way out, one that keeps the gradient.
"""

from __future__ import annotations

import array
import decimal
import math
import operator
import re
import struct
from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor
from tests.engine.traps import Function, leaf, same, slopes

PAIR = np.array([[1.0, 0.0], [0.0, 2.0]])
WORD: Any = "a"  # of a type that only a caller without a type checker gives
PART: Any = 0.5
J: Any = 1j


def attention(**keywords: Any) -> Tensor:
    out: Tensor = engine.scaled_dot_product_attention(Tensor(PAIR), PAIR, np.array([[1.0], [3.0]]), **keywords)
    return out


def refused(call: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        call()
    assert re.match(message, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)


def test_02_attention_has_no_derivative_in_mask_and_scale() -> None:
    refused(lambda: attention(scale=leaf(0.5)), "scaled_dot_product_attention: scale is a setting without a derivative")
    refused(lambda: attention(mask=leaf(PAIR)), "scaled_dot_product_attention: mask is a setting without a derivative")
    same(attention(scale=Tensor(0.5)).array, attention(scale=0.5).array)  # constants are read


def test_03_masks_and_conditions_of_numbers() -> None:
    ones = np.array([[0, 1], [1, 0]])
    refused(lambda: attention(mask=ones), "scaled_dot_product_attention: mask must be boolean, or floats to add")
    for condition in (ones, PAIR, 1, 0.0, leaf(PAIR), Tensor(ones)):
        refused(
            lambda c=condition: engine.where(c, leaf(1.0), 0.0), "where: condition must be boolean, not (int|float)"
        )
    np.testing.assert_allclose(attention(mask=ones != 0).array, [[3.0], [1.0]], rtol=1e-15)


# ---- 4: ways out of the graph --------------------------------------------------------------------------------------

OUT: list[Function] = [
    *(float, int, complex, round, math.sqrt, math.floor, math.ceil, math.trunc, operator.index, range),
    *(lambda x: math.fsum([x]), lambda x: math.isclose(x, 2.0), decimal.Decimal, lambda x: array.array("d", [x])),
    *(lambda x: divmod(x, 2), lambda x: x % 2, lambda x: x // 2),
    *(np.float64, np.float16, np.int64, np.bool_, np.asarray, np.array, lambda x: np.array([x, x])),
    *(lambda x: np.full(2, x), lambda x: np.arange(x), lambda x: np.linspace(0, x, 3), np.sum, np.exp),
    *(lambda x: np.array([x], dtype=object), lambda x: np.copyto(np.zeros(2), x), lambda x: np.put(np.zeros(2), 0, x)),
    *(lambda x: np.add.at(np.zeros(2), 0, x), lambda x: np.add(1.0, x, out=np.zeros(2)), np.random.default_rng),
    *(lambda x: np.zeros(3).__setitem__(slice(0, 2), x), lambda x: np.zeros(2).__iadd__(x), memoryview),
]


@pytest.mark.parametrize("convert", OUT, ids=range(len(OUT)))
def test_04_a_tensor_in_a_graph_is_not_converted(convert: Any) -> None:
    refused(lambda: convert(leaf(2.0)), ".")
    refused(lambda: convert(leaf(1.0) * 2.0), ".")


def test_04_nor_written_into_an_array() -> None:
    numbers, x = np.zeros(2), leaf(2.0)
    with pytest.raises((TypeError, ValueError)):
        numbers[0] = x
    with pytest.raises((TypeError, ValueError)):
        numbers.fill(x)
    with pytest.raises((TypeError, struct.error)):
        struct.pack("d", x)
    assert not numbers.any()


def test_04_the_ways_that_remain() -> None:
    x = leaf(2.0)
    assert (x.item(), float(x.detach()), int(Tensor(3.0)), f"{x:.1f}") == (2.0, 2.0, 3, "2.0")
    assert slopes(lambda x: (engine.stack([x, x * x]) * x).sum(), 2.0) == [16.0]


def test_26_transforms_take_keywords_and_name_themselves() -> None:
    def cube(x: Any, *, k: float) -> Any:
        return k * x**3

    def quartic(x: Any, y: Any, *, k: float) -> Any:
        return k * x**2 * y**2

    assert engine.hessian(cube)(2.0, k=2).item() == 24.0
    assert engine.jacobian(cube)(2.0, k=2).item() == 24.0
    assert engine.jacobian(cube, mode="forward")(2.0, k=2).item() == 24.0
    assert engine.grad(cube)(2.0, k=2).item() == 24.0
    assert [g.item() for g in engine.value_and_grad(cube)(2.0, k=2)] == [16.0, 24.0]
    assert [[h.item() for h in row] for row in engine.hessian(quartic, (0, 1))(1.0, 2.0, k=3)] == [[24, 24], [24, 6]]
    for transform in (engine.grad, engine.hessian, engine.jacobian, engine.value_and_grad):
        with pytest.raises(TypeError) as caught:
            transform(cube)(2.0, m=2)
        assert "lambda" not in str(caught.value)
        assert "_or_zeros" not in str(caught.value)


# ---- 28: complex numbers -------------------------------------------------------------------------------------------

Z, C = 3 + 4j, np.array([1.0 + 1.0j])
COMPLEX: list[Any] = [
    *(lambda: engine.grad(lambda x: engine.abs(x * Z))(2.0), lambda: engine.grad(lambda x: x)(Z)),
    *(lambda: leaf([1.0]) + C, lambda: C * leaf([1.0]), lambda: leaf([1.0]) @ C, lambda: Z * leaf(1.0)),
    *(lambda: leaf([1.0]) ** 1j, lambda: np.complex64(1) * leaf(1.0), lambda: leaf([1.0]) < Z, lambda: leaf(1.0) == Z),
    *(lambda: engine.zeros(2, dtype=complex), lambda: engine.ones(2, dtype="c8"), lambda: engine.eye(2, dtype=complex)),
    *(
        lambda: engine.full(2, Z),
        lambda: engine.full_like(C, 1.0),
        lambda: engine.zeros_like(C),
        lambda: engine.arange(3j),
    ),
    *(lambda: Tensor(C), lambda: Tensor(Z), lambda: Tensor([1.0, 1j]), lambda: Tensor(1.0, dtype=complex)),
    *(lambda: leaf(1.0).astype(complex), lambda: leaf([1.0]).assign(C), lambda: leaf([1.0]).backward(C)),
    *(lambda: engine.exp(C), lambda: engine.multiply(C, C), lambda: engine.sum(C), lambda: engine.exp(Z)),
    *(lambda: engine.concat([leaf([1.0]), C]), lambda: engine.stack([leaf(1.0), Z]), lambda: engine.outer(C, C)),
    *(lambda: engine.einsum("i,i->", C, leaf([1.0])), lambda: engine.tensordot(C, leaf([1.0]), axes=1)),
    *(
        lambda: engine.where(True, leaf(1.0), Z),
        lambda: engine.clip(leaf(1.0), Z),
        lambda: engine.set_default_dtype(complex),
    ),
    *(lambda: engine.pad(leaf([1.0]), widths=1, value=Z), lambda: engine.layer_norm(leaf([1.0, 2.0]), eps=1j)),
    *(lambda: engine.random.normal((2,), dtype=complex), lambda: engine.random.normal((2,), std=J)),
    *(lambda: attention(scale=1j), lambda: attention(mask=PAIR * 1j), lambda: engine.dropout(leaf([1.0]), p=J)),
    *(lambda: engine.vjp(lambda x: x * 1, 2.0)[1](1j), lambda: engine.jvp(lambda x: x * 1, 2.0, 1j)),
]


@pytest.mark.parametrize("call", COMPLEX, ids=range(len(COMPLEX)))
def test_28_complex_numbers_get_in_nowhere(call: Any) -> None:
    refused(call, r"[\w ]+: ")


def test_29_a_tensor_as_a_keyword_of_a_new_op() -> None:
    @engine.primitive(vjp=(lambda g, *, factor: g * factor,), name="scaled for row 29")
    def scaled(x: Any, *, factor: Any) -> Any:
        return x * factor

    refused(lambda: scaled(leaf(1.0), factor=leaf(2.0)), "scaled for row 29: factor is a setting without a derivative")
    refused(lambda: scaled(1.0, factor=leaf(2.0)), "scaled for row 29: factor is a setting without a derivative")
    refused(
        lambda: scaled(leaf(1.0), factor=[1.0, leaf(2.0)]), "scaled for row 29: factor is a setting without a deriv"
    )
    assert scaled(leaf(1.0), factor=Tensor(2.0)).item() == 2.0


def test_30_lists_of_tensors() -> None:
    x = leaf(2.0)
    calls: dict[str, Any] = {
        "Tensor": [lambda: Tensor([x, x]), lambda: Tensor([[x, 1.0]]), lambda: Tensor((x,), requires_grad=True)],
        "sum": [lambda: engine.sum([x, x]), lambda: engine.sum([[x], [x]])],
        "add": [
            lambda: engine.add(leaf([1.0]), [x]),
            lambda: engine.add([x, x], leaf([1.0])),
            lambda: engine.add(1.0, [x]),
        ],
        "matmul": [lambda: leaf([1.0]) @ [x]],
        "where": [lambda: engine.where(True, [x], 0.0)],
        "linear": [lambda: engine.linear(leaf([1.0]), [[x]])],
    }
    for op, several in calls.items():
        for call in several:
            refused(call, f"{op}: a list of tensors is no tensor; join them with engine.stack")


WRONG: list[tuple[Any, str]] = [
    (lambda: leaf(1.0) + None, "add: y is None"),
    (lambda: None - leaf(1.0), "subtract: x is None"),
    (lambda: leaf(1.0) * "a", "multiply: y is a str"),
    (lambda: leaf(1.0) / {}, "divide: y is a dict"),
    (lambda: leaf(1.0) * np.array([None]), "multiply: no support for dtype object"),
    (lambda: leaf(1.0) < None, "less: y is None"),
    (lambda: leaf(1.0) == "a", "equal: y is a str"),
    (lambda: engine.exp("a"), "exp: x is a str"),
    (lambda: engine.linear(leaf([1.0]), None), "linear: weight is None"),
    (lambda: engine.linear(1.0, leaf([[1.0]])), "linear: x must be a tensor or an array"),
    (lambda: engine.concat([leaf([1.0]), None]), r"concat: tensors\[1\] is None"),
    (lambda: engine.stack([leaf(1.0), "a"]), "stack: operand 1 is a str"),
    (lambda: engine.full((2,), "a"), "full: value is a str"),
    (lambda: engine.pad(leaf([1.0]), widths=1, value=leaf(1.0)), "pad: value is a setting without a derivative"),
    (lambda: engine.rotary(leaf(PAIR), phases=leaf(PAIR)), "rotary: phases is a setting without a derivative"),
    (lambda: engine.rotary(leaf(PAIR), phases=None), "rotary: phases must be an array of complex numbers"),
    (lambda: engine.sum(leaf(PAIR), axis="a"), "sum: .*axis='a'"),
    (lambda: engine.sum(leaf(PAIR), axis=1.0), "sum: .*axis=1.0"),
    (lambda: engine.softmax(leaf(PAIR), axis=(0, 1)), r"softmax: axis must be an integer, not \(0, 1\)"),
    (lambda: engine.sort(leaf(PAIR), axis=WORD), "sort: axis must be an integer, not 'a'"),
    (lambda: engine.var(leaf(PAIR), correction="a"), "var: .*correction='a'"),
    (lambda: engine.layer_norm(leaf(PAIR), eps="a"), "layer_norm: .*eps='a'"),
    (lambda: engine.dropout(leaf(PAIR), p=WORD), "dropout: p must be a number between 0 and 1"),
    (lambda: engine.roll(leaf(PAIR), shift=0.5), "roll: shift must be an integer"),
    (lambda: engine.split(leaf(PAIR), PART), "split: sections must be a number of parts, or positions of cuts"),
    (lambda: engine.reshape(leaf(PAIR), shape=(2.0, 2)), r"reshape: .*shape=\(2.0, 2\)"),
    (lambda: engine.cross_entropy(leaf(PAIR), [0, 1], ignore_index=PART), "cross_entropy: ignore_index must be an int"),
    (lambda: engine.cross_entropy(leaf(PAIR), [0, 1], label_smoothing=WORD), "cross_entropy: label_smoothing must be"),
]


@pytest.mark.parametrize("case", WRONG, ids=range(len(WRONG)))
def test_31_one_line_names_the_op_and_the_argument(case: Any) -> None:
    refused(*case)


def test_31_what_works() -> None:
    assert engine.full((2,), leaf(3.0)).requires_grad
    assert slopes(lambda value: engine.full((2, 3), value), 3.0) == [6.0]
    assert slopes(lambda value: engine.full_like(PAIR, value), 3.0) == [4.0]
    same(engine.pad(Tensor([1.0]), widths=1, value=Tensor(3.0)), [3.0, 1.0, 3.0])
    same(engine.sum(Tensor(PAIR), axis=[0, 1]), 3.0)
    with pytest.raises(ValueError, match=r"^var: 2 values along axis None are too few for correction nan"):
        engine.var(leaf([1.0, 2.0]), correction=math.nan)

"""Contractions: products of two arrays summed over shared axes. `tensordot` and `outer` are two of them.

The idea: label the axes. A label of both arrays is summed over if the result does not have it, else it is a batch
label; a label of one array only is free:

    contract(x, y, left="bij", right="bjk", result="bik")      b is a batch label, j is summed over, i and k are free

So any contraction is one batched matrix product, (b, i, j) times (b, j, k), between two transpositions.

The invariant: each label occurs in at least two of `left`, `right` and `result`, and at most once in each. Then the
derivative is a contraction too, with two of the three exchanged: `result` and `left` for the gradient of x, `result`
and `right` for that of y.

Read next: `engine/ops/creation.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from engine.declare import primitive
from engine.examples import REAL, Arguments, Draw
from engine.operands import setting
from engine.ops.linalg import matmul
from engine.ops.shapes import convert_operands, reshape
from engine.plan import LINEAR

__all__ = ["outer", "tensordot"]

Labels = tuple[Any, ...]


def _contract_example(draw: Draw) -> Arguments:
    left, right, result = draw.choice(
        ["ab bc ac", "a a ", "ab ab ba", "a b ba", "abc cad bda", " ab ba", "abc dcb ad", "ab ab a"]
    ).split(" ")
    side = {label: draw.integer(0, 3) for label in "abcd"}
    x, y = (draw.array(tuple(side[label] for label in labels), REAL) for labels in (left, right))
    return Arguments([x, y], {"left": tuple(left), "right": tuple(right), "result": tuple(result)})


@primitive(
    vjp=(
        lambda g, y, *, left, right, result: contract(g, y, left=result, right=right, result=left),
        lambda g, x, *, left, right, result: contract(x, g, left=left, right=result, result=right),
    ),
    jvp=LINEAR,
    examples=_contract_example,
    broadcasts=True,
    degree={"x": 1, "y": 1},
)
def contract(x: Any, y: Any, *, left: Labels, right: Labels, result: Labels) -> Any:
    """Multiply two arrays with labelled axes and sum over the labels that are not in `result`."""
    dtype = np.result_type(x, y)
    x, y = np.asarray(x, dtype), np.asarray(y, dtype)
    batch = [label for label in left if label in right and label in result]
    summed = [label for label in left if label in right and label not in result]
    rows = [label for label in left if label not in right]
    columns = [label for label in right if label not in left]
    side = {**dict(zip(left, x.shape, strict=True)), **dict(zip(right, y.shape, strict=True))}

    def sizes(labels: Sequence[Any]) -> int:
        return math.prod(side[label] for label in labels)

    x = x.transpose([left.index(label) for label in batch + rows + summed])
    y = y.transpose([right.index(label) for label in batch + summed + columns])
    x = x.reshape(sizes(batch), sizes(rows), sizes(summed))
    y = y.reshape(sizes(batch), sizes(summed), sizes(columns))
    out = matmul(x, y) if summed else x * y  # with nothing to sum, broadcasting alone is much faster
    order = batch + rows + columns
    return out.reshape([side[label] for label in order]).transpose([order.index(label) for label in result])


def tensordot(x: Any, y: Any, *, axes: Any = 2) -> Any:
    """Product of x and y summed over pairs of axes; the result has the other axes of x, then those of y.

    Args:
        x, y: the operands.
        axes: the number of last axes of x to pair with the first axes of y, or two sequences, axes of x and axes of y.

    Raises ValueError if paired axes differ in size or number.
    """
    x, y = convert_operands("tensordot", (x, y))
    axes = setting("tensordot", "axes", axes)
    if isinstance(axes, int | np.integer):
        pairs = range(x.ndim - axes, x.ndim), range(axes)
        if not 0 <= axes <= min(x.ndim, y.ndim):
            raise ValueError(f"tensordot: shapes {x.shape}, {y.shape} have no {axes} axes to pair")
    else:
        pairs = axes
    axes_x, axes_y = (
        normalize_axis_tuple(a, operand.ndim, "tensordot") for a, operand in zip(pairs, (x, y), strict=True)
    )
    if [x.shape[a] for a in axes_x] != [y.shape[a] for a in axes_y]:
        raise ValueError(f"tensordot: axes {axes_x} of shape {x.shape} do not fit axes {axes_y} of shape {y.shape}")
    left = tuple(range(x.ndim))
    right = tuple(axes_x[axes_y.index(a)] if a in axes_y else x.ndim + a for a in range(y.ndim))
    free = (*(a for a in left if a not in axes_x), *(a for a in right if a >= x.ndim))
    return contract(x, y, left=left, right=right, result=free)


def outer(x: Any, y: Any) -> Any:
    """The products x_i y_j of all values of the flattened x and y, with shape (x.size, y.size)."""
    x, y = (reshape(operand, shape=(-1,)) for operand in convert_operands("outer", (x, y)))
    return contract(x, y, left=("i",), right=("j",), result=("i", "j"))

"""derivative: the derivative of one small op in one argument, as text.

Read next: `viz/stages.py`, the share of each part of the model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

MOST_ELEMENTS = 64  # of a Jacobian that is written out


def is_small(inputs: Sequence[int], outputs: Sequence[int]) -> bool:
    """Whether the Jacobian between arrays of these shapes is written out."""
    return 0 < math.prod(inputs) * math.prod(outputs) <= MOST_ELEMENTS


def derivative(pulled: Sequence[Any], inputs: Sequence[int], outputs: Sequence[int]) -> str:
    """A number between numbers; a row of numbers for a diagonal; else a matrix with a row for each input element.

    Args:
        pulled: what each unit cotangent of the output comes to at the input, in the order of the elements.
        inputs, outputs: the shapes.
    """
    matrix = np.stack([np.ravel(np.asarray(row, np.float64)) for row in pulled], axis=1)
    if matrix.size == 1:
        return _text(matrix.reshape(inputs))
    if tuple(inputs) == tuple(outputs) and np.array_equal(matrix, np.diag(np.diag(matrix)), equal_nan=True):
        return _text(np.diag(matrix).reshape(outputs))
    return _text(matrix)


def _text(array: Any) -> str:
    """An array with four digits, on one line."""
    if array.ndim == 0:
        return f"{array.item() + 0.0:.4g}"  # + 0.0: no minus before a zero
    text = np.array2string(
        array, formatter={"float_kind": lambda v: f"{v + 0.0:.4g}"}, threshold=20, max_line_width=10**6
    )
    return text.replace("\n", "")

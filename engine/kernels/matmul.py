"""matmul of large matrices: each part of the team computes some rows of the result.

OpenBLAS has threads of its own, which this kernel replaces while a team serves; see `engine/threads.py`.

Read next: `engine/kernels/attention.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.arrays import Array
from engine.kernels.products import ONE, ZERO, multiply
from engine.kernels.team import shared
from engine.threads import of_kernels

_PIECES = 4  # fewer and larger parts than other kernels have: every one reads the whole right matrix
_LARGE = 1 << 18  # multiplications; fewer are done before a helper has begun


@shared
def _product(part: Any, x: Array, x_transposed: bool, y: Array, y_transposed: bool, out: Array) -> None:
    if part >= _PIECES:
        return
    first, last = out.shape[0] * part // _PIECES, out.shape[0] * (part + 1) // _PIECES
    if first < last:
        rows = x[:, first:last] if x_transposed else x[first:last]
        multiply(rows, x_transposed, y, y_transposed, ONE, ZERO, out[first:last])


def forward(x: Any, y: Any) -> Array | None:
    """The product, or one product after the other where there are leading axes."""
    if of_kernels() < 2 or min(x.ndim, y.ndim) < 2 or x.shape[-1] != y.shape[-2] or x.dtype != y.dtype:
        return None
    (rows, length), columns = x.shape[-2:], y.shape[-1]
    left, right = _layout(x), _layout(y)
    if rows * length * columns < _LARGE or left is None or right is None:
        return None
    (x, x_transposed), (y, y_transposed) = left, right
    if x.ndim == y.ndim == 2:
        out = np.empty((rows, columns), x.dtype)
        _product(out.size * length, x, x_transposed, y, y_transposed, out)
        return out
    try:
        outer = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    except ValueError:  # the op says what is wrong
        return None
    out = np.empty((*outer, rows, columns), x.dtype)
    x, y = (np.broadcast_to(matrix, (*outer, *matrix.shape[-2:])) for matrix in (x, y))
    for index in np.ndindex(outer):
        _product(out.size * length, x[index], x_transposed, y[index], y_transposed, out[index])
    return out


def _layout(x: Array) -> tuple[Array, bool] | None:
    """The array and False, or its transpose and True, whichever has rows without gaps; None if neither has."""
    for matrix, transposed in ((x, False), (x.swapaxes(-1, -2), True)):
        *_, row, element = matrix.strides
        if element == x.itemsize and row >= matrix.shape[-1] * element and not row % element:
            return matrix, transposed
    return None

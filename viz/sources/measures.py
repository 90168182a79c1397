"""The measures of NumPy arrays: norms, shares and summaries, taken in float64.

Read next: `viz/sources/assemble.py`, from records to data.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viz.data import Numbers
from viz.sources.records import Contribution, Gradient

MOST_ELEMENTS_LISTED = 16  # a larger array is only summarised
_ROW = 8192  # elements
_IN_RANGE = 1e-280  # smaller squares lose digits to underflow

_Array = NDArray[Any]


def measure(contributions: Sequence[_Array], by_row: bool) -> Gradient:
    """The measures of contributions and of their sum, the gradient."""
    terms = [np.asarray(contribution, np.float64) for contribution in contributions]
    gradient = np.asarray(sum(terms)) if len(terms) > 1 else terms[0]
    norm = two_norm(gradient)
    rms = norm / math.sqrt(max(gradient.size, 1))
    return Gradient(
        norm, rms, numbers(gradient), tuple(_measured(terms, gradient, norm)), _rows(gradient) if by_row else ()
    )


def read(pending: Sequence[Gradient]) -> Sequence[Gradient]:
    """NumPy waits for nothing: the measures are Python numbers already."""
    return pending


def _measured(contributions: list[_Array], gradient: _Array, norm: float) -> Iterator[Contribution]:
    if len(contributions) == 1:  # the usual case: the contribution is the gradient
        yield Contribution(norm, 1.0 if norm > 0 else math.nan, norm, each(gradient))
        return
    gathered: Any = 0.0
    for contribution in contributions:
        gathered = gathered + contribution
        yield Contribution(
            two_norm(contribution), _share(contribution, gradient, norm), two_norm(gathered), each(contribution)
        )


def two_norm(x: _Array) -> float:
    """The 2-norm, also of elements whose squares would leave the range of floats."""
    squared = _dot(x, x)
    if _IN_RANGE < squared < math.inf:
        return math.sqrt(squared)
    largest = float(np.abs(x).max(initial=0.0))
    if not 0 < largest < math.inf:
        return largest
    with np.errstate(under="ignore"):
        x = x / largest
        return largest * math.sqrt(_dot(x, x))


def _share(contribution: _Array, gradient: _Array, norm: float) -> float:
    """<c, g> / |g|^2; nan where the gradient is zero."""
    return inner(contribution, gradient, norm, norm) if norm > 0 else math.nan


def inner(x: _Array, y: _Array, of_x: float, of_y: float) -> float:
    """<x, y> / (of_x of_y), also where that product would leave the range of floats; 0 if a divisor is zero."""
    product = of_x * of_y
    if _IN_RANGE < product < math.inf:
        return _dot(x, y) / product
    with np.errstate(all="ignore"):
        return _dot(x / of_x, y / of_y) if of_x > 0 and of_y > 0 else 0.0


@np.errstate(all="ignore")  # the caller sees what leaves the range of floats
def _dot(x: _Array, y: _Array) -> float:
    """The inner product, of rows that BLAS does not share among threads: these wait longer than the work takes."""
    x, y = np.ravel(x), np.ravel(y)
    whole = x.size - x.size % _ROW
    long = float(np.vecdot(x[:whole].reshape(-1, _ROW), y[:whole].reshape(-1, _ROW)).sum()) if whole else 0.0
    return long + float(np.vecdot(x[whole:], y[whole:]))


def _rows(gradient: _Array) -> tuple[tuple[float, ...], ...]:
    """The norm at each position; one row for each text of the batch."""
    norms = np.linalg.norm(gradient, axis=-1)
    return tuple(tuple(row) for row in norms.reshape(-1, norms.shape[-1]).tolist())


def numbers(array: Any) -> Numbers | None:
    """The summary of an array; None for an empty one."""
    if not np.size(array):
        return None
    array = np.asarray(array, np.float64)
    if array.size == 1:
        value = array.item()
        return Numbers(value, 0.0, value, value, (value,), float(value == 0))
    zeros = float(np.count_nonzero(array == 0) / array.size)
    with np.errstate(all="ignore"):  # inf - inf, in the standard deviation
        mean, std, least, greatest = (float(take(array)) for take in (np.mean, np.std, np.min, np.max))
    return Numbers(mean, std, least, greatest, each(array), zeros)


def each(array: _Array) -> tuple[float, ...] | None:
    """The elements, row by row; None if they are too many to list."""
    return tuple(array.ravel().tolist()) if array.size <= MOST_ELEMENTS_LISTED else None

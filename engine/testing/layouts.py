"""Layouts: the ways in which the same values can lie in memory. A rule's result must not depend on them.

Read next: `engine/testing/strategies.py`, how points are drawn.
"""

from __future__ import annotations

import numpy as np

from engine.arrays import Array


def spaced(array: Array) -> Array:
    """With gaps between the values, which hold nan (1 in an integer array), so that reading them shows."""
    view: Array = np.full([2 * side for side in array.shape], np.nan if array.dtype.kind == "f" else 1, array.dtype)
    for k in range(array.ndim):
        view = np.moveaxis(np.moveaxis(view, k, 0)[::2], 0, k)
    view[...] = array
    return view


def turned(array: Array) -> Array:
    """A view of an array whose last axis came first: with three axes, in neither C nor Fortran order."""
    return np.moveaxis(np.array(np.moveaxis(array, -1, 0), order="C"), 0, -1) if array.ndim else array.copy()


def repeated(array: Array) -> Array:
    """With a stride of 0 along each axis along which all values are the same."""
    small = array
    for k in range(array.ndim):
        first = small.take([0], k) if small.shape[k] else small
        small = first if (first == small).all() else small
    return np.broadcast_to(small, array.shape)


def read_only(array: Array) -> Array:
    """A read-only view."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


LAYOUTS = (
    np.copy,
    lambda array: np.array(array, order="F"),
    turned,
    spaced,
    lambda array: np.flip(np.flip(array).copy()),  # strides below 0
    repeated,
    lambda array: read_only(array.copy()),
)

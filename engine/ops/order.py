"""Ops that compare values with one another: extremes, their places, and sorting.

What comes out is some of the values that went in, so the cotangent goes back to those. The places themselves
are integers and have no derivative: argmax, argmin and argsort give plain arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from engine.arrays import Array
from engine.declare import primitive
from engine.examples import DISTINCT, along_axes
from engine.operands import as_operand
from engine.ops.indexing import take_along_axis
from engine.ops.reductions import not_of_nothing, reduced_shape, spread, sum

__all__ = ["argmax", "argmin", "argsort", "max", "min", "sort"]


def _winners(x: Any, out: Any, axis: Any) -> Any:
    """1 at the extreme values, divided by how many there are. A nan is what comes out, hence a winner."""
    x, out = as_operand(x), as_operand(out)
    hits = (x == out.reshape(reduced_shape(x.shape, axis))) | (x != x)
    return hits * (1.0 / hits.sum(axis=axis, keepdims=True)).astype(x.dtype)


def _extreme_backward(g: Any, x: Any, out: Any, *, axis: Any) -> Any:
    return spread(g, x.shape, axis) * _winners(x, out, axis)


def _extreme_forward(t: Any, x: Any, out: Any, *, axis: Any, keepdims: bool) -> Any:
    return sum(t * _winners(x, out, axis), axis=axis, keepdims=keepdims)


@primitive(vjp=(_extreme_backward,), jvp=(_extreme_forward,), examples=along_axes(DISTINCT, min_side=1), along="axis")
def max(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Largest value over axes; those that tie share the cotangent evenly."""
    not_of_nothing("max", x, axis)
    return np.max(x, axis=axis, keepdims=keepdims)


@primitive(vjp=(_extreme_backward,), jvp=(_extreme_forward,), examples=along_axes(DISTINCT, min_side=1), along="axis")
def min(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Smallest value over axes; those that tie share the cotangent evenly."""
    not_of_nothing("min", x, axis)
    return np.min(x, axis=axis, keepdims=keepdims)


def sort(x: Any, *, axis: int = -1, descending: bool = False) -> Any:
    """The values in order along an axis, equal ones as they came; each receives the cotangent of its new place."""
    axis = normalize_axis_index(axis, np.ndim(as_operand(x)), "sort")
    return take_along_axis(x, argsort(x, axis=axis, descending=descending), axis=axis)


def argsort(x: Any, *, axis: int = -1, descending: bool = False) -> Array:
    """Where the values of `sort(x)` are in x: a plain array of indices along an axis. nan counts as the largest."""
    values = np.asarray(as_operand(x))
    axis = normalize_axis_index(axis, values.ndim, "argsort")
    if not descending:
        return np.argsort(values, axis=axis, kind="stable")
    backward = np.argsort(np.flip(values, axis), axis=axis, kind="stable")  # seen from the end, equal values stay put
    return values.shape[axis] - 1 - np.flip(backward, axis)


def argmax(x: Any, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Where the largest value is along an axis, the first of equals: a plain array; flat indices for axis None."""
    return _place("argmax", np.argmax, x, axis, keepdims)


def argmin(x: Any, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Where the smallest value is along an axis, the first of equals: a plain array; flat indices for axis None."""
    return _place("argmin", np.argmin, x, axis, keepdims)


def _place(op: str, find: Any, x: Any, axis: int | None, keepdims: bool) -> Array:
    values = np.asarray(as_operand(x))
    if axis is not None:
        axis = normalize_axis_index(axis, values.ndim, op)
    not_of_nothing(op, values, axis)
    return np.asarray(find(values, axis=axis, keepdims=keepdims))

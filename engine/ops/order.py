"""Ops that compare values with one another: largest and smallest values, their indices, and sorting.

The results are some of the values of the argument, and these receive the cotangent. Indices are integers and have no
derivative: argmax, argmin and argsort return arrays, not tensors.

Read next: `engine/ops/shapes.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.arrays import Array
from engine.declare import primitive
from engine.examples import DISTINCT, along_axes
from engine.operands import as_operand, setting
from engine.ops.axes import axis_of, reduced_shape
from engine.ops.elementwise.arithmetic import alias
from engine.ops.indexing import take_along_axis
from engine.ops.reductions import check_nonempty, restore_axes, sum

__all__ = ["argmax", "argmin", "argsort", "max", "min", "sort"]


def _extreme_weights(x: Any, out: Any, axis: Any) -> Any:
    """1 / n at the n extreme values, 0 elsewhere. A nan counts as extreme, because the result is nan."""
    x, out = as_operand(x), as_operand(out)
    hits = (x == out.reshape(reduced_shape(x.shape, axis))) | (x != x)
    return hits * (1.0 / hits.sum(axis=axis, keepdims=True)).astype(x.dtype)


def _extreme_backward(g: Any, x: Any, out: Any, *, axis: Any) -> Any:
    """g where x = out, in equal parts where several are, else 0"""
    return restore_axes(g, x.shape, axis) * _extreme_weights(x, out, axis)


def _extreme_forward(t: Any, x: Any, out: Any, *, axis: Any, keepdims: bool) -> Any:
    return sum(t * _extreme_weights(x, out, axis), axis=axis, keepdims=keepdims)


@primitive(
    vjp=(_extreme_backward,), jvp=(_extreme_forward,), examples=along_axes(DISTINCT, min_side=1), along="axis", degree=1
)
def max(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Largest value over axes, which receives the cotangent; n equal largest values receive 1 / n of it each.

    Raises ValueError for the largest of no values.
    """
    check_nonempty("max", x, axis)
    return np.max(x, axis=axis, keepdims=keepdims)


@primitive(
    vjp=(_extreme_backward,), jvp=(_extreme_forward,), examples=along_axes(DISTINCT, min_side=1), along="axis", degree=1
)
def min(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Smallest value over axes, which receives the cotangent; n equal smallest values receive 1 / n of it each.

    Raises ValueError for the smallest of no values.
    """
    check_nonempty("min", x, axis)
    return np.min(x, axis=axis, keepdims=keepdims)


def sort(x: Any, *, axis: int = -1, descending: bool = False) -> Any:
    """The values sorted along an axis, nan as the largest; each receives the cotangent at its new place."""
    axis = axis_of(setting("sort", "axis", axis), np.ndim(as_operand(x)), "sort")
    descending = setting("sort", "descending", descending)
    if not np.ndim(as_operand(x)):
        return alias(x)
    return take_along_axis(x, argsort(x, axis=axis, descending=descending), axis=axis)


def argsort(x: Any, *, axis: int = -1, descending: bool = False) -> Array:
    """The indices that sort x along an axis, as an array; equal values keep their order, nan counts as the largest."""
    values = np.asarray(as_operand(x))
    axis = axis_of(setting("argsort", "axis", axis), values.ndim, "argsort")
    descending = setting("argsort", "descending", descending)
    if not values.ndim:
        return np.zeros((), np.intp)
    if not descending:
        return np.argsort(values, axis=axis, kind="stable")
    backward = np.argsort(
        np.flip(values, axis), axis=axis, kind="stable"
    )  # flipped, so that equal values keep their order
    return values.shape[axis] - 1 - np.flip(backward, axis)


def argmax(x: Any, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """The index of the largest value, the first of equal ones, along an axis or in the flattened x; an array.

    Raises ValueError for no values.
    """
    return _index("argmax", np.argmax, x, axis, keepdims)


def argmin(x: Any, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """The index of the smallest value, the first of equal ones, along an axis or in the flattened x; an array.

    Raises ValueError for no values.
    """
    return _index("argmin", np.argmin, x, axis, keepdims)


def _index(op: str, find: Any, x: Any, axis: int | None, keepdims: bool) -> Array:
    values = np.asarray(as_operand(x))
    axis, keepdims = setting(op, "axis", axis), setting(op, "keepdims", keepdims)
    if axis is not None:
        axis = axis_of(axis, values.ndim, op)
    check_nonempty(op, values, axis)
    return np.asarray(find(values, axis=axis, keepdims=keepdims))

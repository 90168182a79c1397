"""Ops of a user's own with one mistake planted in each: what a gradient checker is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import engine
from engine.examples import (
    DISTINCT,
    NONZERO,
    POSITIVE,
    REAL,
    Arguments,
    Draw,
    along_axes,
    along_axis,
    broadcasting,
    elementwise,
)
from engine.operands import as_operand
from engine.primitive import Primitive

ops: dict[str, Primitive] = {}


def planted(**knowledge: Any) -> Callable[[Callable[..., Any]], None]:
    """Decorator: an op whose rules are wrong, as the function's docstring says."""

    def make(forward: Callable[..., Any]) -> None:
        ops[forward.__name__] = Primitive(forward, **knowledge)

    return make


def where(condition: Any, x: Any, y: Any) -> Any:
    return engine.where(as_operand(condition), x, y)


# ---- of one array, place by place ------------------------------------------------------------------------------------

real = elementwise(REAL)


@planted(vjp=(lambda g, x: g * engine.sin(x),), examples=real)
def sign(x: Any) -> Any:
    """The cosine without the minus."""
    return np.cos(x)


@planted(vjp=(lambda g, x: g * x,), examples=real)
def factor(x: Any) -> Any:
    """The square without the 2."""
    return np.square(x)


@planted(vjp=(lambda g, out: g * (1 - out),), examples=real)
def not_squared(x: Any) -> Any:
    """The hyperbolic tangent with out for out * out."""
    return np.tanh(x)


@planted(vjp=(lambda g, x: g / (x * x),), examples=elementwise(NONZERO))
def reciprocal(x: Any) -> Any:
    """1 / x without the minus, away from 0."""
    return 1 / x


@planted(vjp=(lambda g: g,), examples=elementwise(POSITIVE))
def ignored_value(x: Any) -> Any:
    """The logarithm, where the slope is taken for 1."""
    return np.log(x)


@planted(vjp=(lambda g, x: where(as_operand(x) < 0, 0.1 * g, g),), examples=elementwise(NONZERO))
def negative_only(x: Any) -> Any:
    """A leaky relu with another slope in the rule than in the function."""
    return np.where(x < 0, 0.01 * x, x)


@planted(vjp=(lambda g, x: g * where(as_operand(x) > 1, 2.0, 2 * x),), examples=real)
def large_only(x: Any) -> Any:
    """The square, clipped where it is not."""
    return np.square(x)


@planted(vjp=(lambda g, x: g * where(as_operand(x) == 0, 0.0, engine.cos(x)),), examples=real)
def zero_only(x: Any) -> Any:
    """The sine, with no slope at 0."""
    return np.sin(x)


@planted(vjp=(lambda g, x: g * engine.cos(x) * (2.0 if np.ndim(as_operand(x)) == 2 else 1.0),), examples=real)
def matrices_only(x: Any) -> Any:
    """The sine, twice as steep for two axes."""
    return np.sin(x)


@planted(vjp=(lambda g, x: g * 2 * x * (2.0 if as_operand(x).size > 3 else 1.0),), examples=real)
def from_four_elements_on(x: Any) -> Any:
    """The square, by another way for larger arrays."""
    return np.square(x)


def _without_last(g: Any) -> Any:
    mask = np.ones(g.shape, g.dtype)
    mask.reshape(-1)[-1:] = 0
    return g * mask


@planted(vjp=(lambda g, x: _without_last(g * 2 * x),), examples=real)
def all_but_the_last(x: Any) -> Any:
    """The square, with a loop that stops one early."""
    return np.square(x)


# ---- of one array, along axes ----------------------------------------------------------------------------------------


def _softmax(x: Any, axis: int) -> Any:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


@planted(vjp=(lambda g, out, *, axis: out * (g - (g * out).sum(axis=0, keepdims=True)),), examples=along_axis(REAL))
def softmax_along_the_first(x: Any, *, axis: int) -> Any:
    """Softmax whose rule forgets which axis it was."""
    return _softmax(x, axis)


@planted(vjp=(lambda g, out, *, axis: g * out * (1 - out),), examples=along_axis(REAL))
def softmax_diagonal(x: Any, *, axis: int) -> Any:
    """Softmax with the diagonal of its Jacobian only."""
    return _softmax(x, axis)


def _spread(g: Any, shape: tuple[int, ...], axis: Any, keepdims: bool) -> Any:
    axes = range(len(shape)) if axis is None else [a % len(shape) for a in np.atleast_1d(axis)]
    kept = tuple(1 if a in axes else side for a, side in enumerate(shape))
    return engine.broadcast_to(engine.reshape(g, shape=kept), shape=shape)


@planted(vjp=(lambda g, x_shape, *, axis, keepdims: _spread(g, x_shape, axis, keepdims),), examples=along_axes(REAL, 1))
def sum_for_mean(x: Any, *, axis: Any, keepdims: bool) -> Any:
    """The mean with the rule of the sum."""
    return np.mean(x, axis=axis, keepdims=keepdims)


@planted(vjp=(lambda g, x_shape, *, axis, keepdims: engine.broadcast_to(g, shape=x_shape),), examples=along_axes(REAL))
def axis_not_restored(x: Any, *, axis: Any, keepdims: bool) -> Any:
    """The sum with a rule that relies on keepdims, or on the axis being the first."""
    return np.sum(x, axis=axis, keepdims=keepdims)


@planted(
    vjp=(lambda g, *, axis: engine.flip(engine.cumsum(g, axis=axis), axis=axis),),
    examples=along_axis(REAL),
)
def cumulated_the_wrong_way(x: Any, *, axis: int) -> Any:
    """The cumulative sum, flipped after instead of before as well."""
    return np.cumsum(x, axis=axis)


@planted(vjp=(lambda g, *, axis: engine.roll(g, 1, axis=axis),), examples=along_axis(REAL))
def rolled(x: Any, *, axis: int) -> Any:
    """The roll by one, rolled further instead of back."""
    return np.roll(x, 1, axis=axis)


@planted(
    vjp=(lambda g, *, axis: engine.flip(g, axis=axis if axis >= 0 else 0),),
    examples=along_axis(REAL),
)
def negative_axis(x: Any, *, axis: int) -> Any:
    """The flip, along the first axis where the axis is counted from the end."""
    return np.flip(x, axis=axis)


@planted(
    vjp=(lambda g, x, *, axis: g * (as_operand(x) == as_operand(x).max()),),
    examples=along_axis(DISTINCT),
)
def largest_of_all(x: Any, *, axis: int) -> Any:
    """The maximum along an axis, whose gradient goes to the largest of the whole array only."""
    return np.max(x, axis=axis, keepdims=True)


def _square_example(draw: Draw) -> Arguments:
    return Arguments([draw.array(draw.shape(min_dims=2, max_dims=2), REAL)], {})


@planted(vjp=(lambda g: g,), examples=_square_example)
def not_transposed(x: Any) -> Any:
    """The transpose with the rule of the identity."""
    return np.transpose(x)


# ---- of two arrays ---------------------------------------------------------------------------------------------------


@planted(vjp=(lambda g, y: g * y, lambda g, x: g * x), examples=broadcasting(REAL, REAL))
def broadcast_dropped(x: Any, y: Any) -> Any:
    """The product, whose rules do not sum over what was broadcast."""
    return np.multiply(x, y)


@planted(vjp=(lambda g, x: g * x, lambda g, y: g * y), examples=broadcasting(REAL, REAL), broadcasts=True)
def swapped(x: Any, y: Any) -> Any:
    """The product, whose rules are swapped."""
    return np.multiply(x, y)


@planted(vjp=(lambda g: g, lambda g: g), examples=broadcasting(REAL, REAL), broadcasts=True)
def difference(x: Any, y: Any) -> Any:
    """The difference with the rules of the sum."""
    return np.subtract(x, y)


def _matmul_example(draw: Draw) -> Arguments:
    rows, inner, columns = (draw.integer(1, 3) for _ in range(3))
    return Arguments([draw.array((rows, inner), REAL), draw.array((inner, columns), REAL)], {})


@planted(
    vjp=(lambda g, y: engine.matmul(g, y.swapaxes(0, 1)), lambda g, x: engine.matmul(x.swapaxes(0, 1), g) * 0.5),
    examples=_matmul_example,
)
def half_a_weight(x: Any, y: Any) -> Any:
    """The product of matrices, with half the gradient of the second."""
    return np.matmul(x, y)

"""Elementwise ops: one value in, one value out, arguments broadcast against each other.

Rules never undo broadcasting; the sweep does. A rule that reads `out` costs the node one array, one that reads
an argument keeps that argument alive, and `add` keeps nothing at all.

At kinks and ties the rules choose as written in their docstrings; everywhere else they are the textbook derivative.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import special
from engine.examples import NONZERO, POSITIVE, REAL, Arguments, Draw, broadcasting, elementwise
from engine.plan import LINEAR
from engine.primitive import as_operand, primitive
from engine.tensor import Array

# ---- arithmetic ----------------------------------------------------------------------------------------------------


@primitive(
    vjp=(lambda g: g, lambda g: g),
    jvp=(lambda t: t, lambda t: t),
    examples=broadcasting(REAL, REAL),
    broadcasts=True,
)
def add(x: Any, y: Any) -> Any:
    """Elementwise sum; d(x + y) = dx + dy."""
    return np.add(x, y)


@primitive(
    vjp=(lambda g: g, lambda g: -g),
    jvp=(lambda t: t, lambda t: -t),
    examples=broadcasting(REAL, REAL),
    broadcasts=True,
)
def subtract(x: Any, y: Any) -> Any:
    """Elementwise difference; d(x - y) = dx - dy."""
    return np.subtract(x, y)


@primitive(
    vjp=(lambda g, y: g * y, lambda g, x: g * x),
    jvp=LINEAR,
    examples=broadcasting(REAL, REAL),
    broadcasts=True,
)
def multiply(x: Any, y: Any) -> Any:
    """Elementwise product; d(xy) = y dx + x dy."""
    return np.multiply(x, y)


@primitive(
    vjp=(lambda g, y: g / y, lambda g, y, out: -g * (out / y)),
    jvp=(lambda t, y: t / y, lambda t, y, out: -t * (out / y)),
    examples=broadcasting(REAL, NONZERO),
    broadcasts=True,
)
def divide(x: Any, y: Any) -> Any:
    """Elementwise quotient; d(x/y) = dx/y - (x/y) dy/y."""
    return np.divide(x, y)


@primitive(vjp=(lambda g: -g,), jvp=(lambda t: -t,), examples=elementwise(REAL))
def negative(x: Any) -> Any:
    """Elementwise -x."""
    return np.negative(x)


def _pow_base(g: Any, x: Any, y: Any) -> Any:
    undefined = (as_operand(x) == 0) & (as_operand(y) == 0)  # 0 * 0**-1, whose limit is 0
    return g * (y * pow(where(undefined, 1.0, x), y - 1))


def _pow_exponent(g: Any, x: Any, out: Any) -> Any:
    at_zero = as_operand(x) == 0
    return where(at_zero, 0.0, g * out * log(where(at_zero, 1.0, x)))


@primitive(
    vjp=(_pow_base, _pow_exponent),
    jvp=(_pow_base, _pow_exponent),
    examples=broadcasting(POSITIVE, REAL),
    broadcasts=True,
)
def pow(x: Any, y: Any) -> Any:
    """Elementwise x**y; d = y x**(y-1) dx + x**y log(x) dy, with 0**y log 0 taken as its limit 0."""
    if isinstance(y, int | float) and y in (2, 3):  # float32 `x ** 3` costs 290 times `x * x * x`
        return x * x if y == 2 else x * x * x
    return np.power(x, y)


# ---- exponentials and roots ----------------------------------------------------------------------------------------


@primitive(vjp=(lambda g, out: g * out,), jvp=(lambda t, out: t * out,), examples=elementwise(REAL))
def exp(x: Any) -> Any:
    """Elementwise e**x, its own derivative."""
    return np.exp(x)


@primitive(vjp=(lambda g, x: g / x,), jvp=(lambda t, x: t / x,), examples=elementwise(POSITIVE))
def log(x: Any) -> Any:
    """Elementwise natural logarithm; d log x = dx / x."""
    return np.log(x)


@primitive(vjp=(lambda g, out: g / (2 * out),), jvp=(lambda t, out: t / (2 * out),), examples=elementwise(POSITIVE))
def sqrt(x: Any) -> Any:
    """Elementwise square root; d sqrt(x) = dx / (2 sqrt(x))."""
    return np.sqrt(x)


@primitive(vjp=(lambda g, x: g * (2 * x),), jvp=(lambda t, x: t * (2 * x),), examples=elementwise(REAL))
def square(x: Any) -> Any:
    """Elementwise x*x; d = 2x dx."""
    return np.square(x)


@primitive(
    vjp=(lambda g, out: g * (1 - out * out),), jvp=(lambda t, out: t * (1 - out * out),), examples=elementwise(REAL)
)
def tanh(x: Any) -> Any:
    """Elementwise hyperbolic tangent; d tanh(x) = (1 - tanh(x)**2) dx."""
    return np.tanh(x)


_SLOPE_AT_ZERO = 2 / math.sqrt(math.pi)


@primitive(
    vjp=(lambda g, x: g * (_SLOPE_AT_ZERO * exp(-(x * x))),),
    jvp=(lambda t, x: t * (_SLOPE_AT_ZERO * exp(-(x * x))),),
    examples=elementwise(REAL),
)
def erf(x: Any) -> Any:
    """Elementwise error function; d erf(x) = 2 / sqrt(pi) exp(-x*x) dx."""
    return special.erf(np.asarray(x))


# ---- pieces --------------------------------------------------------------------------------------------------------


@primitive(vjp=(lambda g, out: g * (out > 0),), jvp=(lambda t, out: t * (out > 0),), examples=elementwise(NONZERO))
def relu(x: Any) -> Any:
    """Elementwise max(x, 0); derivative 0 at the kink."""
    return np.maximum(x, 0)


@primitive(
    vjp=(lambda g, x: g * np.sign(as_operand(x)),),
    jvp=(lambda t, x: t * np.sign(as_operand(x)),),
    examples=elementwise(NONZERO),
)
def abs(x: Any) -> Any:
    """Elementwise absolute value; derivative 0 at the kink."""
    return np.abs(x)


def _won(x: Any, y: Any, out: Any) -> Any:
    """1 where x is the result, 1/2 where both are."""
    tie = as_operand(x) == as_operand(y)
    return np.where(tie, 0.5, as_operand(x) == as_operand(out)).astype(out.dtype)


_TO_THE_WINNER = (lambda g, x, y, out: g * _won(x, y, out), lambda g, x, y, out: g * _won(y, x, out))


def _apart(draw: Draw) -> Arguments:
    """Two arrays that broadcast and never tie: even numbers, and odd ones."""
    left, right = draw.broadcastable(2)
    return Arguments([2.0 * draw.integers(left, -2, 2), 2.0 * draw.integers(right, -2, 2) + 1.0])


@primitive(
    vjp=_TO_THE_WINNER,
    jvp=_TO_THE_WINNER,
    examples=_apart,
    broadcasts=True,
)
def maximum(x: Any, y: Any) -> Any:
    """Elementwise larger of two; a tie sends half to each."""
    return np.maximum(x, y)


@primitive(
    vjp=_TO_THE_WINNER,
    jvp=_TO_THE_WINNER,
    examples=_apart,
    broadcasts=True,
)
def minimum(x: Any, y: Any) -> Any:
    """Elementwise smaller of two; a tie sends half to each."""
    return np.minimum(x, y)


def _where_example(draw: Draw) -> Arguments:
    shapes = draw.broadcastable(3)
    return Arguments([draw.integers(shapes[0], 0, 1) == 1, draw.array(shapes[1], REAL), draw.array(shapes[2], REAL)])


@primitive(
    vjp=(None, lambda g, condition: where(condition, g, 0.0), lambda g, condition: where(condition, 0.0, g)),
    jvp=(None, lambda t, condition: where(condition, t, 0.0), lambda t, condition: where(condition, 0.0, t)),
    examples=_where_example,
    broadcasts=True,
)
def where(condition: Any, x: Any, y: Any) -> Any:
    """x where the condition holds, else y; each receives the gradient of the places it filled."""
    if not isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
        x = np.asarray(x, dtype=y.dtype)  # a Python number takes the other's dtype; np.where would widen to float64
    if not isinstance(y, np.ndarray) and isinstance(x, np.ndarray):
        y = np.asarray(y, dtype=x.dtype)
    return np.where(condition, x, y)


def _cast_example(draw: Draw) -> Arguments:
    return Arguments([draw.array(draw.shape(), REAL)], {"dtype": np.dtype(np.float64)})


@primitive(vjp=(lambda g: g,), jvp=LINEAR, examples=_cast_example, broadcasts=True)
def astype(x: Any, *, dtype: Any) -> Any:
    """The values in another floating dtype; the sweep casts the gradient back."""
    return x.astype(dtype)


@primitive(vjp=(lambda g: g,), jvp=LINEAR, examples=elementwise(REAL))
def alias(x: Any) -> Any:
    """The same tensor as a new node: a place for a sweep to end, or for a name to hang."""
    return x


# ---- comparisons: not differentiable, so plain arrays out ----------------------------------------------------------


def equal(x: Any, y: Any) -> Array:
    """Elementwise x == y, a boolean array."""
    return np.equal(as_operand(x), as_operand(y))


def not_equal(x: Any, y: Any) -> Array:
    """Elementwise x != y, a boolean array."""
    return np.not_equal(as_operand(x), as_operand(y))


def less(x: Any, y: Any) -> Array:
    """Elementwise x < y, a boolean array."""
    return np.less(as_operand(x), as_operand(y))


def less_equal(x: Any, y: Any) -> Array:
    """Elementwise x <= y, a boolean array."""
    return np.less_equal(as_operand(x), as_operand(y))


def greater(x: Any, y: Any) -> Array:
    """Elementwise x > y, a boolean array."""
    return np.greater(as_operand(x), as_operand(y))


def greater_equal(x: Any, y: Any) -> Array:
    """Elementwise x >= y, a boolean array."""
    return np.greater_equal(as_operand(x), as_operand(y))

"""Arithmetic of one and of two arguments, and ops that leave the values as they are: `astype`, `alias`.

These are the smallest ops. They show how every op is written: forward function, rules and examples in one block.

Read next: `engine/primitive.py`, the object that `@primitive` makes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.declare import primitive
from engine.examples import NONZERO, REAL, Arguments, Draw, broadcasting, elementwise
from engine.operands import as_operand, real_dtype
from engine.ops.elementwise.choices import where
from engine.plan import LINEAR, written

__all__ = ["abs", "add", "alias", "astype", "divide", "multiply", "negative", "sign", "square", "subtract"]


@primitive(
    vjp=(lambda g: g, lambda g: g),
    jvp=(lambda t: t, lambda t: t),
    examples=broadcasting(REAL, REAL),
    broadcasts=True,
    pointwise=True,
    degree=1,
)
def add(x: Any, y: Any) -> Any:
    """Elementwise sum; d(x + y) = dx + dy."""
    return np.add(x, y)


@primitive(
    vjp=(lambda g: g, lambda g: -g),
    jvp=(lambda t: t, lambda t: -t),
    examples=broadcasting(REAL, REAL),
    broadcasts=True,
    pointwise=True,
    degree=1,
)
def subtract(x: Any, y: Any) -> Any:
    """Elementwise difference; d(x - y) = dx - dy."""
    return np.subtract(x, y)


@primitive(
    vjp=(lambda g, y: g * y, lambda g, x: g * x),
    jvp=LINEAR,
    examples=broadcasting(REAL, REAL),
    broadcasts=True,
    pointwise=True,
    degree={"x": 1, "y": 1},
)
def multiply(x: Any, y: Any) -> Any:
    """Elementwise product; d(xy) = y dx + x dy."""
    return np.multiply(x, y)


@primitive(
    vjp=(lambda g, y: g / y, lambda g, x, y: -g * (x / y) / y),
    jvp=(lambda t, y: t / y, lambda t, y, out: -(t / y) * out),
    examples=broadcasting(REAL, NONZERO),
    broadcasts=True,
    pointwise=True,
    degree={"x": 1, "y": -1},
)
def divide(x: Any, y: Any) -> Any:
    """Elementwise quotient; d(x/y) = dx/y - (x/y) dy/y."""
    return np.divide(x, y)


@primitive(vjp=(lambda g: -g,), jvp=(lambda t: -t,), examples=elementwise(REAL), pointwise=True, degree=1)
def negative(x: Any) -> Any:
    """Elementwise -x; d(-x) = -dx."""
    return np.negative(x)


@primitive(
    vjp=(lambda g, x: g * (2 * x),),
    jvp=(lambda t, x: t * (2 * x),),
    examples=elementwise(REAL),
    pointwise=True,
    degree=2,
)
def square(x: Any) -> Any:
    """Elementwise x*x; d(x*x) = 2x dx."""
    return np.square(x)


@primitive(
    vjp=(written("g * sign(x)", lambda g, x: g * np.sign(as_operand(x))),),
    jvp=(lambda t, x: t * np.sign(as_operand(x)),),
    examples=elementwise(NONZERO),
    pointwise=True,
    degree=1,
)
def abs(x: Any) -> Any:
    """Elementwise absolute value; d|x| = sign(x) dx, and 0 at the kink."""
    return np.abs(x)


@primitive(
    vjp=(lambda g: where(False, g, 0.0),),  # 0 for an infinite g too; None would hide the edge from an observer
    jvp=(lambda t: where(False, t, 0.0),),
    examples=elementwise(NONZERO),
    pointwise=True,
    degree=0,
)
def sign(x: Any) -> Any:
    """Elementwise -1, 0 or 1; the derivative is 0, at the jump too."""
    return np.sign(x)


def _cast_example(draw: Draw) -> Arguments:
    return Arguments([draw.array(draw.shape(), REAL)], {"dtype": np.dtype(np.float64)})


@primitive(
    vjp=(lambda g: g,), jvp=LINEAR, examples=_cast_example, broadcasts=True, pointwise=True, moves=True, degree=1
)
def astype(x: Any, *, dtype: Any) -> Any:
    """The values in another floating dtype, d = dx; the sweep casts the contribution back to the dtype of x."""
    return x.astype(real_dtype("astype", dtype))


@primitive(vjp=(lambda g: g,), jvp=LINEAR, examples=elementwise(REAL), pointwise=True, moves=True, degree=1)
def alias(x: Any) -> Any:
    """The same values as a new node, d = dx; sweeps can end at it, and it can have a name of its own."""
    return x

"""Elementwise ops: one value in, one value out, arguments broadcast against each other.

Rules never undo broadcasting; the sweep does. A rule that reads `out` costs the node one array, one that reads
an argument keeps that argument alive, and `add` keeps nothing at all.

At kinks and ties the rules choose as written in their docstrings; everywhere else they are the textbook derivative.

A rule whose slope can be infinite or undefined weighs it with the cotangent, see `weighing.py`.

Read next: `engine/ops/elementwise/arithmetic.py`.
"""

from engine.ops.elementwise.activations import erf, relu, sigmoid, silu, softplus
from engine.ops.elementwise.arithmetic import (
    abs,
    add,
    alias,
    astype,
    divide,
    multiply,
    negative,
    sign,
    square,
    subtract,
)
from engine.ops.elementwise.choices import clip, maximum, minimum, where
from engine.ops.elementwise.comparisons import equal, greater, greater_equal, less, less_equal, not_equal
from engine.ops.elementwise.powers import exp, expm1, log, log1p, pow, sqrt
from engine.ops.elementwise.trigonometry import acos, asin, atan, atan2, cos, cosh, hypot, sin, sinh, tan, tanh

__all__ = [
    "abs",
    "acos",
    "add",
    "alias",
    "asin",
    "astype",
    "atan",
    "atan2",
    "clip",
    "cos",
    "cosh",
    "divide",
    "equal",
    "erf",
    "exp",
    "expm1",
    "greater",
    "greater_equal",
    "hypot",
    "less",
    "less_equal",
    "log",
    "log1p",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "not_equal",
    "pow",
    "relu",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "sinh",
    "softplus",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "tanh",
    "where",
]

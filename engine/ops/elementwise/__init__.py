"""Elementwise ops: one value in, one value out, arguments broadcast against each other.

Rules never undo broadcasting; the sweep does. A rule that reads `out` costs the node one array, one that reads
an argument keeps that argument alive, and `add` keeps nothing at all.

At kinks and ties the rules choose as written in their docstrings; everywhere else they are the textbook derivative.

Read next: `engine/ops/elementwise/arithmetic.py`.
"""

from engine.ops.elementwise.activations import erf, relu
from engine.ops.elementwise.arithmetic import abs, add, alias, astype, divide, multiply, negative, square, subtract
from engine.ops.elementwise.choices import maximum, minimum, where
from engine.ops.elementwise.comparisons import equal, greater, greater_equal, less, less_equal, not_equal
from engine.ops.elementwise.powers import exp, log, pow, sqrt
from engine.ops.elementwise.trigonometry import tanh

__all__ = [
    "abs",
    "add",
    "alias",
    "astype",
    "divide",
    "equal",
    "erf",
    "exp",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "log",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "not_equal",
    "pow",
    "relu",
    "sqrt",
    "square",
    "subtract",
    "tanh",
    "where",
]

"""Property tests of gradients: the engine's, and anybody's.

    gradcheck(f, x, y)                    derivatives of f at one point, against numerical truth
    assert_gradients(f, strategy)         at many points, drawn by hypothesis, with a small counterexample
    check_op(primitive)                   every law an op obeys, at points from its own examples
    check_vjp(f, vjp, x, y)               a backward pass written by hand, for functions of plain arrays

There are three verdicts: agreement returns, disagreement raises GradientError, and what cannot be decided (a kink,
noise) raises Inconclusive, which is a GradientError.

>>> import numpy as np
>>> from engine.testing import check_vjp
>>> print(check_vjp(np.sin, lambda g, x: g * np.cos(x), np.array([0.0, 1.0])))
agrees: 4 entries, reverse, to a relative error of ...

Read in this order: `numeric.py` (the truth), `remainder.py` (a second look), `judge.py` (three verdicts), `points.py`,
`pulls.py`, `comparison.py` and `checks.py` (functions), `claims.py` and `laws/` (ops), `strategies.py` and
`properties.py` (many points), `mutation/` (the checker, checked).
"""

from engine.testing.checks import Report, check_vjp, gradcheck
from engine.testing.laws import check_at
from engine.testing.properties import assert_gradients, check_op
from engine.testing.report import GradientError, Inconclusive

__all__ = [
    "GradientError",
    "Inconclusive",
    "Report",
    "assert_gradients",
    "check_at",
    "check_op",
    "check_vjp",
    "gradcheck",
]

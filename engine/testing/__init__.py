"""Property tests of gradients: the engine's, and those of any function of arrays.

    gradcheck(f, x, y)                    derivatives of f at one point, against numerical truth
    assert_gradients(f, strategy)         at many points, drawn by hypothesis, with a small counterexample
    check_op(primitive)                   every law an op obeys, at points from its own examples
    check_vjp(f, vjp, x, y)               a backward pass written by hand, for functions of plain arrays
    check_torch_function, check_torch_module, check_jax     those of PyTorch and JAX (`adapters/`)

There are three verdicts. If rule and truth agree, a check returns; if they disagree, it raises GradientError; if it
cannot decide, at a kink or because of noise, it raises Inconclusive, a subclass of GradientError.

>>> import numpy as np
>>> from engine.testing import check_vjp
>>> print(check_vjp(np.sin, lambda g, x: g * np.cos(x), np.array([0.0, 1.0])))
agrees: 4 entries, reverse, to a relative error of ...

The files come in this order: numerical derivatives and the verdicts on a rule at one point; checks of functions, in
other frameworks too; laws of ops; many points, drawn by hypothesis; random programs of ops; and `mutation/`, which
tests the checker itself.

Read next: `engine/testing/numeric.py`, the numerical derivatives.
"""

from engine.testing.adapters.jax import check_jax
from engine.testing.adapters.torch import check_torch_function, check_torch_module
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
    "check_jax",
    "check_op",
    "check_torch_function",
    "check_torch_module",
    "check_vjp",
    "gradcheck",
]

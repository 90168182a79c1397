"""check_grads(f)(*args): derivatives of any function, to any order, against central differences.

The idea, that of the `autograd` library: a derivative that can be differentiated is a function again, so checking the
second order is checking the first order of the derivative. At every order each mode is asked,

    fwd     J v, by a forward sweep              rev     J' g, by a reverse sweep, weighed as <J' g, v> = <g, J v>

so order 2 tries forward over forward, forward over reverse, and both the other ways round. Directions are random.
Arguments and results are trees of numbers, arrays and tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import engine
from engine import Tensor, trees
from engine.testing.laws import agree
from engine.testing.numeric import Estimate, directional

Function = Callable[..., Any]


def check_grads(f: Function, modes: Sequence[str] = ("fwd", "rev"), order: int = 2) -> Callable[..., None]:
    """A function that raises GradientError, naming the way there, where f's derivatives at its arguments are wrong."""

    def check(*args: Any) -> None:
        arrays = [np.asarray(leaf.value, np.float64) for leaf in trees.leaves(args)]
        _check("f", lambda *xs: _joined(f(*trees.with_leaves(args, list(xs)))), arrays, modes, order)

    return check


def _check(way: str, f: Function, xs: Sequence[Any], modes: Sequence[str], order: int) -> None:
    rng = np.random.default_rng(order)
    directions = tuple(rng.normal(size=x.shape) for x in xs)
    truth = directional(lambda *moved: f(*map(Tensor, moved)).numpy(), xs, directions)
    g = rng.normal(size=truth.value.shape)

    def forward(*ys: Any) -> Any:
        return engine.jvp(f, ys, directions)[1]

    def reverse(*ys: Any) -> Any:
        return _joined(engine.vjp(f, *ys)[1](g))

    if "fwd" in modes:
        agree(f"fwd of {way}", forward(*xs), truth)
    if "rev" in modes:
        along = Estimate(*(np.asarray(np.vdot(*pair)) for pair in ((g, truth.value), (np.abs(g), truth.error))))
        agree(f"rev of {way}", np.vdot(reverse(*xs).numpy(), _joined(directions).numpy()), along)
    if order > 1:
        for mode, derivative in (("fwd", forward), ("rev", reverse)):
            if mode in modes:
                _check(f"{mode} of {way}", derivative, xs, modes, order - 1)


def _joined(tree: Any) -> Any:
    """All leaves of a tree, in a row."""
    parts = [leaf.value if isinstance(leaf.value, Tensor) else Tensor(leaf.value) for leaf in trees.leaves(tree)]
    return engine.concat([engine.reshape(x, shape=(x.size,)) for x in parts])

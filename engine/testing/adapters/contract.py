"""What a backward pass owes autograd besides its values: the same gradients however it is asked for them.

    another call      between forward and backward, at another point: nothing is kept on a class or a module
    a second time     through the same graph: nothing that was saved is written into
    one argument      when no other one requires a gradient: `ctx.needs_input_grad` is read rightly
    one result        when no other one is used: a cotangent that is missing counts as zero

A Function that writes into an argument must say so as well, by `ctx.mark_dirty`.

Read next: `engine/testing/adapters/jax.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from engine import trees
from engine.arrays import Array
from engine.testing.adapters.program import Program, array_of
from engine.testing.points import random
from engine.testing.report import GradientError, element
from engine.testing.tally import tally

__tracebackhide__ = True  # in pytest's tracebacks: what failed is what was checked

Gradients = Sequence[Array | None]


def hold_contract(program: Program, names: Sequence[str], xs: Sequence[Array], seed: int) -> None:
    """Check that the gradients are the same under all these circumstances. Raises GradientError."""
    rng = np.random.default_rng([seed, 5])
    graph = program.run(xs)
    gs = [random(rng, y.shape).astype(y.dtype) for y in graph.values()]

    def same(
        law: str, words: str, found: Callable[[], Gradients], expected: Gradients, only: int | None = None
    ) -> None:
        _same(program.subject, law, words, names, _got(program.subject, words, found), expected, only)

    expected = graph.pull(gs)
    if program.declared:
        _writes_where_it_says(program, xs)

    earlier, inputs = program.run(xs), len(program.arguments.names)
    elsewhere = [x * (1 + 1 / 64) + 2**-20 for x in xs[:inputs]]  # near, so that logarithms and roots have values
    with program.as_at_first(xs[0].dtype):
        program.outcome([*elsewhere, *xs[inputs:]])
    same("another call", "after another call of the function", lambda: earlier.pull(gs), expected)
    same("a second time", "when asked a second time, of the same graph", lambda: graph.pull(gs), expected)
    if program.parameters:
        return

    def of_argument(k: int) -> Gradients:
        return program.run(xs, only=k).pull(gs)

    for k, name in enumerate(names if len(names) > 1 else ()):
        same("one argument", f"when only {name} requires a gradient", partial(of_argument, k), expected, k)
    for j in range(len(gs) if len(gs) > 1 else 0):
        zeros = [g if i == j else np.zeros_like(g) for i, g in enumerate(gs)]
        alone = [g if i == j else None for i, g in enumerate(gs)]
        words = f"when only result {j + 1} of {len(gs)} is used"
        same("one result", words, partial(graph.pull, alone), graph.pull(zeros))


def _writes_where_it_says(program: Program, xs: Sequence[Array]) -> None:
    """Check that the forward pass writes only into arguments that it returns, as it must those marked as dirty."""
    given: list[Any] = []

    def apply(*args: Any) -> Any:
        tensors = [leaf.value for leaf in trees.leaves(args) if isinstance(leaf.value, program.torch.Tensor)]
        given.extend(one for one in tensors if one.is_floating_point())
        return program.apply(*args)

    results = replace(program, apply=apply).run(xs).results
    for name, x, tensor in zip(program.arguments.names, xs, given, strict=True):
        if not np.array_equal(array_of(tensor), x, equal_nan=True) and all(tensor is not one for one in results):
            raise GradientError(
                f"{program.subject}: the forward pass writes into its argument {name}; "
                "return a new tensor, or mark it by ctx.mark_dirty and return it"
            )


def _got(subject: str, words: str, found: Callable[[], Gradients]) -> Gradients:
    try:
        return found()
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise GradientError(f"{subject}: fails {words}: {reason}") from error


def _same(
    subject: str, law: str, words: str, names: Sequence[str], found: Gradients, expected: Gradients, only: int | None
) -> None:
    """Compare gradients up to rounding, which a parallel sum may do in another order."""
    for k, (name, one, other) in enumerate(zip(names, found, expected, strict=True)):
        if (only is not None and k != only) or (one is None and other is None):
            continue
        zeros = np.zeros_like(one if one is not None else other)
        a, b = (zeros if x is None else x for x in (one, other))
        if a.shape != b.shape:
            raise GradientError(f"{subject}: the gradient of {name} has another shape {words}", law)
        room = np.sqrt(np.finfo(b.dtype).eps) * np.abs(b).max(initial=0, where=np.isfinite(b))
        wrong = ~((np.abs(a - b) <= room) | (a == b) | (np.isnan(a) & np.isnan(b)))
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            raise GradientError(
                f"{subject}: the gradient of {element(name, b.shape, at)} is {a.flat[at]:.6g} {words}, "
                f"and else {b.flat[at]:.6g}",
                law,
            )
        tally.record(subject, law, where=name)

"""A mutant: one wrong rule, and a context in which the engine has it.

The idea: nothing of the engine is copied. Planting exchanges the inside of what is there already, an op's attributes
or a function's code, so whoever holds the op or the function meets the wrong one.

The invariant: outside the context everything is as it was, whatever happened inside.

Read next: `generic.py` and `source.py`, the two families.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType

from engine.primitive import Primitive

CONTROL = "control"  # the kind of a mutant that changes nothing: it has to survive, or planting itself is at fault


@dataclass(frozen=True)
class Mutant:
    """One wrong rule.

    Fields:
        name: where it is and what is wrong there, "multiply.vjp(y): doubled"; the same in every run.
        kind: what is wrong, one word for many mutants: "doubled", "comparison".
        ops: names of the ops by whose checks it should be found.
        planted: makes a context in which the engine is wrong in this way.
        beyond: whether more than a rule is wrong: the mutated function is part of a forward pass, or of the sweeps.
    """

    name: str
    kind: str
    ops: tuple[str, ...]
    planted: Callable[[], AbstractContextManager[None]]
    beyond: bool = False


@contextmanager
def exchanged(op: Primitive, make: Callable[[], Primitive]) -> Iterator[None]:
    """A context in which `op` is, in everything but identity, what `make` returns."""
    before = dict(vars(op))
    wrong = vars(make())
    try:
        vars(op).update(wrong)
        yield
    finally:
        vars(op).clear()
        vars(op).update(before)


@contextmanager
def recoded(function: FunctionType, make: Callable[[], CodeType]) -> Iterator[None]:
    """A context in which `function` runs the code that `make` returns."""
    before = function.__code__
    try:
        function.__code__ = make()
        yield
    finally:
        function.__code__ = before

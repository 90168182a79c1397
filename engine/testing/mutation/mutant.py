"""A mutant: one wrong rule, and a context in which the engine has it.

The idea: planting copies nothing. It replaces an op's attributes or a function's code inside the existing object, so
every reference to the op or the function gets the wrong one.

The invariant: after the context everything is as before, even if an error was raised in it.

Read next: `engine/testing/mutation/sites.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType

from engine.primitive import Primitive

CONTROL = "control"  # the kind of a mutant that changes nothing: if it is found, the planting itself is wrong


@dataclass(frozen=True)
class Mutant:
    """One wrong rule.

    Fields:
        name: the place and the mistake, such as "multiply.vjp(y): doubled"; the same in every run.
        kind: the kind of mistake, shared by many mutants, such as "doubled" or "comparison".
        ops: names of the ops whose checks should find it.
        planted: makes a context in which the engine has this mistake.
        shared: whether the mutated function is part of a forward pass or of the sweeps too, not only of rules.
    """

    name: str
    kind: str
    ops: tuple[str, ...]
    planted: Callable[[], AbstractContextManager[None]]
    shared: bool = False


@contextmanager
def op_replaced(op: Primitive, make: Callable[[], Primitive]) -> Iterator[None]:
    """A context in which `op` has all attributes of the op that `make` returns."""
    before = dict(vars(op))
    wrong = vars(make())
    try:
        vars(op).update(wrong)
        yield
    finally:
        vars(op).clear()
        vars(op).update(before)


@contextmanager
def code_replaced(function: FunctionType, make: Callable[[], CodeType]) -> Iterator[None]:
    """A context in which `function` runs the code that `make` returns."""
    before = function.__code__
    try:
        function.__code__ = make()
        yield
    finally:
        function.__code__ = before

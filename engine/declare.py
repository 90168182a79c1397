"""`@primitive`: makes a function on arrays an op, and registers it.

Read next: `engine/sweeps.py`, the chain rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.plan import Joint
from engine.primitive import Primitive, registry
from engine.shortcuts import Binary, Quick, Unary
from engine.signature import Names


def primitive(**knowledge: Any) -> Callable[[Callable[..., Any]], Primitive]:
    """Decorator: make a function on arrays a `Primitive` and register it; the keywords are those of `engine.op.Op`.

    Raises ValueError if another module has registered an op of this name.
    """

    def make(forward: Callable[..., Any]) -> Primitive:
        made = _kind(forward, knowledge)(forward, **knowledge)
        existing = registry.get(made.name)
        if existing is not None and existing.__module__ != made.__module__:  # a notebook cell may run twice
            raise ValueError(f"a primitive named {made.name!r} exists already, in {existing.__module__}")
        registry[made.name] = made
        return made

    return make


def _kind(forward: Callable[..., Any], knowledge: dict[str, Any]) -> type[Primitive]:
    """The class with the shortest call: for ops of one or two arrays and nothing else, or for any others."""
    names = Names.of(forward)
    others = "residuals" in knowledge or names.optional or names.keywords or names.variable
    if others or isinstance(knowledge["vjp"], Joint) or None in knowledge["vjp"]:
        return Quick
    return {1: Unary, 2: Binary}.get(len(names.positional), Quick)

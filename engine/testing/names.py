"""Names: what a report calls a function and its arguments.

They are those of the source, as far as Python can tell: through `functools.wraps` and `functools.partial`, and of `*xs`
by number. A function of another language has none, and is named by the rule that goes with it.

Read next: `engine/testing/points.py`, what is checked.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

Function = Callable[..., Any]


def name_of(*functions: Function) -> str:
    """The name of a function in reports: that of the first of these whose name is an identifier."""
    bare = [f.func if isinstance(f, partial) else f for f in functions]
    names = [own_name(f) or type(f).__name__ for f in bare]
    return next((name for name in names if name.isidentifier()), names[0])


def own_name(f: Any) -> str:
    """The name that a function, a class or an op has of its own, or an empty string."""
    given = getattr(f, "name", None)  # of an op; a class may have a method of that name
    return str(given if given and isinstance(given, str) else getattr(f, "__name__", ""))


def named(count: int, f: Function, rule: Function | None = None) -> list[str]:
    """Names of the arguments of f, or else of rule(g, *arguments): `x`, `xs[1]`, or `argument 1`."""
    found = [f"argument {k}" for k in range(count)]
    for places, star in (_positional(f), _positional(rule, 1)):
        more = [f"{star}[{k}]" for k in range(count - len(places))] if star else []
        if places and len(places + more) >= count:
            return (places + more)[:count]
        found = more if more and found[0].startswith("argument ") else found
    return found


def _positional(f: Function | None, skipped: int = 0) -> tuple[list[str], str]:
    """The names of a function's positional parameters, but for the first ones, and that of `*args`, or ""."""
    try:
        parameters = inspect.signature(f).parameters.values() if f else []
    except (TypeError, ValueError):  # of another language
        return [], ""
    places = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return places[skipped:], next((p.name for p in parameters if p.kind == p.VAR_POSITIONAL), "")

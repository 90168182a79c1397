"""Snippets: Python source that repeats a check, to be pasted into a session or a new test.

Functions that can be imported are imported. Others (a lambda, a function inside a function) appear by name, with a
comment that says where they are defined.

Read next: `engine/testing/claims.py`, the checks of an op.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine import trees
from engine.testing.names import own_name

LONGEST = 64  # arguments with more elements are not written out


def call(check: str, subjects: Mapping[str, Any], arguments: Sequence[Any], **options: Any) -> str:
    """The source of one call of `engine.testing.<check>(*subjects, *arguments, **options)`.

    Args:
        check: the name of the check.
        subjects: the functions it is called with, by the names to use for those without a name of their own.
        arguments, options: the other arguments of the call.
    """
    named = [_named(subject, name) for name, subject in subjects.items()]
    optional = {key: _named(value, key) if callable(value) else ("", repr(value)) for key, value in options.items()}
    lines = [line for line, _ in (*named, *optional.values())]
    imports = {"import numpy as np", f"from engine.testing import {check}", *lines} - {""}
    given = [name for _, name in named]
    for k, argument in enumerate(arguments):
        if _size(argument) > LONGEST:
            imports.add(f"# argument{k} is the one that was checked, too long to print")
        given.append(f"argument{k}" if _size(argument) > LONGEST else literal(argument))
    given += [f"{key}={source}" for key, (_, source) in optional.items()]
    return "\n".join([*sorted(imports, key=lambda line: (line.startswith("#"), line)), f"{check}({', '.join(given)})"])


def literal(value: Any) -> str:
    """The source of an array, or of a tree of arrays."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {literal(child)}" for key, child in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(literal, value)) + ("," if len(value) == 1 else "") + ")"
    if not isinstance(value, np.ndarray):
        return repr(value)
    dtype = "" if value.dtype in (np.float64, np.int64, np.bool_) else f", np.{value.dtype}"
    if value.size == 0:
        return f"np.zeros({value.shape}, np.{value.dtype})"
    return f"np.array({_numbers(value.tolist())}{dtype})"


def _size(argument: Any) -> int:
    return sum(np.size(leaf.value) for leaf in trees.leaves(argument))


def _numbers(values: Any) -> str:
    if isinstance(values, list):
        return "[" + ", ".join(map(_numbers, values)) + "]"
    return repr(values) if not isinstance(values, float) or np.isfinite(values) else f"np.{_unwritable(values)}"


def _unwritable(value: float) -> str:
    return "nan" if np.isnan(value) else "inf" if value > 0 else "inf * -1"


def _named(subject: Any, otherwise: str) -> tuple[str, str]:
    """The line of source that imports a function, or says where it is defined, and the name to call it by."""
    own = own_name(subject)
    name = own if own.isidentifier() else otherwise
    module = getattr(subject, "__module__", None)
    engine = sys.modules.get("engine")
    if getattr(engine, name, None) is subject:
        return "import engine", f"engine.{name}"
    if not own:
        return f"# {name} is the {type(subject).__name__} that was checked", name
    if module == "__main__":
        return "", name
    if module and getattr(sys.modules.get(module), name, None) is subject:
        return f"from {module} import {name}", name
    code = getattr(getattr(subject, "__wrapped__", subject), "__code__", None)
    place = f"{code.co_filename}, line {code.co_firstlineno}" if code else f"{module}"
    return f"# {name} is the one of {place}", name

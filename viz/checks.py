"""Checks of arguments, with one-line errors that name the function and the argument.

Read next: `viz/fold.py`, from ops to modules.
"""

from __future__ import annotations

import sys
from operator import index
from typing import Any


class NothingToTrace(ValueError):  # noqa: N818 (named for its cause)
    """The loss has no graph, so no blame can flow from it."""


def check_depth(function: str, depth: int) -> None:
    """Raise TypeError or ValueError unless a depth is a whole number and at least 1."""
    try:
        index(depth)
    except TypeError:
        raise TypeError(f"{function}: depth must be a whole number, not {depth!r}") from None
    if depth < 1:
        raise ValueError(f"{function}: depth must be at least 1, not {depth}")


def is_a(value: Any, module: str, name: str) -> bool:
    """Whether a value is of a class in a module. It is not imported for that: without it, no such value exists."""
    return module in sys.modules and isinstance(value, getattr(sys.modules[module], name))

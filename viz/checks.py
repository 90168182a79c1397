"""Checks of what the user asks for, in one line that names it."""

from __future__ import annotations

from operator import index


def check_depth(who: str, depth: int) -> None:
    """A depth is a whole number from 1 on."""
    try:
        index(depth)
    except TypeError:
        raise TypeError(f"{who}: depth must be a whole number, not {depth!r}") from None
    if depth < 1:
        raise ValueError(f"{who}: depth must be at least 1, not {depth}")

"""How the values of flags are read: a value that does not fit ends the command with one line.

Read next: `gpt/commands/settings.py`.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable
from pathlib import Path


def whole(least: int) -> Callable[[str], int]:
    """Reads a whole number of at least `least`."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}") from None
        if value < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, not {value}")
        return value

    return read


def number(text: str) -> float:
    """Reads a finite number of at least 0."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}") from None
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"must be finite and not negative, and is {value:g}")
    return value


def above_zero(text: str) -> float:
    """Reads a finite number above 0."""
    value = number(text)
    if not value:
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def one_of(names: Iterable[str]) -> Callable[[str], str]:
    """Reads one of some names."""
    known = list(names)

    def read(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(f"must be {', '.join(known[:-1])} or {known[-1]}, not {text!r}")
        return text

    return read


def name_or_path(names: Iterable[str]) -> Callable[[str], str]:
    """Reads one of some names, or a path, which is made absolute, so that it stays right in another folder."""
    known = set(names)
    return lambda text: text if text in known else str(Path(text).absolute())


def yes_or_no(text: str) -> bool:
    """Reads yes or no."""
    if text not in ("yes", "no"):
        raise argparse.ArgumentTypeError(f"must be yes or no, not {text!r}")
    return text == "yes"

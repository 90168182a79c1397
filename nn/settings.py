"""Settings: the numbers and flags that layers, optimizers and schedules are made with are checked when they are given.

A wrong one is found where it was written, not many steps later in the values it spoiled. Each function here returns
the setting as a plain Python value, or raises one line that names who was given it, which setting, and what it may be:
TypeError for another type (a tensor is no setting: it would be read by value, without its gradient), ValueError for a
number that is out of range, infinite or nan.

Read next: `nn/layers.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def number(owner: str, name: str, value: Any) -> float:
    """Any finite number."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{owner}: {name} must be a number, not {_shown(value)}")
    try:
        found = float(value)
    except OverflowError:  # an integer that no float reaches
        found = math.inf
    if not math.isfinite(found):
        raise ValueError(f"{owner}: {name} must be finite, not {found}")
    return found


def positive(owner: str, name: str, value: Any) -> float:
    """A finite number above 0."""
    found = number(owner, name, value)
    if found <= 0:
        raise ValueError(f"{owner}: {name} must be above 0, not {found:g}")
    return found


def not_negative(owner: str, name: str, value: Any) -> float:
    """A finite number of at least 0."""
    found = number(owner, name, value)
    if found < 0:
        raise ValueError(f"{owner}: {name} must not be negative, and is {found:g}")
    return found


def probability(owner: str, name: str, value: Any) -> float:
    """A number from 0 to 1."""
    found = number(owner, name, value)
    if not 0 <= found <= 1:
        raise ValueError(f"{owner}: {name} must be between 0 and 1, not {found:g}")
    return found


def decay(owner: str, name: str, value: Any) -> float:
    """The share of a running average that stays at each step: at least 0, and below 1."""
    found = number(owner, name, value)
    if not 0 <= found < 1:
        raise ValueError(f"{owner}: {name} must be at least 0 and below 1, not {found:g}")
    return found


def size(owner: str, name: str, value: Any, least: int = 1) -> int:
    """A whole number of at least 1, or of at least 0 or more where it may be."""
    allowed = "a positive integer" if least == 1 else f"an integer of at least {least}"
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise TypeError(f"{owner}: {name} must be {allowed}, not {_shown(value)}")
    if value < least:
        raise ValueError(f"{owner}: {name} must be {allowed}, not {value}")
    return int(value)


def sizes(owner: str, **values: Any) -> tuple[int, ...]:
    """Several whole numbers of at least 1, by their names."""
    return tuple(size(owner, name, value) for name, value in values.items())


def flag(owner: str, name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{owner}: {name} must be True or False, not {_shown(value)}")
    return bool(value)


def choice(owner: str, name: str, value: Any, options: Sequence[str]) -> str:
    """One of a few words."""
    if not isinstance(value, str) or value not in options:
        listed = " or ".join([", ".join(f'"{option}"' for option in options[:-1]), f'"{options[-1]}"'])
        raise ValueError(f"{owner}: {name} must be {listed}, not {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    """A value as messages show it: what is short as it is written, all else by its type."""
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    return f"{'an' if type(value).__name__[0] in 'aeiouAEIOU' else 'a'} {type(value).__name__}"

"""How kernels are compiled: once, kept on disk, and run without Python's lock.

Read next: `engine/kernels/atomics.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])

_SETTINGS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


def compiled(function: F, *, reordered: bool = False, no_nan: bool = False) -> F:
    """Compiled at its first call, and kept on disk where that is possible.

    Args:
        reordered: sums may be taken in another order than written, so that several terms are added at a time. The
            order depends on the type of processor alone, so results repeat.
        no_nan: the result is of no interest if there is a nan; without this, a largest value is found one by one.
    """
    flags = ({"reassoc", "contract"} if reordered else set()) | ({"nnan", "nsz"} if no_nan else set())
    settings = {**_SETTINGS, "fastmath": flags}
    try:
        found: F = numba.njit(cache=True, **settings)(function)
    except RuntimeError:  # no folder for the cache can be written to
        _say_that_nothing_is_kept()
        found = numba.njit(**settings)(function)
    return found


@cache
def _say_that_nothing_is_kept() -> None:
    """Once in a process."""
    warnings.warn("kernels: no folder can be written to, so they are compiled in every process", stacklevel=2)

"""State: what a model's tensors are to be assigned from is checked as a whole before any of them is.

Read next: `nn/summary.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine import Tensor
from engine.arrays import Array


def checked(owner: str, mine: Mapping[str, Any], given: Any, again: Mapping[str, str]) -> dict[str, Array]:
    """The arrays of `given` by the path of the tensor or array in `mine` that each belongs to.

    `again` says which other paths the tensors have. Raises ValueError naming the first differences in path, shape or
    kind, or TypeError if nothing of it can be read.
    """
    if not isinstance(given, Mapping):
        raise TypeError(
            f"{owner}: give a dict of path and array, as state_dict() returns it, not {type(given).__name__}"
        )
    found: dict[str, Array] = {}
    wrong: list[str] = []
    for path, value in given.items():
        own = again.get(path, path)
        array = value.array if isinstance(value, Tensor) else np.asarray(value)
        if own not in mine:
            wrong.append(f"unexpected {path}")
        elif own in found and not np.array_equal(found[own], array, equal_nan=True):
            wrong.append(f"{path} and {own} are one tensor, and are given different values")
        else:
            found[own] = array
    wrong = [f"missing {path}" for path in mine if path not in found] + wrong
    wrong += [text for path, array in found.items() if (text := _difference(path, array, mine[path]))]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ValueError(f"{owner}: {'; '.join(wrong[:3])}{more}")
    return found


def _difference(path: str, array: Array, mine: Any) -> str | None:
    """Why an array cannot be assigned to one of mine, or None if it can."""
    if array.shape != mine.shape:
        return f"{path} has shape {array.shape}, and needs {mine.shape}"
    if array.dtype.kind not in "fiub":
        return f"{path} has dtype {array.dtype}, and needs {mine.dtype}"
    with np.errstate(over="ignore"):
        overflows = np.isfinite(array).all() and not np.isfinite(array.astype(mine.dtype)).all()
    return f"{path} has values that {mine.dtype} cannot hold" if overflows else None

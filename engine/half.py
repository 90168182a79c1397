"""Half precision: float16 is a format to store values in; ops compute in float32.

float16 has 11 significant bits and ends at 65504. A sum of ones stops growing at 2048, and 300 squared is infinite. So
an op whose floating arguments are all float16 is given them in float32, in the forward pass and in its rules, and only
its result, and the contributions that its rules return, are rounded to float16. The rules know nothing of this. Nor do
ops that only move values need it (`moves`).

The invariant: a result or a contribution is rounded to float16 once.

Read next: `engine/signature.py`, how a rule gets the values it names.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

HALF = np.dtype(np.float16)


def all_half(arrays: Iterable[Any]) -> bool:
    """Whether at least one of these arrays is floating, and all that are floating are float16."""
    return {dtype for array in arrays if (dtype := getattr(array, "dtype", None)) and dtype.kind == "f"} == {HALF}


def widened(value: Any) -> Any:
    """float16 arrays and tensors in float32, also inside tuples and lists; anything else as it is."""
    if isinstance(value, tuple | list):
        return type(value)([widened(one) for one in value])
    return value.astype(np.float32) if getattr(value, "dtype", None) == HALF else value


def narrowed(result: Any) -> Any:
    """A result computed in float32, rounded to float16; anything else as it is."""
    return result.astype(HALF) if getattr(result, "dtype", None) == np.float32 else result

"""The arguments of an op, as the arrays and numbers that it computes with.

Tensors give their arrays, lists become arrays, and nothing beside a floating tensor widens the result: Python's and
NumPy's scalars take the tensor's dtype, arrays of integers become floating.

Read next: `engine/arrays.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.arrays import Array, default_dtype
from engine.tensor import Tensor


def promote(args: Sequence[Any], arrays: list[Any]) -> list[Any]:
    """Give the arguments beside a floating tensor the tensor's dtype, so that NumPy does not widen the result.

    Scalars (also NumPy's, also arrays without axes that are not tensors) become Python numbers, which never
    widen; integer arrays become the floating dtype, where NumPy would turn float32 and int64 into float64.
    """
    floating = [array.dtype for array in arrays if isinstance(array, np.ndarray) and array.dtype.kind == "f"]
    promoted = []
    for argument, array in zip(args, arrays, strict=True):
        if floating and not isinstance(argument, Tensor) and isinstance(array, np.generic | np.ndarray):
            array = array.item() if array.ndim == 0 and array.dtype.kind != "b" else array
        if floating and isinstance(array, np.ndarray) and array.dtype.kind in "iu":
            array = array.astype(max(floating))
        promoted.append(array)
    return promoted


def copied(args: Sequence[Any], arrays: Sequence[Any]) -> list[Any]:
    """The arrays of a call, with copies of those that are the user's own and may be written before the sweep.

    `args` are the arguments as given, `arrays` what the op computed with.
    """
    return [a.copy() if a is raw and isinstance(a, np.ndarray) else a for a, raw in zip(arrays, args, strict=True)]


def frozen(value: Any) -> Any:
    """Metadata that the caller cannot change before the sweep: lists become tuples, arrays are copied."""
    if isinstance(value, list | tuple):
        return tuple([one if type(one) is int else frozen(one) for one in value])  # mostly shapes and axes
    return value.copy() if isinstance(value, np.ndarray) else value


def from_list(values: list[Any]) -> Array:
    """The array of a list: floating numbers take the default dtype; integers stay integers, as they may be indices."""
    array = np.asarray(values)
    return array.astype(default_dtype()) if array.dtype.kind == "f" else array


def as_operand(value: Any) -> Array | Any:
    """The array of a tensor; anything else as it is."""
    return value.array if isinstance(value, Tensor) else value

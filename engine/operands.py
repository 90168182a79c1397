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
from engine.tensor import Tensor, holds_tensor


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


def operand(op: str, name: str, argument: Any) -> Any:
    """An argument that is not a tensor as an array or number. TypeError if it is neither."""
    if isinstance(argument, list | tuple):
        return from_list(op, argument)
    if isinstance(argument, np.ndarray | np.generic):
        return real(op, argument)
    if isinstance(argument, int | float):
        return argument
    raise TypeError(f"{op}: {name} is {_described(argument)}; give a tensor, an array or a number")


def from_list(op: str, values: Any) -> Array:
    """The array of a list: floating numbers take the default dtype; integers stay integers, as they may be indices.

    Raises TypeError for a list of tensors, whose gradients would be lost.
    """
    if holds_tensor(values):
        raise TypeError(f"{op}: a list of tensors is no tensor; join them with engine.stack, which keeps gradients")
    array = real(op, np.asarray(values))
    return array.astype(default_dtype()) if array.dtype.kind == "f" else array


def real(op: str, array: Any) -> Any:
    """The same array. TypeError if its numbers are complex, or no numbers."""
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{op}: no support for dtype {array.dtype}; give real numbers")
    return array


def real_dtype(op: str, dtype: Any) -> np.dtype[Any]:
    """A dtype. TypeError if its numbers are complex, or no numbers, or for a tensor, which NumPy would take it from."""
    if isinstance(dtype, Tensor):
        raise TypeError(f"{op}: dtype is a tensor; give its .dtype")
    dtype = np.dtype(dtype)
    if dtype.kind not in "fiub":
        raise TypeError(f"{op}: no support for dtype {dtype}; give a dtype of real numbers")
    return dtype


def setting(op: str, name: str, value: Any) -> Any:
    """The value of an argument that is no array: a constant tensor as its array or number, a list as a tuple.

    Raises TypeError for a tensor that requires a gradient, which would not get one.
    """
    if isinstance(value, Tensor):
        if value.node is not None:
            raise TypeError(
                f"{op}: {name} is a setting without a derivative, and the tensor given for it requires a gradient; "
                f"apply it outside of {op} with ops such as multiply and add, or give its .detach()"
            )
        return value.array if value.ndim else value.item()
    if type(value) is list or type(value) is tuple:
        return tuple([one if type(one) is int else setting(op, name, one) for one in value])  # mostly shapes and axes
    if isinstance(value, complex | np.complexfloating):
        raise TypeError(f"{op}: {name} is the complex number {value}; give a real one")
    return value


def fraction(op: str, name: str, value: Any) -> float:
    """A setting from 0 to 1. ValueError for another number, TypeError if it is none."""
    value = setting(op, name, value)
    if not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{op}: {name} must be a number between 0 and 1, not {value!r}")
    if not 0 <= value <= 1:
        raise ValueError(f"{op}: {name} must be between 0 and 1, not {value}")
    return float(value)


def _described(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def as_operand(value: Any) -> Array | Any:
    """The array of a tensor; anything else as it is."""
    return value.array if isinstance(value, Tensor) else value

"""Tensors made from a shape: constants, or leaves with `requires_grad=True`.

Without a `dtype` they have the engine's default dtype; `zeros_like` and its kind take shape and dtype from an array.

Read next: `engine/ops/fused/__init__.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.arrays import default_dtype
from engine.operands import as_operand, operand, real_dtype, setting
from engine.ops.elementwise.arithmetic import astype
from engine.ops.shapes import broadcast_to
from engine.tensor import Tensor, wrap

__all__ = ["arange", "eye", "full", "full_like", "ones", "ones_like", "zeros", "zeros_like"]

Shape = int | tuple[int, ...]


def _made(op: str, make: Any, shape: Any, dtype: Any, requires_grad: bool) -> Tensor:
    """The tensor of `make(shape, dtype)`, whose settings are checked."""
    dtype = real_dtype(op, default_dtype() if dtype is None else dtype)
    array = make(setting(op, "shape", shape), dtype)
    requires_grad = setting(op, "requires_grad", requires_grad)
    return Tensor(array, requires_grad=True) if requires_grad else wrap(array, None)


def zeros(shape: Shape, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros."""
    return _made("zeros", np.zeros, shape, dtype, requires_grad)


def ones(shape: Shape, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones."""
    return _made("ones", np.ones, shape, dtype, requires_grad)


def full(shape: Shape, value: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor with the same value everywhere; the gradient of a tensor given as value is the sum over all places."""
    if isinstance(value, Tensor) and value.node is not None:
        filled: Tensor = broadcast_to(value, shape=(shape,) if isinstance(shape, int) else tuple(shape))
        return filled if dtype is None else astype(filled, dtype=real_dtype("full", dtype))
    number = operand("full", "value", as_operand(value))
    return _made("full", lambda shape, dtype: np.full(shape, number, dtype), shape, dtype, requires_grad)


def zeros_like(x: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros in the shape and dtype of x."""
    array = as_operand(x)
    return _made("zeros_like", lambda _, dtype: np.zeros_like(array, dtype), (), _like(array, dtype), requires_grad)


def ones_like(x: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones in the shape and dtype of x."""
    array = as_operand(x)
    return _made("ones_like", lambda _, dtype: np.ones_like(array, dtype), (), _like(array, dtype), requires_grad)


def full_like(x: Any, value: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """The same value everywhere, in the shape and dtype of x; see `full`."""
    array = as_operand(x)
    return full(np.shape(array), value, dtype=_like(array, dtype), requires_grad=requires_grad)


def _like(array: Any, dtype: Any) -> Any:
    return np.asarray(array).dtype if dtype is None else dtype


def arange(start: Any, stop: Any = None, step: Any = 1, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """The numbers from `start` up to `stop`, not included; `arange(stop)` starts at 0. int64 if all are integers."""
    if stop is None:
        start, stop = 0, start
    if dtype is None:
        integers = all(isinstance(number, int | np.integer) for number in (start, stop, step))
        dtype = np.int64 if integers else default_dtype()
    start, stop, step = (setting("arange", "a bound", number) for number in (start, stop, step))
    numbers = np.arange(start, stop, step)  # computed in float64, then rounded
    return _made("arange", lambda _, dtype: numbers.astype(dtype), (), dtype, requires_grad)


def eye(n: int, m: int | None = None, *, k: int = 0, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """An n x m matrix (n x n without m) of zeros with ones on the k-th diagonal, above the main one for k > 0."""
    n, m, k = setting("eye", "n", n), setting("eye", "m", m), setting("eye", "k", k)
    return _made("eye", lambda _, dtype: np.eye(n, m, k, dtype), (), dtype, requires_grad)

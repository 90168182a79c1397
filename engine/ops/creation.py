"""Tensors made from a shape: constants, or leaves with `requires_grad=True`.

Without a `dtype` they have the engine's default dtype; `zeros_like` and its kind take shape and dtype from an array.

Read next: `engine/ops/fused/__init__.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.arrays import Array, default_dtype
from engine.operands import as_operand
from engine.tensor import Tensor, wrap

__all__ = ["arange", "eye", "full", "full_like", "ones", "ones_like", "zeros", "zeros_like"]

Shape = int | tuple[int, ...]


def _tensor(array: Array, requires_grad: bool) -> Tensor:
    return Tensor(array, requires_grad=True) if requires_grad else wrap(array, None)


def zeros(shape: Shape, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros."""
    return _tensor(np.zeros(shape, dtype or default_dtype()), requires_grad)


def ones(shape: Shape, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones."""
    return _tensor(np.ones(shape, dtype or default_dtype()), requires_grad)


def full(shape: Shape, value: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor with the same value everywhere."""
    return _tensor(np.full(shape, value, dtype or default_dtype()), requires_grad)


def zeros_like(x: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros in the shape and dtype of x."""
    return _tensor(np.zeros_like(as_operand(x), dtype=dtype), requires_grad)


def ones_like(x: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones in the shape and dtype of x."""
    return _tensor(np.ones_like(as_operand(x), dtype=dtype), requires_grad)


def full_like(x: Any, value: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """The same value everywhere, in the shape and dtype of x."""
    return _tensor(np.full_like(as_operand(x), value, dtype=dtype), requires_grad)


def arange(start: Any, stop: Any = None, step: Any = 1, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """The numbers from `start` up to `stop`, not included; `arange(stop)` starts at 0. int64 if all are integers."""
    if stop is None:
        start, stop = 0, start
    if dtype is None:
        integers = all(isinstance(number, int | np.integer) for number in (start, stop, step))
        dtype = np.int64 if integers else default_dtype()
    return _tensor(np.arange(start, stop, step).astype(dtype), requires_grad)  # computed in float64, then rounded


def eye(n: int, m: int | None = None, *, k: int = 0, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """An n x m matrix (n x n without m) of zeros with ones on the k-th diagonal, above the main one for k > 0."""
    return _tensor(np.eye(n, m, k, dtype or default_dtype()), requires_grad)

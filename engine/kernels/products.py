"""Products of small matrices inside a kernel, by NumPy's own library for them, OpenBLAS.

Its function `cblas_sgemm` is called by its address. One call of a kernel makes many small products, and a team's
threads make them side by side, so each product is left to one thread.

Read next: `engine/kernels/matmul.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from llvmlite import binding
from numba import types

from engine.blas import openblas
from engine.kernels.compiling import compiled

_ROW_MAJOR, _AS_IT_IS, _TRANSPOSED = 101, 111, 112  # cblas.h

_library = openblas()
_address = None if _library is None else _library.address("cblas_sgemm")
available = _address is not None

_ENUM, _POINTER, _FLOAT = types.int32, types.voidptr, types.float32
_SIZE = types.int64 if _library is not None and _library.wide else types.int32
if available:
    binding.add_symbol("blameflow_sgemm", _address)
_sgemm = types.ExternalFunction(
    "blameflow_sgemm",
    types.void(
        *(_ENUM, _ENUM, _ENUM),  # order, and whether each matrix is transposed
        *(_SIZE, _SIZE, _SIZE),  # rows and columns of the result, and length of the sums
        *(_FLOAT, _POINTER, _SIZE, _POINTER, _SIZE),  # factor, and the matrices, each with its stride between rows
        *(_FLOAT, _POINTER, _SIZE),  # factor of what the result held before, and the result
    ),
)
ZERO, ONE = np.float32(0), np.float32(1)


@compiled
def _stride(matrix: Any) -> Any:
    """From one row to the next, in elements."""
    return matrix.strides[0] // matrix.itemsize


@compiled
def multiply(a: Any, a_transposed: Any, b: Any, b_transposed: Any, factor: Any, before: Any, out: Any) -> None:
    """out = factor a b + before out, where a and b may be given as their transposes; the rows have no gaps."""
    rows, columns = out.shape
    length = a.shape[0] if a_transposed else a.shape[1]
    how_a = _TRANSPOSED if a_transposed else _AS_IT_IS
    how_b = _TRANSPOSED if b_transposed else _AS_IT_IS
    _sgemm(
        *(_ROW_MAJOR, how_a, how_b, rows, columns, length),
        *(factor, a.ctypes, _stride(a), b.ctypes, _stride(b), before, out.ctypes, _stride(out)),
    )


@compiled
def times(a: Any, b: Any, factor: Any, out: Any) -> None:
    """out = factor a b"""
    multiply(a, False, b, False, factor, ZERO, out)


@compiled
def times_transposed(a: Any, b: Any, factor: Any, out: Any) -> None:
    """out = factor a b^T"""
    multiply(a, False, b, True, factor, ZERO, out)


@compiled
def add_transposed_times(a: Any, b: Any, factor: Any, out: Any) -> None:
    """out += factor a^T b"""
    multiply(a, True, b, False, factor, ONE, out)


@contextmanager
def one_thread() -> Iterator[None]:
    """A context in which each product is left to one thread."""
    assert _library is not None
    before = _library.threads
    if before > 1:
        _library.threads = 1
    try:
        yield
    finally:
        if before > 1:
            _library.threads = before

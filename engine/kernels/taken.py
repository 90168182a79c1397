"""Which arrays kernels take: float32, and so large that a kernel is faster than NumPy.

Read next: `engine/kernels/compiling.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_LEAST = 1 << 12  # elements; NumPy is as fast with fewer


def is_large(x: Any) -> bool:
    """Whether it is a large float32 array."""
    return isinstance(x, np.ndarray) and x.size >= _LEAST and x.dtype == np.float32


def plain(*arrays: Any) -> bool:
    """Whether all are float32 arrays with axes and without gaps in memory, or None."""
    return all(x is None or _is_plain(x) for x in arrays)


def _is_plain(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype == np.float32 and x.flags.c_contiguous and x.ndim > 0


def matrices(*arrays: Any) -> bool:
    """Whether all are float32 arrays with four axes, and none is empty."""
    return all(isinstance(x, np.ndarray) and x.dtype == np.float32 and x.ndim == 4 and x.size for x in arrays)

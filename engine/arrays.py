"""The array type of this package, and the floating dtype that Python numbers and lists become.

Read next: `engine/versions.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_default_dtype: np.dtype[Any] = np.dtype(np.float32)


def set_default_dtype(dtype: Any) -> None:
    """Set the floating dtype that Python numbers and lists become (float32 at the start)."""
    global _default_dtype
    if np.dtype(dtype).kind != "f":
        raise TypeError(f"set_default_dtype: {np.dtype(dtype)} is not a floating dtype; give np.float32 or np.float64")
    _default_dtype = np.dtype(dtype)


def default_dtype() -> np.dtype[Any]:
    """The floating dtype that Python numbers and lists become."""
    return _default_dtype

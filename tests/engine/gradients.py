"""The gradient of a function at one array, for tests of exact values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine import Tensor


def gradient(function: Callable[[Tensor], Any], values: Any, dtype: Any = np.float64) -> Any:
    """The gradient of the sum of `function` at one array, for exact values."""
    x = Tensor(np.array(values, dtype), requires_grad=True)
    function(x).sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == dtype
    return x.grad.numpy()

"""dropout: zero each value with probability p, scale the rest by 1 / (1 - p), so the mean stays (Srivastava 2014)."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.ops.elementwise.arithmetic import multiply
from engine.random import generator

__all__ = ["dropout"]


def dropout(x: Any, *, p: float = 0.5, rng: np.random.Generator | None = None) -> Any:
    """Drop values at random. p = 0 is the identity, p = 1 gives zeros; anything outside [0, 1] is a ValueError.

    `rng` is `engine.random.generator()` by default.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p must be between 0 and 1, not {p}")
    if p == 0:
        return x
    kept = (rng or generator()).random(x.shape, dtype=np.float32) >= p
    return multiply(x, kept * np.asarray(0 if p == 1 else 1 / (1 - p), x.dtype))

"""dropout: set each value to 0 with probability p, and scale the others by 1 / (1 - p) (Srivastava et al. 2014).

The scale keeps the expected value the same. A random mask times x: `multiply` has the rules, so dropout needs none.

Read next: `engine/random.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.operands import as_operand, fraction, setting
from engine.ops.elementwise.arithmetic import multiply
from engine.ops.elementwise.choices import where
from engine.random import generator

__all__ = ["dropout"]


def dropout(x: Any, *, p: float = 0.5, rng: np.random.Generator | None = None) -> Any:
    """Drop values at random; the cotangent is multiplied by the same mask. Raises ValueError for p outside [0, 1].

    p = 0 returns x itself, p = 1 gives zeros. `rng` is `engine.random.generator()` by default.
    """
    p, rng = fraction("dropout", "p", p), setting("dropout", "rng", rng)
    if p == 0:
        return x
    kept = (rng or generator()).random(x.shape, dtype=np.float32) >= p
    if not np.isfinite(as_operand(x).sum()):
        x = where(kept, x, 0.0)  # what is dropped is not read, so a nan stays there
    return multiply(x, kept * np.asarray(0 if p == 1 else 1 / (1 - p), x.dtype))

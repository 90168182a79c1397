"""Random numbers: one NumPy generator for all four packages, seeded in one place.

>>> import engine
>>> engine.random.seed(0)
>>> engine.random.normal((2,)).shape
(2,)

Read next: `engine/ops/fused/attention_weights.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.arrays import default_dtype
from engine.operands import real_dtype, setting
from engine.tensor import Tensor, wrap

_generator: np.random.Generator | None = None  # made on first use, because importing `numpy.random` is slow


def seed(number: int) -> None:
    """Replace the generator by a new one; the same seed gives the same numbers."""
    global _generator
    _generator = np.random.default_rng(setting("seed", "number", number))


def generator() -> np.random.Generator:
    """The generator; with a random seed if `seed` has not been called."""
    global _generator
    if _generator is None:
        _generator = np.random.default_rng()
    return _generator


def normal(shape: tuple[int, ...], *, std: float = 1.0, dtype: Any = None) -> Tensor:
    """Independent normal numbers with mean 0 and standard deviation `std`."""
    shape, std = setting("normal", "shape", shape), setting("normal", "std", std)
    dtype = real_dtype("normal", default_dtype() if dtype is None else dtype)
    return wrap((generator().normal(size=shape) * std).astype(dtype), None)


def uniform(shape: tuple[int, ...], *, low: float = 0.0, high: float = 1.0, dtype: Any = None) -> Tensor:
    """Independent numbers, uniform in [low, high)."""
    shape, low, high = (setting("uniform", name, v) for name, v in (("shape", shape), ("low", low), ("high", high)))
    dtype = real_dtype("uniform", default_dtype() if dtype is None else dtype)
    return wrap(generator().uniform(low, high, size=shape).astype(dtype), None)

"""Random numbers: one NumPy generator that everything in the house draws from, seeded in one place.

>>> import engine
>>> engine.random.seed(0)
>>> engine.random.normal((2,)).shape
(2,)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.arrays import default_dtype
from engine.tensor import Tensor, wrap

_generator: np.random.Generator | None = None  # made when first asked for: `numpy.random` takes a while to import


def seed(number: int) -> None:
    """Start the generator anew: the same seed gives the same numbers."""
    global _generator
    _generator = np.random.default_rng(number)


def generator() -> np.random.Generator:
    """The generator itself."""
    global _generator
    if _generator is None:
        _generator = np.random.default_rng()
    return _generator


def normal(shape: tuple[int, ...], *, std: float = 1.0, dtype: Any = None) -> Tensor:
    """Independent normal numbers with mean 0."""
    return wrap((generator().normal(size=shape) * std).astype(dtype or default_dtype()), None)


def uniform(shape: tuple[int, ...], *, low: float = 0.0, high: float = 1.0, dtype: Any = None) -> Tensor:
    """Independent numbers, uniform in [low, high)."""
    return wrap(generator().uniform(low, high, size=shape).astype(dtype or default_dtype()), None)

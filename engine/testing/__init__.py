"""Property tests of gradients, with hypothesis: the laws of `laws.py` at points drawn by `strategies.py`.

>>> from engine.testing import check_op
>>> import engine
>>> check_op(engine.tanh)                        # passes, or raises GradientError with a small counterexample
"""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.examples import Arguments
from engine.primitive import Primitive
from engine.testing.laws import GradientError, check_at
from engine.testing.profiles import configured
from engine.testing.strategies import arguments

__all__ = ["GradientError", "check_at", "check_op"]


def check_op(primitive: Primitive) -> None:
    """Check every law of `engine.testing.laws` for one op, at many points drawn from the op's own examples.

    Raises GradientError, at the smallest counterexample hypothesis finds.
    """

    @configured
    @given(arguments(primitive), st.integers(0, 2**16))
    def holds(example: Arguments, seed: int) -> None:
        check_at(primitive, example.arrays, example.metadata, np.random.default_rng(seed))

    holds()

"""Learning rates over time: each function returns `step -> rate`, steps counted from 0.

Read next: `viz/__init__.py`, the pictures of a backward pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from nn.settings import not_negative, size

Schedule = Callable[[int], float]


def warmup_cosine(peak: float, *, warmup: int, total: int, floor: float = 0.0) -> Schedule:
    """Rise linearly to `peak` over `warmup` steps, then fall along half a cosine to `floor` at step `total`."""
    peak, floor = not_negative("warmup_cosine", "peak", peak), not_negative("warmup_cosine", "floor", floor)
    size("warmup_cosine", "warmup", warmup, least=0)
    if not warmup < size("warmup_cosine", "total", total):
        raise ValueError(f"warmup_cosine: needs 0 <= warmup < total, got warmup={warmup}, total={total}")

    def rate(step: int) -> float:
        if step < warmup:
            return peak * (step + 1) / warmup
        progress = min((step - warmup) / (total - warmup), 1.0)
        return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * progress))

    return rate

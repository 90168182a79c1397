"""Learning rates over time: each function returns `step -> rate`, steps counted from 0.

All rise linearly to `peak` over `warmup` steps, because the averages of an optimizer know little of the gradient at
first. They differ in how the rate goes from there to `floor` at step `total`, where it stays.

Read next: `viz/__init__.py`, the pictures of a backward pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from nn.settings import not_negative, size

Schedule = Callable[[int], float]


def warmup_cosine(peak: float, *, warmup: int, total: int, floor: float = 0.0) -> Schedule:
    """Rise linearly to `peak` over `warmup` steps, then fall along half a cosine to `floor` at step `total`."""
    return _warmup(
        "warmup_cosine", peak, warmup, total, floor, lambda progress: 0.5 * (1 + math.cos(math.pi * progress))
    )


def warmup_linear(peak: float, *, warmup: int, total: int, floor: float = 0.0) -> Schedule:
    """Rise linearly to `peak` over `warmup` steps, then fall linearly to `floor` at step `total`."""
    return _warmup("warmup_linear", peak, warmup, total, floor, lambda progress: 1 - progress)


def warmup_constant(peak: float, *, warmup: int, total: int) -> Schedule:
    """Rise linearly to `peak` over `warmup` steps, then stay there, at `total` too."""
    return _warmup("warmup_constant", peak, warmup, total, 0.0, lambda progress: 1.0)


def warmup_stable_decay(peak: float, *, warmup: int, total: int, decay: int, floor: float = 0.0) -> Schedule:
    """Rise linearly to `peak` over `warmup` steps, stay there, and fall linearly to `floor` in the last `decay` steps.

    A model saved before the fall can be trained for longer, with a larger `total` (Hu et al. 2024).
    """
    owner = "warmup_stable_decay"
    if size(owner, "warmup", warmup, least=0) + size(owner, "decay", decay) > size(owner, "total", total):
        raise ValueError(f"{owner}: needs warmup + decay <= total, got warmup={warmup}, decay={decay}, total={total}")
    falling = decay / (total - warmup)  # of the steps after warm-up
    return _warmup(owner, peak, warmup, total, floor, lambda progress: min((1 - progress) / falling, 1.0))


def _warmup(
    owner: str, peak: float, warmup: int, total: int, floor: float, share: Callable[[float], float]
) -> Schedule:
    """Rise to `peak`, then be `share(progress)` of the way above `floor`; progress is 0 at first, 1 from `total` on."""
    peak, floor = not_negative(owner, "peak", peak), not_negative(owner, "floor", floor)
    size(owner, "warmup", warmup, least=0)
    if not warmup < size(owner, "total", total):
        raise ValueError(f"{owner}: needs 0 <= warmup < total, got warmup={warmup}, total={total}")

    def rate(step: int) -> float:
        if step < warmup:
            return peak * (step + 1) / warmup
        return floor + (peak - floor) * share(min((step - warmup) / (total - warmup), 1.0))

    return rate

"""The update of Adam and AdamW in one pass over a parameter, its gradient and its two averages.

Read next: `engine/kernels/table.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.arrays import Array
from engine.kernels.taken import plain
from engine.kernels.team import own, shared


@shared
def _update(
    part: Any,
    value: Array,
    g: Array,
    mean: Array,
    square: Array,
    keep: float,
    of_mean: float,
    of_square: float,
    rate: float,
    correction: float,
    eps: float,
) -> None:
    value, g, mean, square = own(value, part), own(g, part), own(mean, part), own(square, part)
    for k in range(value.size):
        mean[k] += of_mean * (g[k] - mean[k])
        square[k] += of_square * (g[k] * g[k] - square[k])
        value[k] = keep * value[k] - rate * (mean[k] / (np.sqrt(square[k]) * correction + eps))


def adam(
    value: Any,
    g: Any,
    mean: Any,
    square: Any,
    *,
    keep: float,
    betas: tuple[float, float],
    rate: float,
    correction: float,
    eps: float,
) -> bool:
    """One step in place, if the arrays are such that a kernel takes them; whether it was made.

    Args:
        value, g, mean, square: the parameter, its gradient, and the decaying averages of that and of its square.
        keep: the factor of the old value, less than 1 with decoupled weight decay.
        betas: of the averages, which take in (1 - beta) of the new.
        rate, correction: value - rate * mean / (sqrt(square) * correction + eps)
    """
    if not plain(value, g, mean, square):
        return False
    numbers = (np.float32(number) for number in (keep, 1 - betas[0], 1 - betas[1], rate, correction, eps))
    _update(value.size, *(array.reshape(-1) for array in (value, g, mean, square)), *numbers)
    return True

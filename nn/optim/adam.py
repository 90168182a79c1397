"""Adam and AdamW: steps of about the same size for every value, whatever the size of its gradient.

Read next: `nn/optim/muon.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from engine import kernels
from engine.arrays import Array
from nn.optim.optimizer import Optimizer, State
from nn.settings import decay, not_negative, positive


def _two_decays(owner: str, name: str, value: Any) -> tuple[float, float]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise TypeError(f"{owner}: {name} must be two numbers, (0.9, 0.999), not {value!r}")
    return decay(owner, f"{name}[0]", value[0]), decay(owner, f"{name}[1]", value[1])


class Adam(Optimizer):
    """Steps of about the same size for every value, whatever the size of its gradient (Kingma and Ba 2015).

    mean and square are decaying averages of the gradient and of its square, divided by 1 - beta^steps because both
    start at zero:

        value -= lr * mean / (sqrt(square) + eps)

    `weight_decay * value` is added to the gradient first.
    """

    checks: ClassVar = {"lr": not_negative, "betas": _two_decays, "eps": positive, "weight_decay": not_negative}
    keeps = ("mean", "square", "steps")

    def __init__(
        self,
        parameters: Iterable[Any],
        *,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def update(
        self,
        value: Array,
        g: Array,
        state: State,
        *,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
    ) -> None:
        if weight_decay:
            g = g + weight_decay * value
        _adam_step(value, g, state, lr=lr, betas=betas, eps=eps, keep=1.0)


def _adam_step(
    value: Array, g: Array, state: State, *, lr: float, betas: tuple[float, float], eps: float, keep: float
) -> None:
    """The step from keep * value: without weight decay, or with the decoupled one."""
    if not state:
        state |= {"mean": np.zeros_like(value), "square": np.zeros_like(value), "steps": np.zeros(())}
    mean, square, steps = state["mean"], state["square"], state["steps"]
    steps += 1
    rate = lr / (1 - betas[0] ** float(steps))
    correction = 1 / math.sqrt(1 - betas[1] ** float(steps))
    if kernels.update(
        "adam", value, g, mean, square, keep=keep, betas=betas, rate=rate, correction=correction, eps=eps
    ):
        return
    mean += (1 - betas[0]) * (g - mean)
    square += (1 - betas[1]) * (g * g - square)
    scale = np.asarray(np.sqrt(square))  # of an array without axes, NumPy makes a number
    scale *= correction
    scale += eps
    np.divide(mean, scale, out=scale)
    scale *= rate
    if keep != 1:
        value *= keep
    value -= scale


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019): the gradient's averages do not see it.

    value -= lr * (mean / (sqrt(square) + eps) + weight_decay * value)
    """

    def __init__(
        self,
        parameters: Iterable[Any],
        *,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(parameters, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def update(self, value: Array, g: Array, state: State, *, lr: float, weight_decay: float, **settings: Any) -> None:
        _adam_step(value, g, state, lr=lr, keep=1 - lr * weight_decay, **settings)

"""SGD: gradient descent, with momentum if wished.

Read next: `nn/optim/adam.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from engine.arrays import Array
from nn.optim.optimizer import Optimizer, State
from nn.settings import not_negative


class SGD(Optimizer):
    """Gradient descent, value -= lr * velocity, with velocity = momentum * velocity + gradient.

    `weight_decay * value` is added to the gradient first.
    """

    checks: ClassVar = {"lr": not_negative, "momentum": not_negative, "weight_decay": not_negative}
    keeps = ("velocity",)

    def __init__(
        self, parameters: Iterable[Any], *, lr: float, momentum: float = 0.0, weight_decay: float = 0.0
    ) -> None:
        super().__init__(parameters, lr=lr, momentum=momentum, weight_decay=weight_decay)

    def update(self, value: Array, g: Array, state: State, *, lr: float, momentum: float, weight_decay: float) -> None:
        if weight_decay:
            g = g + weight_decay * value
        if momentum:
            if not state:
                state["velocity"] = np.zeros_like(value)
            velocity = state["velocity"]
            velocity *= momentum
            velocity += g
            g = velocity
        value -= lr * g

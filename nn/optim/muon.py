"""Muon: steps of about the same size in every direction of a matrix, also where the gradient is small.

The gradient of a layer's weight has few large singular values, and SGD moves almost only along their singular vectors.
Muon replaces all singular values of the momentum by values near 1. That takes no decomposition: an odd polynomial of a
matrix changes its singular values alone,

    a X + b X X^T X + c X X^T X X^T X = U (a S + b S^3 + c S^5) V^T        where X = U S V^T

and if its coefficients are chosen well, applying it a few times brings each of them near 1 (Newton-Schulz iteration).

Read next: `nn/clipping.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from engine.arrays import Array
from nn.optim.optimizer import Optimizer, State
from nn.settings import decay, not_negative
from nn.trainable import described

# Of Jordan et al. (2024): so steep at 0 that few times are enough, at the price of a band around 1 instead of 1 itself
_COEFFICIENTS = 3.4445, -4.7750, 2.0315
_TIMES = 5


class Muon(Optimizer):
    """Momentum whose singular values are brought near 1, for the matrices of hidden layers (Jordan et al. 2024).

        velocity = momentum * velocity + gradient
        value -= lr * (sqrt(max(1, rows / columns)) * orthogonal(gradient + momentum * velocity) + weight_decay * value)

    It is meant for the matrices inside the blocks. Vectors, embeddings and the head are better off with AdamW, so that
    two optimizers take a step together, each with its own parameters:

        matrices = [p for p in model.blocks.parameters() if p.ndim == 2]
        inside = {id(p) for p in matrices}
        rest = [p for p in model.parameters() if id(p) not in inside]
        optimizers = [nn.optim.Muon(matrices, lr=0.02), nn.optim.AdamW(rest, lr=1e-3)]
        ...
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()

    Raises ValueError for a parameter that is not a matrix.
    """

    checks: ClassVar = {"lr": not_negative, "momentum": decay, "weight_decay": not_negative}
    keeps = ("velocity",)

    def __init__(
        self, parameters: Iterable[Any], *, lr: float = 0.02, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(parameters, lr=lr, momentum=momentum, weight_decay=weight_decay)
        for p in self.parameters():
            if p.ndim != 2:
                raise ValueError(
                    f"Muon: {described(p)} is not a matrix; give vectors, embeddings and the head to AdamW"
                )

    def update(self, value: Array, g: Array, state: State, *, lr: float, momentum: float, weight_decay: float) -> None:
        if not state:
            state["velocity"] = np.zeros_like(value)
        velocity = state["velocity"]
        velocity *= momentum
        velocity += g
        rows, columns = value.shape
        step = orthogonal(g + momentum * velocity)  # Nesterov's momentum: as it will be one step later
        step *= lr * math.sqrt(max(1, rows / max(1, columns)))
        if weight_decay:
            value *= 1 - lr * weight_decay
        value -= step


def orthogonal(x: Array) -> Array:
    """A matrix with the singular vectors of x, and singular values between 0.68 and 1.21.

    This holds for those of x that are at least 1/500 of its norm; smaller ones grow at most 485 times, and 0 stays 0.
    """
    largest = np.abs(x).max(initial=0)
    if largest == 0:
        return np.zeros_like(x)
    x = x / largest  # so that no square leaves the range of floats
    x /= np.linalg.norm(x)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x  # the products below are square matrices of the shorter side
    a, b, c = _COEFFICIENTS
    for _ in range(_TIMES):
        square = x @ x.T
        x = a * x + (b * square + c * (square @ square)) @ x
    return x.T if tall else x

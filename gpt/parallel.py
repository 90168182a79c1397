"""Data parallelism on threads: each computes loss and gradient of a part of the batch; the gradients are added.

NumPy works outside Python's lock, so two threads keep two cores busy, and unlike threads inside each product they
also share the work between products. The number of parts decides the order of the sums, hence the last bits.
"""

from __future__ import annotations

import functools
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np

from engine import Tensor, sweeps
from engine.tensor import Array

IGNORED = -100  # the label of positions that count for nothing, cross_entropy's default


class LossModule(Protocol):
    """A module with a loss, the mean over the labels that count."""

    def parameters(self) -> list[Tensor]:
        """Every tensor that wants a gradient."""

    def loss(self, ids: Array, labels: Array) -> Any:
        """Shapes: ids and labels (batch, time)."""


def backward(model: LossModule, pieces: list[tuple[Array, Array]], threads: ThreadPoolExecutor) -> float:
    """The loss of a batch given as pieces (ids, labels); its gradient is put into the parameters' `.grad`.

    Pieces count by their number of labels, so this is the mean over the whole batch.
    """
    parameters = model.parameters()
    counts = np.array([(labels != IGNORED).sum() for _, labels in pieces])

    def work(piece: tuple[Array, Array], weight: float) -> tuple[float, list[Array]]:
        loss = model.loss(*piece)
        return weight * loss.item(), sweeps.gradients(loss, parameters, np.full((), weight, loss.dtype))

    results = list(threads.map(work, pieces, (counts / counts.sum()).tolist()))
    for parameter, *parts in zip(parameters, *[gradients for _, gradients in results], strict=True):
        parameter.grad = Tensor(functools.reduce(np.add, parts))
    return math.fsum(loss for loss, _ in results)

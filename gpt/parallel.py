"""Data parallelism on threads: each computes loss and gradient of a part of the batch; the gradients are added.

NumPy works outside Python's lock, so two threads keep two cores busy, and unlike threads inside each product they
also share the work between products. The number of parts decides the order of the sums, hence the last bits.
"""

from __future__ import annotations

import functools
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from engine import Tensor, sweeps
from engine.tensor import Array
from gpt.model import GPT, IGNORED


def backward(
    model: GPT, parameters: list[Tensor], pieces: list[tuple[Array, Array]], threads: ThreadPoolExecutor
) -> float:
    """The loss of a batch given as pieces (ids, labels); its gradient is put into the parameters' `.grad`.

    Pieces count by their number of labels, so this is the mean over the whole batch.
    """
    counts = np.array([(labels != IGNORED).sum() for _, labels in pieces])

    def work(piece: tuple[Array, Array], weight: float) -> tuple[float, list[Array]]:
        loss = model.loss(*piece)
        return weight * loss.item(), sweeps.gradients(loss, parameters, np.full((), weight, loss.dtype))

    results = list(threads.map(work, pieces, (counts / counts.sum()).tolist()))
    for parameter, *parts in zip(parameters, *[gradients for _, gradients in results], strict=True):
        parameter.grad = Tensor(functools.reduce(np.add, parts))
    return math.fsum(loss for loss, _ in results)

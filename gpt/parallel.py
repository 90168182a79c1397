"""Data parallelism: each process computes loss and gradient of a part of the batch; the gradients are added.

Threads would take turns at Python's lock, which a small model holds half of the time; processes keep every core
busy. They share flat arrays with this one: the parameters' values, published before each batch, and the gradient that
each sends back. The first part is computed here, so one part needs no other process.

The invariant: the number of parts decides the order of the sums, hence the last bits; who is faster decides nothing.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any
from weakref import finalize

import numpy as np

import engine
from engine import Tensor
from engine.arrays import Array
from engine.backward import gradients
from gpt.errors import TrainingError
from gpt.machine import keep_memory
from gpt.model import GPT, IGNORED

Piece = tuple[Array, Array]  # ids and labels, (batch, time)


@dataclass
class _Worker:
    connection: Connection
    gradient: Array


class Parallel:
    """Computes a model's loss and gradient in parts, all but the first in processes of their own.

    Args:
        model: copied into each process once; afterwards only its parameters' values travel.
        parts: number of pieces a batch is given in.
        seed: of the workers' random numbers (dropout).
    """

    def __init__(self, model: GPT, parts: int, seed: int = 0) -> None:
        self.model = model
        self.parameters = model.parameters()
        self._dtype = np.result_type(*[p.dtype for p in self.parameters])
        self._context = get_context("spawn")  # the same on every system, and nothing of this process leaks into it
        self._values = self._shared()
        self._workers = [self._start(seed + number) for number in range(1, parts)]
        finalize(self, _close, [worker.connection for worker in self._workers])

    def _shared(self) -> Any:
        """Memory other processes can see, for one number per parameter value."""
        return self._context.RawArray("b", sum(p.size for p in self.parameters) * self._dtype.itemsize)

    def _start(self, seed: int) -> _Worker:
        ours, theirs = self._context.Pipe()
        memory = self._values, self._shared()
        arguments = (self.model, theirs, memory, self._dtype, seed)
        self._context.Process(target=_serve, args=arguments, daemon=True).start()
        theirs.close()
        return _Worker(ours, np.frombuffer(memory[1], self._dtype))

    def backward(self, pieces: Sequence[Piece]) -> float:
        """The loss of a batch given in pieces; its gradient is put into the parameters' `.grad`.

        Pieces count by their number of labels, so this is the mean over the whole batch. There can be fewer than parts.
        """
        if len(pieces) > 1 + len(self._workers):
            raise ValueError(f"Parallel: {len(pieces)} pieces given for {1 + len(self._workers)} parts")
        counts = np.array([(labels != IGNORED).sum() for _, labels in pieces])
        (own, *others), (own_weight, *weights) = pieces, (counts / counts.sum()).tolist()
        try:
            if others:
                values = np.frombuffer(self._values, self._dtype)
                np.concatenate([p.array.reshape(-1) for p in self.parameters], out=values)
            for worker, piece, weight in zip(self._workers, others, weights, strict=False):
                worker.connection.send((piece, weight))
            loss, gradient = _loss_and_gradient(self.model, self.parameters, own, own_weight)
            answers = [worker.connection.recv() for worker, _ in zip(self._workers, others, strict=False)]
        except (EOFError, ConnectionError):
            raise TrainingError("a worker process ended before its time; was the machine out of memory?") from None
        for worker, answer in zip(self._workers, answers, strict=False):
            if isinstance(answer, Exception):
                raise answer
            loss += answer
            gradient += worker.gradient
        for parameter, piece_of_gradient in zip(self.parameters, _split(gradient, self.parameters), strict=True):
            parameter.grad = Tensor(piece_of_gradient)
        return loss


def _loss_and_gradient(model: GPT, parameters: list[Tensor], piece: Piece, weight: float) -> tuple[float, Array]:
    """The weighted loss of one piece and its gradient in all parameters, as one flat array."""
    loss = model.loss(*piece)
    found = gradients(loss, parameters, np.full((), weight, loss.dtype))
    return weight * loss.item(), np.concatenate([g.reshape(-1) for g in found])


def _split(flat: Array, parameters: list[Tensor]) -> list[Array]:
    """Views of a flat array in the shapes of the parameters."""
    ends = np.cumsum([p.size for p in parameters])
    return [flat[end - p.size : end].reshape(p.shape) for end, p in zip(ends.tolist(), parameters, strict=True)]


def _serve(model: GPT, connection: Connection, memory: Any, dtype: Any, seed: int) -> None:
    """A worker's life: take a piece, compute, answer; end when the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that reports and saves
    keep_memory()
    engine.random.seed(seed)
    values, gradient = (np.frombuffer(raw, dtype) for raw in memory)
    parameters = model.parameters()
    while True:
        try:
            piece, weight = connection.recv()
        except EOFError:
            return
        for parameter, value in zip(parameters, _split(values, parameters), strict=True):
            parameter.assign(value)
        try:
            loss, gradient[:] = _loss_and_gradient(model, parameters, piece, weight)
            connection.send(loss)
        except Exception as error:
            connection.send(error)


def _close(connections: list[Connection]) -> None:
    for connection in connections:
        connection.close()

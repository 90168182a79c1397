"""Data parallelism: each process computes loss and gradient of a piece of the batch; the gradients are added.

Threads would wait for Python's global lock, which a small model holds half of the time; processes keep every core busy.
They share flat arrays with the main process: the parameters' values, written before each batch, and one gradient for
each worker. The main process computes the first piece, so one part needs no other process.

The invariant: the number of parts alone decides the order of the sums and so the last bits of the result; the order in
which workers finish does not.

Read next: `gpt/doctor.py`.
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
from gpt.model import GPT, IGNORED

Piece = tuple[Array, Array]  # ids and labels, (batch, time)


@dataclass
class _Worker:
    connection: Connection
    gradient: Array


class Parallel:
    """Computes a model's loss and gradient piece by piece, the first here, each other one in a process of its own.

    Args:
        model: copied into each process once; afterwards only its parameters' values are sent.
        parts: into how many pieces a batch is split at most.
        seed: of the workers' random numbers (dropout).
    """

    def __init__(self, model: GPT, parts: int, seed: int = 0) -> None:
        self.model = model
        self.parameters = model.parameters()
        self._dtype = np.result_type(*[p.dtype for p in self.parameters])
        self._context = get_context("spawn")  # works on every system, and inherits no state of this process
        self._values = self._shared()
        self._workers = [self._start(seed + number) for number in range(1, parts)]
        finalize(self, _close, [worker.connection for worker in self._workers])

    def _shared(self) -> Any:
        """Memory shared with other processes, for one number per parameter value."""
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

        Pieces are weighted by their number of labels, so the loss is the mean over the whole batch. There may be fewer
        pieces than parts.
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
            raise TrainingError("a worker process ended unexpectedly; was the machine out of memory?") from None
        for worker, answer in zip(self._workers, answers, strict=False):
            if isinstance(answer, Exception):
                raise answer
            loss += answer
            gradient += worker.gradient
        for parameter, g in zip(self.parameters, _split(gradient, self.parameters), strict=True):
            parameter.grad = Tensor(g)
        return loss


@np.errstate(all="ignore")  # what leaves the range of floats shows in the loss
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
    """A worker's loop: receive a piece, compute, answer; return when the main process has closed the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the main process, which saves
    engine.tune()
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

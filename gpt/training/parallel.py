"""Data parallelism: each process computes loss and gradient of parts of the batch; the gradients are added.

Threads would wait for Python's global lock, which a small model holds half of the time; processes keep every core busy.
They share an array with the main process: the parameters' values, written before each batch, and a gradient for each
part. The main process computes the first part, so one part needs no other process.

The invariant: the number of parts alone decides the result, to its last bit. Gradients are added in the order of parts,
and each part has random numbers of its own; how many processes there are, and which of them is done first, changes
nothing.

Read next: `gpt/training/session.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine import Tensor
from engine.arrays import Array
from gpt.model import GPT, IGNORED
from gpt.training.processes import Workers, cores
from gpt.training.worker import Done, Piece, State, Task, split, work


class Parallel:
    """Computes a model's loss and gradient part by part, the first here, others in processes of their own.

    A script needs no main guard for it. Every process computes its matrix products with as many threads as this one,
    and together they should not have more than there are cores: call `engine.tune(threads=1)` before.

    Args:
        model: copied into each process once; afterwards only its parameters' values are sent.
        parts: into how many pieces a batch is split at most.
        seed: of the random numbers (dropout), of which each part draws its own.
        processes: how many share the work, this one included; by default one for each part, but no more than cores.

    Fields:
        workers: the other processes, and the memory shared with them.

    Raises TrainingError for a model that cannot be sent to another process.
    """

    def __init__(self, model: GPT, parts: int, seed: int = 0, *, processes: int | None = None) -> None:
        self.model = model
        self.parameters = model.parameters()
        self._dtype = np.result_type(*[p.dtype for p in self.parameters])
        self._size = sum(p.size for p in self.parameters)
        streams = np.random.SeedSequence(seed).spawn(parts)
        self._states: list[State] = [np.random.default_rng(own).bit_generator.state for own in streams]
        self._processes = min(parts, processes or cores())
        self.workers = self._started()

    def _started(self) -> Workers:
        return Workers(self.model, self._processes - 1, (len(self._states), self._size), self._dtype)

    def states(self) -> list[State]:
        """The state of each part's random numbers, as NumPy's generators give it: names and whole numbers."""
        return list(self._states)

    def restore(self, states: Sequence[State]) -> None:
        """Let the random numbers go on from `states()` of an earlier training; ValueError if it had other parts."""
        if len(states) != len(self._states):
            raise ValueError(f"Parallel: random numbers of {len(states)} parts given for {len(self._states)} parts")
        for state in states:
            try:
                np.random.default_rng().bit_generator.state = state
            except (TypeError, ValueError, KeyError) as error:
                raise ValueError(f"Parallel: not the state of a NumPy generator: {error!r}") from None
        self._states = list(states)

    def backward(self, pieces: Sequence[Piece]) -> float:
        """The loss of a batch given in pieces; its gradient is put into the parameters' `.grad`.

        Pieces are weighted by their number of labels, so the loss is the mean over the whole batch. There may be fewer
        pieces than parts. An error of a part is raised here; the next batch is computed as if there had been none.
        """
        if not 1 <= len(pieces) <= len(self._states):
            raise ValueError(f"Parallel: {len(pieces)} pieces given for {len(self._states)} parts")
        counts = np.array([(labels != IGNORED).sum() for _, labels in pieces])
        if not counts.any():
            raise ValueError("Parallel: every label of the batch is ignored, so there is no mean; drop the batch")
        weights = (counts / counts.sum()).tolist()
        tasks = [Task(part, *own) for part, own in enumerate(zip(pieces, weights, self._states, strict=False))]
        gradient = np.empty(self._size, self._dtype)
        done, others = self._computed(tasks, gradient)
        for other in others:
            gradient += other
        for parameter, g in zip(self.parameters, split(gradient, self.parameters), strict=True):
            parameter.grad = Tensor(g)
        self._states[: len(done)] = [part.state for part in done]
        return sum(part.loss for part in done)

    def _computed(self, tasks: Sequence[Task], first: Array) -> tuple[list[Done], Array]:
        """What comes of each part, and the gradients of all but the first, which is put into `first`."""
        if self.workers.ended:
            self.workers = self._started()
        memory, n = self.workers.memory, self._processes
        own, *shares = [tasks[k::n] for k in range(min(n, len(tasks)))]
        if shares:
            np.concatenate([p.array.reshape(-1) for p in self.parameters], out=memory[0])
        rows = [first, *memory[1:]]
        answers = self.workers.compute(shares, lambda: work(self.model, self.parameters, own, rows))
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return [answers[part % n][part // n] for part in range(len(tasks))], memory[1 : len(tasks)]

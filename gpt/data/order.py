"""In which order a training reads its data; it can be stopped anywhere and go on with the same rows.

Read next: `gpt/data/batches.py`.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from engine.arrays import Array

State = dict[str, Any]  # names and whole numbers, so that it can be written as JSON


class Order(Protocol):
    """Rows of the data for one batch after the other, without end."""

    def next(self) -> Array:
        """The rows of the next batch."""
        ...

    def state(self) -> State:
        """Where it stands."""
        ...

    def restore(self, state: State) -> None:
        """Go on from where another stood, which had the same data and batch size."""
        ...


class Epochs:
    """Every row as often as `rows` has it in each epoch, rows of similar length in the same batch.

    Shuffled rows are sorted by length within chunks of 8 batches, and then the batches are shuffled, so that a batch
    needs little padding but its content stays random.
    """

    def __init__(self, rows: Array, lengths: Array, size: int, rng: np.random.Generator) -> None:
        self._rows, self._lengths, self._size, self._rng = rows, lengths, size, rng
        self._begin()

    def _begin(self) -> None:
        """Plan an epoch, and remember what the plan was drawn from."""
        self._drawn_from = self._rng.bit_generator.state
        self._taken = 0
        self._plan: list[Array] = []
        order = self._rng.permutation(self._rows)
        for start in range(0, len(order), 8 * self._size):
            chunk = order[start : start + 8 * self._size]
            chunk = chunk[np.argsort(self._lengths[chunk], kind="stable")]
            batches = [chunk[k : k + self._size] for k in range(0, len(chunk), self._size)]
            self._plan += [batches[k] for k in self._rng.permutation(len(batches))]

    def next(self) -> Array:
        if self._taken == len(self._plan):
            self._begin()
        self._taken += 1
        return self._plan[self._taken - 1]

    def state(self) -> State:
        return {"epoch": self._drawn_from, "taken": self._taken}

    def restore(self, state: State) -> None:
        self._rng.bit_generator.state = state["epoch"]
        self._begin()
        self._taken = state["taken"]


class Draws:
    """Rows 0 to count - 1, each batch drawn anew with replacement."""

    def __init__(self, count: int, size: int, rng: np.random.Generator) -> None:
        self._count, self._size, self._rng = count, size, rng

    def next(self) -> Array:
        return self._rng.integers(self._count, size=self._size)

    def state(self) -> State:
        return {"generator": self._rng.bit_generator.state}

    def restore(self, state: State) -> None:
        self._rng.bit_generator.state = state["generator"]

"""Data as a training sees it, and its batches one after the other.

The invariant: what a batch holds depends on the data, the seed and the number of batches before it, so a training that
was stopped goes on with the batches it would have had.

Read next: `gpt/data/calculator.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from engine import no_grad
from engine.arrays import Array
from gpt.data.config import DataConfig
from gpt.data.objective import OBJECTIVES, Lines, Piece
from gpt.data.order import Order, State
from gpt.model import GPT, IGNORED
from gpt.tokenizers import Tokenizer

Measures = dict[str, float]  # by name: "loss" in nats, "accuracy" as a fraction


class Data(Protocol):
    """What a training learns from and is measured on.

    Fields:
        config: where it comes from.
        tokenizer: cuts its text into tokens.
        digest: of its content; another content has another.
        about: what it is, in a line.
        prompt: a text that a model trained on it can continue.
    """

    config: DataConfig
    tokenizer: Tokenizer
    digest: str
    about: str
    prompt: str

    def order(self, size: int, rng: np.random.Generator) -> Order:
        """The order in which batches of `size` rows are read."""
        ...

    def read(self, rows: Array) -> Lines:
        """Some rows of the part to learn from."""
        ...

    def validate(self, model: GPT, *, whole: bool = False) -> Measures:
        """Measure the model on the part for validation, or, unless `whole`, on enough of it for a quick look."""
        ...

    def score(self, measures: Measures) -> tuple[float, ...]:
        """What makes a model the best so far: the larger, the better."""
        ...


class Batches:
    """The batches of a training: pieces of ids and labels, (batch, time) each."""

    def __init__(self, data: Data, size: int, seed: int) -> None:
        rows, masks = np.random.SeedSequence(seed).spawn(2)
        self._data, self._order = data, data.order(size, np.random.default_rng(rows))
        self._objective, self._rng = OBJECTIVES[data.config.objective], np.random.default_rng(masks)

    def next(self) -> Piece:
        lines = self._data.read(self._order.next())
        return self._objective.piece(lines, len(self._data.tokenizer), self._rng)

    def state(self) -> State:
        """Where it stands, as names and whole numbers."""
        return {"order": self._order.state(), "masks": self._rng.bit_generator.state}

    def restore(self, state: State) -> None:
        """Go on from where the batches of the same data, size and seed stood."""
        self._order.restore(state["order"])
        self._rng.bit_generator.state = state["masks"]


def split(piece: Piece, parts: int) -> list[Piece]:
    """A batch in at most `parts` pieces of about the same number of rows."""
    pieces = zip(*(np.array_split(array, parts) for array in piece), strict=True)
    return [(ids, labels) for ids, labels in pieces if len(ids)]


def mean_loss(model: GPT, pieces: Iterable[Piece]) -> float:
    """The mean cross-entropy of the model in nats, over all labels of all pieces that count."""
    total, count, training = 0.0, 0, model.training
    model.eval()
    with no_grad(), np.errstate(all="ignore"):
        for ids, labels in pieces:
            counted = int((labels != IGNORED).sum())
            total += model.loss(ids, labels).item() * counted
            count += counted
    model.train(training)
    return total / max(count, 1)

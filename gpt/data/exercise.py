"""The calculator as data: which problems are learned, which choose the settings, and which are held out to the end.

The problems that are not held out are divided once more: a few of them are for validation. Whatever is chosen during a
training, such as its best step, is chosen on these; the held-out problems are measured once, at its end.

Read next: `gpt/data/reading.py`.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np

from engine.arrays import Array
from gpt.data import calculator
from gpt.data.batches import Measures, mean_loss
from gpt.data.calculator import Problem, accuracy, exactly_right, lines_of
from gpt.data.config import DataConfig
from gpt.data.objective import OBJECTIVES, Lines
from gpt.data.order import Epochs
from gpt.model import GPT
from gpt.tokenizers import Tokenizer

VALIDATION = 400  # problems
REPEAT_TIMES = 3  # how often a product, of which there are few, occurs in an epoch; the others once
_SPLIT_SEED = 4104


class Parts(NamedTuple):
    """Problems by what they are for."""

    learned: list[Problem]
    validation: list[Problem]
    held_out: list[Problem]


def divided() -> Parts:
    """All problems of the calculator."""
    rest, held_out = calculator.split()
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(rest))
    learned = [rest[k] for k in np.sort(order[VALIDATION:])]
    return Parts(learned, [rest[k] for k in order[:VALIDATION]], held_out)


class Exercise:
    """Problems as data, by default all of the calculator; `gpt.data.batches.Data` says what its methods are for.

    Fields:
        learned, validation, held_out: the problems by what they are for.
    """

    prompt = "two plus three equals "

    def __init__(self, config: DataConfig, tokenizer: Tokenizer, parts: Parts | None = None) -> None:
        self.config, self.tokenizer = config, tokenizer
        self.learned, self.validation, self.held_out = parts or divided()
        self.about = (
            f"calculator: {len(self.learned):,} problems to learn from, {len(self.validation):,} for validation, "
            f"{len(self.held_out):,} held out"
        )
        self.digest = hashlib.sha256(text(self.learned).encode()).hexdigest()
        self._lines = lines_of(self.learned, tokenizer)
        self._validation = calculator.encode(self.validation, tokenizer)

    def order(self, size: int, rng: np.random.Generator) -> Epochs:
        repeats = [REPEAT_TIMES if problem.operation == "times" else 1 for problem in self.learned]
        rows = np.repeat(np.arange(len(self.learned)), repeats)
        return Epochs(rows, self._lines.real.sum(axis=1), size, rng)

    def read(self, rows: Array) -> Lines:
        longest = int(self._lines.real[rows].sum(axis=1).max())
        return Lines(*(array[rows, :longest] for array in self._lines))

    def validate(self, model: GPT, *, whole: bool = False) -> Measures:
        if self.config.objective == "next":
            ids, labels, _ = self._validation
            right = exactly_right(model, self._validation)
            return {"loss": mean_loss(model, [(ids, labels)]), "accuracy": float(right.mean())}
        lines = lines_of(self.validation, self.tokenizer)
        objective = OBJECTIVES[self.config.objective]
        piece = objective.piece(lines, len(self.tokenizer), np.random.default_rng(_SPLIT_SEED))
        return {"loss": mean_loss(model, [piece])}

    def score(self, measures: Measures) -> tuple[float, ...]:
        return measures.get("accuracy", 0.0), -measures["loss"]

    def final(self, model: GPT) -> dict[str, float]:
        """The fraction of held-out problems answered exactly by greedy decoding, of all and in groups."""
        return accuracy(exactly_right(model, calculator.encode(self.held_out, self.tokenizer)), self.held_out)


def text(problems: list[Problem]) -> str:
    """Problems as lines of text."""
    return "".join(f"{problem.question}{problem.answer}\n" for problem in problems)

"""Sampling: which token is taken, given the scores of all.

The likeliest token each time makes a text dull or caught in a loop; a draw from all tokens takes an unlikely one now
and then, which derails it. Temperature, top-k and top-p lie between the two.

Read next: `gpt/generation/stops.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.arrays import Array
from gpt.generation.scores import log_probabilities
from nn.settings import not_negative, positive, probability, size


@dataclass(frozen=True)
class Sampling:
    """How a token is chosen. The settings apply in this order.

    Fields:
        temperature: the scores are divided by it: below 1 likely tokens become likelier; at 0 the likeliest is taken.
        top_k: only so many of the likeliest tokens stay (Fan et al. 2018); None keeps all.
        top_p: of these, only the likeliest stay whose probabilities add up to at least top_p (Holtzman et al. 2020,
            nucleus sampling), and always one; None and 1 keep all.

    Of equally likely tokens the one with the lower id comes first, so top_k=1 and a tiny top_p are the same as
    temperature 0. Raises TypeError or ValueError for a setting that is out of range.
    """

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        not_negative("generate", "temperature", self.temperature)
        if self.top_k is not None:
            size("generate", "top_k", self.top_k)
        if self.top_p is not None:
            positive("generate", "top_p", self.top_p)
            probability("generate", "top_p", self.top_p)

    def probabilities(self, logits: Array) -> Array:
        """The probability with which each token is drawn, from the scores of all: both (vocab_size,)."""
        found = np.zeros(len(logits))
        if self.temperature == 0:
            found[logits.argmax()] = 1
            return found
        found = np.exp(log_probabilities(logits, self.temperature))
        if self.top_k is None and self.top_p is None:
            return found
        order = np.argsort(-logits, kind="stable")  # likeliest first
        if self.top_k is not None:
            found[order[self.top_k :]] = 0
        if self.top_p is not None and self.top_p < 1:
            found /= found.sum()
            before_enough = int(np.searchsorted(np.cumsum(found[order]), self.top_p))
            found[order[before_enough + 1 :]] = 0
        return found / found.sum()

    def choose(self, logits: Array, rng: np.random.Generator) -> int:
        """The id of the token taken, given the scores of all, (vocab_size,). At temperature 0 nothing is drawn."""
        if self.temperature == 0:
            return int(logits.argmax())
        bounds = np.cumsum(self.probabilities(logits))
        bounds /= bounds[-1]  # so that the last bound is above every draw
        return int(np.searchsorted(bounds, rng.random(), side="right"))

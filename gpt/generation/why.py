"""Why: what each token of a text was chosen from, and which positions the model looked at for it.

Attention weights say from which positions the heads of a block took values. That is not yet what decided: in later
blocks, the value at a position already holds what earlier blocks brought there from others. What the parts of the model
contribute to a loss is found by `gpt/blame.py`.

Read next: `gpt/filling.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from engine.arrays import Array
from gpt.generation.steps import Step, beginning
from gpt.model import GPT
from gpt.tokenizers import Tokenizer

OTHERS = 3  # tokens shown that were not taken
STRONGEST = 3  # positions shown that were looked at


class Candidate(NamedTuple):
    """A token as the tokenizer shows it, and its probability under the model at temperature 1."""

    token: str
    probability: float


class LookedAt(NamedTuple):
    """A position of the text, counted from 1, the token there, and the weight that it had in the average of values."""

    position: int
    token: str
    weight: float


class Why(NamedTuple):
    """One generated token.

    Fields:
        chosen: the token that was taken.
        others: the likeliest of the tokens that were not, likeliest first.
        looked_at: for each block, first to last, the positions with the largest attention weights, largest first. The
            weights are those of the position that the token was predicted at, averaged over the heads; over all
            positions they add up to 1.
        text: the text that became certain with it.
    """

    chosen: Candidate
    others: list[Candidate]
    looked_at: list[list[LookedAt]]
    text: str


def explained(model: GPT, tokenizer: Tokenizer, prompt: str, found: Iterable[Step]) -> Iterator[Why]:
    """What each of the steps that continue a prompt was made from. Reads the text once more for each token."""
    ids = beginning(tokenizer, prompt)
    for step in found:
        looked_at = _looked_at(model, tokenizer, ids)
        order = np.argsort(-step.log_probabilities, kind="stable")
        others = [int(token) for token in order[: OTHERS + 1] if token != step.token][:OTHERS]
        candidates = [
            Candidate(tokenizer.show(token), float(np.exp(step.log_probabilities[token])))
            for token in (step.token, *others)
        ]
        yield Why(candidates[0], candidates[1:], looked_at, step.text)
        ids = np.append(ids, step.token)


def _looked_at(model: GPT, tokenizer: Tokenizer, ids: Array) -> list[list[LookedAt]]:
    """For each block, the positions with the largest weights at the last of the ids."""
    start = max(0, len(ids) - model.config.block_size)
    found = []
    for weights in model.attention_weights(ids[None, start:]):
        mean = np.asarray(weights.numpy()[0, :, -1].mean(axis=0))
        strongest = np.argsort(-mean, kind="stable")[:STRONGEST]
        places = [(start + int(k), float(mean[k])) for k in strongest]
        found.append([LookedAt(place + 1, tokenizer.show(int(ids[place])), weight) for place, weight in places])
    return found

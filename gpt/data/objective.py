"""What a model has to predict: the next token, or tokens that are hidden.

    next      reads  two plus three equals fiv      and predicts the answer, each token from those before it
    masked    reads  two [MASK] three equals five   and predicts what is hidden, from both sides

Hidden tokens (Devlin et al. 2018): a batch hides 15 % of its tokens. Of the positions that are to be predicted, 80 %
read [MASK], 10 % another token at random, and 10 % the token itself, so that the model has to think about every
position. What is hidden are runs of tokens of random length, as short words are (Joshi et al. 2020), because a single
character can often be told from its neighbours alone.

Read next: `gpt/data/order.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from engine.arrays import Array
from gpt.model import IGNORED

MASK = "[MASK]"  # as it is written in a text; its id is the one after the tokenizer's last
HIDDEN = 0.15
_LONGEST = 8  # tokens in a run
_SHORTER = 0.2  # chance that a run ends after each of its tokens

Piece = tuple[Array, Array]  # ids and labels, both (batch, time); labels are IGNORED where nothing is to be predicted


class Lines(NamedTuple):
    """Some texts as they stand in the data.

    Fields:
        ids: (texts, time), padded at the end.
        real: which of them are no padding, (texts, time).
        asked: which of them the model is to predict when it reads from left to right, (texts, time).
    """

    ids: Array
    real: Array
    asked: Array


class Objective(NamedTuple):
    """One objective.

    Fields:
        causal: whether the model may look at earlier positions only.
        extra: how many tokens it needs beside the tokenizer's.
        ahead: by how many tokens a line is longer than what the model reads of it.
        piece: what the model reads and has to predict for some lines, (lines, number of tokens, generator) -> Piece.
    """

    causal: bool
    extra: int
    ahead: int
    piece: Callable[[Lines, int, np.random.Generator], Piece]


def next_token(lines: Lines, tokens: int = 0, rng: np.random.Generator | None = None) -> Piece:
    """At each position the token that follows, where it is asked for; nothing is drawn."""
    labels = np.where(lines.asked[:, 1:], lines.ids[:, 1:], IGNORED)
    return lines.ids[:, :-1], labels


def masked(lines: Lines, tokens: int, rng: np.random.Generator) -> Piece:
    """Hide some tokens, and ask for these; at least one in each text."""
    hidden = _runs(lines.real, rng)
    labels = np.where(hidden, lines.ids, IGNORED)
    chance = rng.random(lines.ids.shape)
    other = rng.integers(tokens, size=lines.ids.shape)
    ids = np.where(hidden & (chance < 0.8), tokens, lines.ids)
    return np.where(hidden & (chance >= 0.9), other, ids), labels


def _runs(real: Array, rng: np.random.Generator) -> Array:
    """Runs of positions to hide in each text: (texts, time) bool."""
    hidden = np.zeros(real.shape, bool)
    for row, length in zip(hidden, real.sum(axis=1).tolist(), strict=True):
        wanted = max(1, round(HIDDEN * length))
        while (left := wanted - int(row.sum())) > 0:
            run = min(int(rng.geometric(_SHORTER)), _LONGEST, left)
            start = int(rng.integers(length - run + 1))
            row[start : start + run] = True
    return hidden


OBJECTIVES = {"next": Objective(True, 0, 1, next_token), "masked": Objective(False, 1, 0, masked)}

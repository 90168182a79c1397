"""Filling: a model that learned to fill gaps says what stands at each [MASK], from the text on both sides.

    two [MASK] three equals five   ->   two plus three equals five

A gap may have several tokens: a model of characters has to write "plus" into four of them. They are filled one after
the other, the most certain first, and each is then read by those that come later, because words that are likely one by
one need not go together. The log probabilities of the tokens, each at the time it was filled, add up to that of the
whole fill in this order; other orders would give other sums, so it is a pseudo-likelihood. Fills of several lengths are
ranked by its mean for each token, since a sum would favour short ones.

Read next: `gpt/training/__init__.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from engine import no_grad
from engine.arrays import Array
from gpt.data.objective import MASK
from gpt.errors import DataError
from gpt.generation.scores import log_probabilities
from gpt.model import GPT
from gpt.runs import Run

LONGEST = 9  # tokens that a gap of unknown length may have


class Choice(NamedTuple):
    """A token that was filled in.

    Fields:
        place: its position in the text.
        token: its id.
        log_probabilities: of every token in this place when this one was chosen, (tokens,).
    """

    place: int
    token: int
    log_probabilities: Array


class Fill(NamedTuple):
    """A text without gaps.

    Fields:
        text: the whole.
        fills: what stands in each gap.
        choices: its tokens in the order of the text.
        score: the mean of their log probabilities.
    """

    text: str
    fills: tuple[str, ...]
    choices: tuple[Choice, ...]
    score: float


def fill(run: Run, text: str, lengths: Sequence[int] | None = None) -> list[Fill]:
    """What may stand at each [MASK] of a text, the best first, one fill for each length that is tried.

    `lengths` are the tokens of each gap. Unless they are given, each of several gaps has one token. A single one has 1
    to `LONGEST`, if words are made of several tokens. Raises DataError for a run that did not learn to fill gaps, for a
    text without one or too long for the model, and for lengths that do not fit.
    """
    if run.data.objective != "masked":
        raise DataError(
            f"fill: {run.path} learned to continue a text; "
            "train a model that fills gaps with `blameflow train --objective masked`"
        )
    parts = _parts(run, text)
    gaps = len(parts) - 1
    if not gaps:
        raise DataError(f"fill: there is no {MASK} in the text; write one in the place of what is missing")
    if lengths is not None and len(lengths) != gaps:
        raise DataError(f"fill: the text has {gaps} {MASK}, so give {gaps} lengths, not {len(lengths)}")
    single = gaps == 1 and run.tokenizer.kind != "word"
    tried = [tuple(lengths)] if lengths else [(n,) for n in range(1, LONGEST + 1)] if single else [(1,) * gaps]
    read, block = sum(map(len, parts)), run.model.config.block_size
    fitting = [each for each in tried if read + sum(each) <= block]
    if not fitting:
        raise DataError(f"fill: the text has {read + sum(tried[0])} tokens, the model reads at most {block}")
    return sorted((_filled(run, parts, each) for each in fitting), key=lambda found: -found.score)


def _parts(run: Run, text: str) -> list[Array]:
    """The ids of the text between the gaps."""
    parts = text.split(MASK)
    if run.tokenizer.kind == "bpe":  # whose tokens begin with the space before a word
        parts = [part.removesuffix(" ") for part in parts[:-1]] + parts[-1:]
    if run.data.data == "calculator":
        parts[-1] += "\n"  # as all its lines end
    return [run.tokenizer.encode(part) for part in parts]


def _filled(run: Run, parts: Sequence[Array], lengths: Sequence[int]) -> Fill:
    """The text with gaps of these lengths, filled."""
    mask = len(run.tokenizer)
    pieces = [parts[0]]
    for length, part in zip(lengths, parts[1:], strict=True):
        pieces += [np.full(length, mask), part]
    starts = [*accumulate(map(len, pieces), initial=0)]
    ids = np.concatenate(pieces)
    choices = most_certain_first(run.model, ids, np.flatnonzero(ids == mask).tolist(), mask)
    for choice in choices:
        ids[choice.place] = choice.token
    fills = (run.tokenizer.decode(ids[start:end]) for start, end in zip(starts[1::2], starts[2::2], strict=False))
    score = float(np.mean([choice.log_probabilities[choice.token] for choice in choices]))
    return Fill(run.tokenizer.decode(ids).removesuffix("\n"), tuple(fills), tuple(choices), score)


def most_certain_first(model: GPT, ids: Array, places: Iterable[int], tokens: int) -> list[Choice]:
    """Fill places of a text (time,), which hold the id of [MASK], with some of the first `tokens` tokens.

    Each time, of all places and tokens together the likeliest pair is chosen. Returned in the order of the places.
    Raises FloatingPointError if the model's scores are not finite.
    """
    ids, still_open, found = ids.copy(), sorted(places), []
    while still_open:
        only = np.zeros((1, len(ids)), bool)
        only[0, still_open] = True
        with no_grad(), np.errstate(all="ignore"):
            logits = model(ids[None], only).numpy()[:, :tokens].astype(np.float64)
        if not np.isfinite(logits).all():
            raise FloatingPointError("the model's scores are not finite, so its training diverged; use another run")
        rows = log_probabilities(logits)
        row, token = (int(k) for k in np.unravel_index(rows.argmax(), rows.shape))
        place = still_open.pop(row)
        ids[place] = token
        found.append(Choice(place, token, rows[row]))
    return sorted(found, key=lambda choice: choice.place)

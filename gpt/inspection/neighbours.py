"""Tokens whose embeddings are alike, and arithmetic with embeddings.

    near      the tokens whose embedding has nearly the same direction
    analogy   king - man + woman: the tokens nearest to that sum of embeddings, each of length 1 first, and the three
              themselves left out (Mikolov et al. 2013, "Linguistic regularities in continuous space word
              representations")

Read next: `gpt/inspection/numbers.py`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from engine.arrays import Array
from gpt.errors import TokenError
from gpt.inspection.vectors import directions
from gpt.runs import Run
from gpt.tokenizers import Tokenizer


class Neighbour(NamedTuple):
    """A token, as it is shown, and the cosine of its embedding with what was looked for."""

    token: str
    cosine: float


def single(tokenizer: Tokenizer, text: str) -> int:
    """The id of a text that is one token. Raises TokenError, with the tokens, if it is none or several."""
    ids = tokenizer.encode(text)
    if len(ids) != 1:
        pieces = "|".join(tokenizer.pieces(text))
        raise TokenError(f"{text!r} is {len(ids)} tokens{f', {pieces}' if pieces else ''}; give a text that is one")
    return int(ids[0])


def near(run: Run, token: str, count: int) -> list[Neighbour]:
    """The tokens nearest to one, the nearest first. Raises TokenError if it is not one token."""
    own = single(run.tokenizer, token)
    units = _units(run)
    return _nearest(run.tokenizer, units, units[own], [own], count)


def analogy(run: Run, a: str, b: str, c: str, count: int) -> list[Neighbour]:
    """The tokens nearest to a - b + c, without these three. Raises TokenError if one of them is not one token."""
    given = [single(run.tokenizer, text) for text in (a, b, c)]
    units = _units(run)
    first, second, third = units[given]
    return _nearest(run.tokenizer, units, first - second + third, given, count)


def _units(run: Run) -> Array:
    """The direction of each token's embedding, (tokens, channels). Raises FloatingPointError if it is not finite."""
    points = run.model.embedding.weight.numpy()[: len(run.tokenizer)].astype(np.float64)
    if not np.isfinite(points).all():
        raise FloatingPointError("the embedding holds numbers that are not finite; use another run")
    return directions(points)


def _nearest(tokenizer: Tokenizer, units: Array, point: Array, without: Collection[int], count: int) -> list[Neighbour]:
    found = units @ directions(point)
    order = [int(id) for id in np.argsort(-found, kind="stable") if id not in without]
    return [Neighbour(tokenizer.show(id), float(found[id])) for id in order[:count]]

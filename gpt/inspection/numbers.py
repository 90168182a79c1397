"""What a calculator makes of numbers: is its state after "two" more like that after "three" than after "ninety"?

A state is what the residual stream holds after a block, at the last token of the number in "two plus". A common part of
all hundred states, which says that a number was read, is taken away: their mean. What is left is compared by cosine.

How well the order of the numbers is kept is one figure: Spearman's rank correlation, over all 4,950 pairs of different
numbers, of the difference of the two numbers with the distance of their states, 1 - cosine. It is 1 if pairs further
apart as numbers are always further apart as states, and about 0 if the states know nothing of it. Words alone make a
part of it, since "fifty two" and "fifty three" share letters. So the same is measured for the model as it was before
its training.

Read next: `gpt/inspection/picture.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.arrays import Array
from gpt.data.calculator import WORDS
from gpt.inspection.vectors import cosines, principal_plane
from gpt.model import GPT
from gpt.runs import Run
from gpt.tokenizers import Tokenizer
from gpt.training.trainer import new_model


@dataclass(frozen=True)
class Numbers:
    """The states of the numbers 0 to 99.

    Fields:
        similarity: the cosine of each number's state with each, after the last block, (100, 100).
        places: the same states on their principal plane, (100, 2).
        explained: the share of their variance that the plane shows.
        order: for each block the rank correlation.
        untrained: the same of a model of this shape and seed without training.
    """

    similarity: Array
    places: Array
    explained: float
    order: tuple[float, ...]
    untrained: tuple[float, ...]


def numbers(run: Run) -> Numbers:
    """Measure a run of the calculator. Raises FloatingPointError if a state is not finite."""
    seed = run.config.get("training", {}).get("seed", 0)
    fresh = new_model(lambda: GPT(run.model.config), seed)
    fresh.eval()
    trained, untrained = states(run.model, run.tokenizer), states(fresh, run.tokenizer)
    places, explained = principal_plane(trained[-1])
    return Numbers(
        cosines(trained[-1]), places, explained, tuple(map(kept_order, trained)), tuple(map(kept_order, untrained))
    )


def states(model: GPT, tokenizer: Tokenizer) -> list[Array]:
    """After each block the states of the numbers less their mean, (100, channels)."""
    following = tokenizer.encode(" plus")
    read: list[list[Array]] = []
    for word in WORDS:
        number = tokenizer.encode(word)
        ids = np.concatenate([number, following])[None]
        read.append([state.numpy()[0, len(number) - 1] for state in model.states(ids)])
    found = [np.array(of_block, np.float64) for of_block in zip(*read, strict=True)]
    if not all(np.isfinite(of_block).all() for of_block in found):
        raise FloatingPointError("the model's states are not finite, so its training diverged; use another run")
    return [of_block - of_block.mean(axis=0) for of_block in found]


def kept_order(points: Array) -> float:
    """The rank correlation of |a - b| with 1 - cosine over all pairs of points a, b, in the order of their rows."""
    a, b = np.triu_indices(len(points), 1)
    return spearman(b - a, 1 - cosines(points)[a, b])


def spearman(x: Array, y: Array) -> float:
    """Spearman's rank correlation, -1 to 1; equal values share the mean of their ranks. nan if all x or y are equal."""
    first, second = (ranks - ranks.mean() for ranks in (_ranks(x), _ranks(y)))
    size = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / size if size else float("nan")


def _ranks(values: Array) -> Array:
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((counts.cumsum() - (counts - 1) / 2)[group])

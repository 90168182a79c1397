"""Sampling: continue a text, and measure how often the answers are exactly right.

Read next: `gpt/training.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import no_grad
from engine.arrays import Array
from gpt.calculator import Encoded, take
from gpt.model import GPT, IGNORED
from gpt.tokenizer import CharTokenizer


def next_probabilities(model: GPT, ids: Array, temperature: float = 1.0) -> Array:
    """The probability of each character to come next after each row of ids, (batch, vocab_size)."""
    with no_grad():
        logits = model(ids[:, -model.config.block_size :]).numpy()[:, -1].astype(np.float64)
    logits = logits / temperature
    logits -= logits.max(axis=-1, keepdims=True)
    exponentials = np.exp(logits)
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def generate(
    model: GPT,
    tokenizer: CharTokenizer,
    prompt: str,
    *,
    temperature: float = 0.0,
    limit: int = 64,
    end: str = "\n",
    rng: np.random.Generator | None = None,
) -> tuple[str, float]:
    """Continue `prompt` up to the character `end` (not included) or `limit` characters.

    Temperature 0 takes the likeliest character each time. Returns the text and its probability under the model at
    temperature 1, the end included where it was reached.
    """
    rng = rng or np.random.default_rng()
    ids = tokenizer.encode(prompt or end)[None]
    log_probability = 0.0
    continuation: list[int] = []
    for _ in range(limit):
        probabilities = next_probabilities(model, ids)[0]
        if temperature <= 0:
            choice = int(probabilities.argmax())
        else:
            choice = int(rng.choice(len(probabilities), p=next_probabilities(model, ids, temperature)[0]))
        log_probability += math.log(probabilities[choice])
        if tokenizer.characters[choice] == end:
            break
        continuation.append(choice)
        ids = np.append(ids, [[choice]], axis=1)
    return tokenizer.decode(continuation), math.exp(log_probability)


def exactly_right(model: GPT, data: Encoded, batch: int = 256) -> Array:
    """For each problem, whether the greedy answer is right to the last character and the line end.

    Greedy decoding is right exactly if each character of the right answer is the likeliest after those before it: up
    to the first mistake the model reads the same text either way. So one forward pass over question and answer decides,
    without generating.
    """
    right = np.zeros(len(data.ids), bool)
    order = np.argsort(data.lengths, kind="stable")  # rows of similar length in a batch need little padding
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        ids, labels = take(data, rows)
        with no_grad():
            guesses = model(ids).numpy().argmax(axis=-1)
        right[rows] = ((guesses == labels) | (labels == IGNORED)).all(axis=1)
    return right


def accuracy_by(right: Array, groups: list[str]) -> dict[str, float]:
    """The fraction of right answers, of all problems and in each group."""
    names: dict[str, Any] = {name: np.array([g == name for g in groups]) for name in dict.fromkeys(groups)}
    return {"all": float(right.mean()), **{name: float(right[mask].mean()) for name, mask in names.items()}}

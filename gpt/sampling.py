"""Sampling: continue a text.

Read next: `gpt/training/__init__.py`.
"""

from __future__ import annotations

import math

import numpy as np

from engine import no_grad
from engine.arrays import Array
from gpt.model import GPT
from gpt.tokenizers import Tokenizer
from nn import Cache
from nn.settings import not_negative


def next_logits(model: GPT, ids: Array, cache: Cache | None = None) -> Array:
    """The score of each character to come next after each row of ids, (batch, vocab_size).

    With a cache, only what it has not read of ids is read. A text longer than the model's block is read from a later
    beginning, which moves with every character, so a cache is of no use then.

    Raises FloatingPointError where the scores give no probabilities: one is nan or infinite, or all are -infinity.
    """
    block = model.config.block_size
    if ids.shape[1] > block:
        ids, cache = ids[:, -block:], None
    elif cache is not None:
        ids = ids[:, cache.length :]
    last = np.zeros(ids.shape, bool)
    last[:, -1] = True
    with no_grad(), np.errstate(all="ignore"):
        logits = model(ids, last, cache).numpy().astype(np.float64)
    if not np.isfinite(logits.max(axis=-1)).all():
        raise FloatingPointError("the model's scores are not finite, so its training diverged; use another run")
    return logits


def log_probabilities(logits: Array, temperature: float = 1.0) -> Array:
    """log softmax(logits / temperature) over the last axis; -infinity where a probability is 0.

    The largest logit becomes 0 first, so however small the temperature, the likeliest character keeps its probability.
    """
    with np.errstate(over="ignore"):
        logits = (logits - logits.max(axis=-1, keepdims=True)) / temperature
    return np.asarray(logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True)))


def generate(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str,
    *,
    temperature: float = 0.0,
    limit: int = 64,
    end: str = "\n",
    rng: np.random.Generator | None = None,
) -> tuple[str, float]:
    """Continue `prompt` up to the character `end` (not included) or `limit` characters.

    Temperature 0 takes the likeliest character each time. Returns the text and its probability under the model at
    temperature 1, the end included where it was reached. Raises ValueError for a temperature that is negative, infinite
    or nan, and FloatingPointError if the model's scores are not finite.
    """
    temperature = not_negative("generate", "temperature", temperature)
    rng = rng or np.random.default_rng()
    ids = tokenizer.encode(prompt or end)[None]
    log_probability = 0.0
    continuation: list[int] = []
    cache = Cache()
    for _ in range(limit):
        logits = next_logits(model, ids, cache)[0]
        if temperature == 0:
            choice = int(logits.argmax())
        else:
            choice = int(rng.choice(len(logits), p=np.exp(log_probabilities(logits, temperature))))
        log_probability += float(log_probabilities(logits)[choice])
        if tokenizer.decode([choice]) == end:
            break
        continuation.append(choice)
        ids = np.append(ids, [[choice]], axis=1)
    return tokenizer.decode(continuation), math.exp(log_probability)

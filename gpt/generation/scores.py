"""The scores of the next token, and the probabilities they stand for.

Read next: `gpt/generation/sampling.py`.
"""

from __future__ import annotations

import numpy as np

from engine import no_grad
from engine.arrays import Array
from engine.operands import as_operand
from gpt.model import GPT
from nn import Cache


def next_logits(model: GPT, ids: Array, cache: Cache | None = None) -> Array:
    """The score of each token to come next after each row of ids: (batch, time) to (batch, vocab_size), float64.

    With a cache, only what it has not read of ids is read. A text longer than the model's block is read from a later
    beginning, which moves with every token, so a cache is of no use then.

    Raises FloatingPointError where the scores give no probabilities: one is nan or infinite, or all are -infinity.
    """
    block = model.config.block_size
    if ids.shape[1] > block:
        ids, cache = ids[:, -block:], None
    elif cache is not None:
        ids = ids[:, cache.length :]
    last = None
    if ids.shape[1] > 1:
        last = np.zeros(ids.shape, bool)
        last[:, -1] = True
    with no_grad(), np.errstate(all="ignore"):
        logits = as_operand(model(ids, last, cache)).astype(np.float64).reshape(len(ids), -1)
    if not np.isfinite(logits.max(axis=-1)).all():
        raise FloatingPointError("the model's scores are not finite, so its training diverged; use another run")
    return logits


def log_probabilities(logits: Array, temperature: float = 1.0) -> Array:
    """log softmax(logits / temperature) over the last axis; -infinity where a probability is 0.

    The largest logit becomes 0 first, so however small the temperature, the likeliest token keeps its probability.
    """
    with np.errstate(over="ignore"):
        logits = (logits - logits.max(axis=-1, keepdims=True)) / temperature
    return np.asarray(logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True)))

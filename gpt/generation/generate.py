"""Generate: continue a prompt, as one text, as several at once, or piece by piece.

    text, probability = gpt.generate(run.model, run.tokenizer, "two plus three equals ")

All three take the same settings: those of `Sampling`; `limit`, the most tokens a text may get; `stop`, one string or
several that end a text and are not part of it; and `rng`, which every draw comes from. A prompt that is longer than the
model's block is read from a later beginning, and so is a text that grows beyond it.

Read next: `gpt/generation/why.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gpt.generation.sampling import Sampling
from gpt.generation.steps import Step, steps
from gpt.model import GPT
from gpt.tokenizers import Tokenizer
from nn.settings import size

LIMIT = 64


class Continuation(NamedTuple):
    """A text and its probability under the model at temperature 1, the stop string included where it was reached."""

    text: str
    probability: float


def generate(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str,
    *,
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float | None = None,
    limit: int = LIMIT,
    stop: str | Sequence[str] = "\n",
    rng: np.random.Generator | None = None,
) -> Continuation:
    """Continue `prompt` up to a stop string (not included) or `limit` tokens.

    Temperature 0 takes the likeliest token each time. Raises TypeError or ValueError for a setting that is out of
    range, TokenError for a prompt with unknown characters, and FloatingPointError if the model's scores are not finite.
    """
    sampling = Sampling(temperature, top_k, top_p)
    rngs = [rng or np.random.default_rng()]
    (found,) = _collected(steps(model, tokenizer, prompt, sampling, rngs, limit=limit, stop=stop), 1)
    return found


def generate_batch(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str,
    count: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    limit: int = LIMIT,
    stop: str | Sequence[str] = "\n",
    rng: np.random.Generator | None = None,
) -> list[Continuation]:
    """Continue `prompt` so many times, reading all texts together; raises what `generate` raises.

    Text k draws from the k-th generator that `rng` spawns, so it is the same however many there are. (A batch of
    another size may round the scores in another way, by the last bits.)
    """
    sampling = Sampling(temperature, top_k, top_p)
    rngs = (rng or np.random.default_rng()).spawn(size("generate_batch", "count", count))
    return _collected(steps(model, tokenizer, prompt, sampling, rngs, limit=limit, stop=stop), count)


def stream(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str,
    *,
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float | None = None,
    limit: int = LIMIT,
    stop: str | Sequence[str] = "\n",
    rng: np.random.Generator | None = None,
) -> Iterator[str]:
    """The text of `generate` in pieces, each as soon as it is certain; raises what `generate` raises.

    A piece holds whole characters only, and nothing that may still turn out to be a stop string.
    """
    sampling = Sampling(temperature, top_k, top_p)
    found = steps(model, tokenizer, prompt, sampling, [rng or np.random.default_rng()], limit=limit, stop=stop)
    return (step.text for (step,) in found if step is not None and step.text)


def _collected(found: Iterator[list[Step | None]], count: int) -> list[Continuation]:
    texts, logs = [""] * count, [0.0] * count
    for row in found:
        for k, step in enumerate(row):
            if step is not None:
                texts[k] += step.text
                logs[k] += float(step.log_probabilities[step.token])
    return [Continuation(text, math.exp(log)) for text, log in zip(texts, logs, strict=True)]

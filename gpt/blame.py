"""Who was to blame for an answer: trace the loss of one target text.

Read next: `gpt/__main__.py`, the command line.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

import engine
import viz
from gpt.errors import DataError
from gpt.generation.generate import generate
from gpt.model import IGNORED
from gpt.runs import Run


@dataclass(frozen=True)
class TracedAnswer:
    """The blame for one answer.

    Fields:
        prompt, target: the question, and the answer whose loss is traced.
        probability: the probability that the model gives to the target and the line end.
        flow: the blame flow of the loss, the sum of -log probability over the target's characters and the line end.
    """

    prompt: str
    target: str
    probability: float
    flow: viz.BlameFlow


def blame(run: Run, prompt: str, target: str | None = None) -> TracedAnswer:
    """Trace -log p(target | prompt), in nats; by default the target is the model's own greedy answer."""
    block = run.model.config.block_size
    if target is None:
        target, _ = generate(run.model, run.tokenizer, prompt, limit=block - len(prompt))
    line = run.tokenizer.encode(prompt + target + "\n")
    if not prompt:
        raise DataError("blame: the prompt is empty; ask something, such as --prompt 'two plus three equals '")
    if len(line) - 1 > block:
        raise DataError(f"blame: prompt and target have {len(line) - 1} characters, the model reads at most {block}")
    labels = line[1:].copy()
    labels[: len(prompt) - 1] = IGNORED
    with engine.keep_values():
        loss = engine.cross_entropy(run.model(line[None, :-1]), np.asarray(labels)[None], reduction="sum")
    return TracedAnswer(prompt, target, math.exp(-loss.item()), viz.trace(loss))

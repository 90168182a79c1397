"""Who was to blame for an answer: trace the loss of one target text.

Read next: `gpt/__main__.py`, the command line.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

import engine
import viz
from engine.arrays import Array
from gpt.errors import DataError
from gpt.generation.sampling import Sampling
from gpt.generation.steps import steps
from gpt.model import IGNORED
from gpt.runs import Run

_CONTINUED = 16  # tokens of a model's own continuation of a text


@dataclass(frozen=True)
class TracedAnswer:
    """The blame for one answer.

    Fields:
        prompt, target: the question, and the answer whose loss is traced.
        probability: the probability that the model gives to the target and, for the calculator, to the line end.
        flow: the blame flow of the loss, the sum of -log probability over the tokens of the same.
    """

    prompt: str
    target: str
    probability: float
    flow: viz.BlameFlow


def blame(run: Run, prompt: str, target: str | None = None) -> TracedAnswer:
    """Trace -log p(target | prompt), in nats; by default the target is what the model itself says, greedily.

    Raises DataError if there is nothing to ask or to trace, if both together are longer than what the model reads, or
    if the model does not predict what comes next.
    """
    if run.data.objective != "next":
        raise DataError(f"blame: {run.path} learned to fill gaps, not to continue a text; `blameflow fill` asks it")
    block, answers = run.model.config.block_size, run.data.data == "calculator"
    end = "\n" if answers else ""  # an answer ends with its line, a text goes on
    question = run.tokenizer.encode(prompt)
    if not prompt:
        raise DataError("blame: the prompt is empty; ask something, such as --prompt 'two plus three equals '")
    if target is None:
        room = max(block + 1 - len(question) - len(end), 1)
        target, answer = _own(run, prompt, room if answers else min(_CONTINUED, room), end)
    else:
        answer = run.tokenizer.encode(target + end)
    line = np.concatenate([question, answer])
    if len(line) - 1 > block:
        raise DataError(f"blame: prompt and target have {len(line) - 1} tokens, the model reads at most {block}")
    if not len(answer):
        raise DataError("blame: the target is empty; give --target a text whose loss is to be traced")
    flow = trace_tokens(run, line, len(question))
    return TracedAnswer(prompt, target, math.exp(-flow.loss), flow)


def _own(run: Run, prompt: str, limit: int, end: str) -> tuple[str, Array]:
    """The model's own continuation, up to `end` if that is not empty, and its tokens, those of `end` included.

    The text by itself may have other tokens, or none: a model of words may put two of them next to each other.
    """
    found = steps(run.model, run.tokenizer, prompt, Sampling(), [np.random.default_rng()], limit=limit, stop=end or ())
    said = [step for (step,) in found if step is not None]
    ids = [step.token for step in said]
    if end not in run.tokenizer.decode(ids):
        ids += run.tokenizer.encode(end).tolist()
    return "".join(step.text for step in said), np.array(ids, np.int64)


def trace_tokens(run: Run, ids: Array, start: int) -> viz.BlameFlow:
    """Trace -log p of the tokens from number `start` on, given those before: the ids are (time,), and `start` > 0."""
    labels = ids[1:].copy()
    labels[: start - 1] = IGNORED
    with engine.keep_values():
        loss = engine.cross_entropy(run.model(ids[None, :-1]), labels[None], reduction="sum")
    return viz.trace(loss)

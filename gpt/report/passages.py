"""The flow of blame for passages of a text: the loss of their last tokens, given those before.

Read next: `gpt/report/attention.py`, the attention maps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gpt.blame import trace_tokens
from gpt.errors import TokenError
from gpt.report.examples import NOT_FINITE, blamed
from gpt.report.markup import Section, paragraph, unit_of
from gpt.report.pictures import flow_of_blame
from gpt.runs import Run
from viz import BlameFlow, digits
from viz.charts.marks import escaped

_ASKED = 8  # tokens whose loss is traced; less of a short passage
MISSING = "metrics.jsonl holds no passage of the text, so there is nothing to look at here: an older version wrote it."


@dataclass(frozen=True)
class Passage:
    """A passage, and the flow of blame for its end.

    Fields:
        kind: which of the run's passages it is.
        given, asked: the text before, and the text whose loss is traced.
        ids: of the tokens of both.
        tokens: the same as they are shown.
        start: the number of the first token that is asked for.
        flow: of the loss, the sum over the tokens that are asked for.
    """

    kind: str
    given: str
    asked: str
    ids: list[int]
    tokens: list[str]
    start: int
    flow: BlameFlow


def choose(run: Run, texts: Sequence[str]) -> list[Passage]:
    """The passages of a run, traced; those that it cannot read are left out."""
    found = []
    for number, text in enumerate(texts):
        try:
            ids = run.tokenizer.encode(text)[: run.model.config.block_size + 1]
        except TokenError:  # the file was changed
            continue
        if len(ids) < 2:
            continue
        start = max(len(ids) - _ASKED, len(ids) // 2)
        given, asked = run.tokenizer.decode(ids[:start]), run.tokenizer.decode(ids[start:])
        tokens = [run.tokenizer.show(id) for id in ids]
        kind = "From the beginning" if number == 0 else "From the middle"
        found.append(Passage(kind, given, asked, ids.tolist(), tokens, start, trace_tokens(run, ids, start)))
    return found


def flows(chosen: Sequence[Passage], unit: str) -> Section:
    """The shares of the stages and the picture of each passage."""
    title = "The flow of blame"
    if not chosen:
        return Section("flow", title, paragraph(MISSING, "missing"))
    body = [
        paragraph(
            f"For passages of the text that the model was not trained on: the loss of the last {unit}s, in bold, and "
            "where the chain rule carries the blame for it. The bars are shares of the sum of squares of the gradient "
            "in each stage's parameters and add up to 100%. In the picture blame enters at the loss on top and runs "
            "down: the wider an edge, the larger its contribution; blue adds to the gradient below, dashed crimson "
            "cancels a part of it. The straight line is the residual stream."
        )
    ]
    for number, passage in enumerate(chosen):
        count = len(passage.tokens) - passage.start
        loss = passage.flow.loss
        body.append(f"<h3>{passage.kind}</h3>\n{paragraph(continued(passage.given, passage.asked))}")
        if not math.isfinite(loss):
            body.append(NOT_FINITE)
            continue
        said = (
            f"The {count} {unit}s in bold have a loss of {digits.short(loss)} nats, {digits.short(loss / count)} each."
        )
        body += [paragraph(said), flow_of_blame(passage.flow, passage.asked, opened=number == 0)]
    return Section("flow", title, "\n".join(body))


def positions(run: Run, chosen: Sequence[Passage]) -> Section:
    """The norm of the gradient at each token of each passage."""
    unit = unit_of(run.tokenizer)
    title = f"The {unit}s the loss blames"
    if not chosen:
        return Section("positions", title, paragraph(MISSING, "missing"))
    body = [
        paragraph(
            f"The gradient of the same loss with respect to the embedded input has a vector for each {unit}. Its norm "
            f"says how much the loss would change if this {unit} were embedded a little differently. Bars and shades "
            f"show it, on a scale for each passage; the {unit}s that are predicted are underlined. The last of them is "
            "not read, and has no bar."
        )
    ]
    for passage in chosen:
        if math.isfinite(passage.flow.loss):
            text = passage.given + passage.asked
            body.append(blamed(passage.flow, passage.kind, text, passage.tokens[:-1], passage.start, unit))
        else:
            body.append(NOT_FINITE)
    return Section("positions", title, "\n".join(body))


def continued(given: str, more: str) -> str:
    """A text and what comes after it, in bold; line ends as ⏎."""
    return f"<code>{_lines(given)}<b>{_lines(more)}</b></code>"


def _lines(text: str) -> str:
    return "⏎\n".join(escaped(line) for line in text.split("\n"))

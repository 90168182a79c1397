"""The head of the report: model, training, outcome and settings.

Read next: `gpt/report/training.py`, the curves.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from gpt.data.calculator import TWINS
from gpt.report.markup import code, figure, paragraph, table
from gpt.report.metrics import Metrics
from gpt.runs import Run
from viz.charts import Bar, bars
from viz.charts.marks import escaped


def header(run: Run, metrics: Metrics) -> str:
    """Title, outcome and settings."""
    model, training = run.config["model"], run.config.get("training", {})
    size = sum(value.size for value in run.model.parameters())
    return "\n".join(
        [
            "<header>",
            f"<h1>{escaped(title(run))}</h1>",
            paragraph(
                f"A transformer of {size:,} parameters ({model['n_layer']} blocks of {model['n_head']} heads, "
                f"{model['n_embd']} channels) learned {_learned(run)}. {_length(metrics, training, rows_of(run))}"
            ),
            _outcome(metrics) if answers(run) else _loss(metrics),
            '<details><summary>All settings</summary><div class="pair">',
            table(("training", ""), _settings(training)),
            table(("model", ""), _settings(model)),
            "</div></details>",
            "</header>",
        ]
    )


def answers(run: Run) -> bool:
    """Whether the model answers problems of the calculator, and is measured by its answers."""
    return run.data.data == "calculator" and run.data.objective == "next"


def title(run: Run) -> str:
    """Of the page."""
    return "How a calculator was trained" if run.data.data == "calculator" else f"How {_name(run)} was learned"


def rows_of(run: Run) -> str:
    """What a batch has many of."""
    return "problems" if run.data.data == "calculator" else "texts"


def _name(run: Run) -> str:
    return Path(run.data.data).name or run.data.data


def _learned(run: Run) -> str:
    """What the model learned, in words."""
    each = {"char": "character by character", "word": "word by word"}.get(run.tokenizer.kind, "token by token")
    if run.data.objective == "masked":
        what = "problems in number words" if run.data.data == "calculator" else f"the text {code(_name(run))}"
        return f"to fill gaps in {what} from both sides, {each}"
    if run.data.data == "calculator":
        return f"arithmetic in number words, {each}: <code>two plus three equals five</code>"
    return f"to continue the text {code(_name(run))}, {each}"


def _loss(metrics: Metrics) -> str:
    """The final loss on the validation data."""
    if math.isnan(metrics.final):
        why = ": the training did not come to its end" if metrics.steps or metrics.stopped else ""
        return paragraph(f"There is no final loss{why}.", "missing")
    on = f" on {metrics.tokens:,} tokens that it was not trained on" if metrics.tokens else ""
    return f'<p class="outcome"><b>{metrics.final:.2f}</b> validation loss{on}, in nats per token</p>'


def _length(metrics: Metrics, training: dict[str, Any], rows: str) -> str:
    """How long it trained, and whether to the end."""
    steps = training.get("steps")
    of = f" of {steps:,}" if isinstance(steps, int) else ""
    if metrics.stopped == "interrupted":
        return f"The training was stopped by its user after {metrics.steps:,}{of} steps."
    if metrics.stopped:
        return f"The training broke off after {metrics.steps:,}{of} steps: {escaped(metrics.stopped)}."
    if not metrics.steps:
        return "It has no metrics, so its training is unknown."
    if metrics.held_out is None and math.isnan(metrics.final):
        return f"Its metrics end at step {metrics.steps:,}{of}, without a final measurement."
    size = training.get("batch_size")
    return f"It took {metrics.steps:,} steps of {size if isinstance(size, int) else 'some'} {rows}."


def _outcome(metrics: Metrics) -> str:
    """The final accuracy of a calculator, by operation."""
    if not metrics.held_out:
        why = ": the training did not come to its end" if metrics.steps or metrics.stopped else ""
        return paragraph(f"There is no final accuracy{why}.", "missing")
    names = {"all": "all", "plus": "sums", "minus": "differences", "times": "products", TWINS: "both twins held out"}
    rows = [Bar(names.get(name, name), share, f"{share:.1%}") for name, share in metrics.held_out.items()]
    right = metrics.held_out.get("all", math.nan)
    said = f"of {metrics.problems:,} problems it never saw are answered exactly"
    return f'<p class="outcome"><b>{right:.1%}</b> {said}</p>' + figure(
        bars(rows, about="exact answers on held-out problems by operation", full=1.0)
    )


def _settings(settings: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in settings.items()]

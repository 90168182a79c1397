"""The head of the report: model, training, final accuracy and settings.

Read next: `gpt/report/training.py`, the curves.
"""

from __future__ import annotations

import math
from typing import Any

from gpt.data.calculator import TWINS
from gpt.report.markup import figure, paragraph, table
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
            "<h1>How a calculator was trained</h1>",
            paragraph(
                f"A transformer of {size:,} parameters ({model['n_layer']} blocks of {model['n_head']} heads, "
                f"{model['n_embd']} channels) learned arithmetic in number words, character by character: "
                f"<code>two plus three equals five</code>. {_length(metrics, training)}"
            ),
            _outcome(metrics),
            '<details><summary>All settings</summary><div class="pair">',
            table(("training", ""), _settings(training)),
            table(("model", ""), _settings(model)),
            "</div></details>",
            "</header>",
        ]
    )


def _length(metrics: Metrics, training: dict[str, Any]) -> str:
    """How long it trained, and whether to the end."""
    steps = training.get("steps")
    of = f" of {steps:,}" if isinstance(steps, int) else ""
    if metrics.stopped == "interrupted":
        return f"The training was stopped by its user after {metrics.steps:,}{of} steps."
    if metrics.stopped:
        return f"The training broke off after {metrics.steps:,}{of} steps: {escaped(metrics.stopped)}."
    if not metrics.steps:
        return "It has no metrics, so its training is unknown."
    if metrics.held_out is None:
        return f"Its metrics end at step {metrics.steps:,}{of}, without a final measurement."
    size = training.get("batch_size")
    return f"It took {metrics.steps:,} steps of {size if isinstance(size, int) else 'some'} problems."


def _outcome(metrics: Metrics) -> str:
    """The final accuracy, by operation."""
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

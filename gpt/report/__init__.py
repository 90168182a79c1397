"""The report of a run: one HTML page that works offline, made from the run's folder and nothing else.

The idea: every section is a function from data to markup, and explains its charts in words. The page depends on the
contents of the folder only, not on a clock or a path, so the same run gives the same page.

The invariant: a section whose data is missing says so in a line; the other sections do not change.

Read next: `gpt/report/metrics.py`, the measurements of a training.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np

from gpt import runs
from gpt.files import write_whole
from gpt.report import (
    attention,
    embedding,
    examples,
    gradients,
    metrics,
    overview,
    parameters,
    passages,
    samples,
    training,
)
from gpt.report.markup import Section, unit_of
from gpt.report.metrics import Metrics
from gpt.runs import Run
from viz.charts import STYLE
from viz.page import page

NAME = "report.html"


def report(path: str | Path) -> str:
    """The page for a run folder. Raises CheckpointError if that is not one."""
    run = runs.load(path)
    measurements = metrics.read(run.path / "metrics.jsonl")
    with np.errstate(all="ignore"):  # a model whose numbers overflowed is shown as it is
        sections = _sections(run, measurements)
    style = files("gpt.report").joinpath("report.css").read_text(encoding="utf-8")
    body = "\n".join(
        [
            _contents(sections),
            "<main>",
            overview.header(run, measurements),
            *(section.markup() for section in sections),
            "</main>",
        ]
    )
    return page(overview.title(run), body, styles=[STYLE, style])


def _sections(run: Run, measurements: Metrics) -> list[Section]:
    return [
        training.curves(measurements, run.config.get("training", {}), overview.rows_of(run)),
        training.by_stage(measurements, gradients.history(run.model, measurements.measured)),
        *(_of_answers(run) if overview.answers(run) else _of_text(run, measurements)),
        parameters.section(run),
    ]


def _of_answers(run: Run) -> list[Section]:
    """What only a calculator's page has."""
    chosen = examples.choose(run)
    return [
        examples.flows(chosen),
        attention.section(run, chosen[0].problem.question),
        examples.positions(run, chosen),
        embedding.section(run, [example.problem.question for example in chosen]),
    ]


def _of_text(run: Run, measurements: Metrics) -> list[Section]:
    """What only the page of a text has; a model that fills gaps continues nothing, and is not asked to."""
    texts = [*measurements.passages, *(one.said for one in measurements.samples)]
    body = [samples.section(measurements, run.data.objective)]
    if run.data.objective == "next":
        chosen = passages.choose(run, measurements.passages)
        body += [
            passages.flows(chosen, unit_of(run.tokenizer)),
            *(attention.of_passage(run, one.ids[: one.start]) for one in chosen[:1]),
            passages.positions(run, chosen),
        ]
    return [*body, embedding.section(run, texts)]


def write(path: str | Path) -> Path:
    """Write the page into its run folder; returns its path."""
    out = Path(path) / NAME
    write_whole(out, report(path).encode())
    return out


def _contents(sections: list[Section]) -> str:
    links = "".join(f'<li><a href="#{section.anchor}">{section.title}</a></li>' for section in sections)
    return f'<nav aria-label="contents"><ol>{links}</ol></nav>'

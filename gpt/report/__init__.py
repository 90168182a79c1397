"""The report of a run: one HTML page that works offline, made from the run's folder and nothing else.

The idea: every section is a function from data to markup, and says in words what one sees. The page depends on the
folder alone, on no clock and no path, so the same run gives the same page.

The invariant: a section whose data is missing says so in a line; the others stand.

Read next: `gpt/report/training.py`, `gpt/report/gradients.py`.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from gpt import checkpoint
from gpt.checkpoint import write_whole
from gpt.report import metrics
from gpt.report.attention import attention
from gpt.report.embedding import embedding
from gpt.report.examples import examples, flows, positions
from gpt.report.gradients import history
from gpt.report.markup import Section
from gpt.report.overview import overview
from gpt.report.parameters import parameters
from gpt.report.training import curves, gradients
from viz.charts import STYLE
from viz.page import page

NAME = "report.html"


def report(path: str | Path) -> str:
    """The page for a run folder. Raises CheckpointError if that is not one."""
    run = checkpoint.load(path)
    told = metrics.read(run.path / "metrics.jsonl")
    training = run.config.get("training", {})
    chosen = examples(run)
    sections = [
        curves(told, training),
        gradients(told, history(run.model, told.measured)),
        flows(chosen),
        attention(run, chosen[0].problem.question),
        positions(chosen),
        embedding(run),
        parameters(run),
    ]
    style = files("gpt.report").joinpath("report.css").read_text(encoding="utf-8")
    body = "\n".join(
        [
            _contents(sections),
            "<main>",
            overview(run, told),
            *(section.markup() for section in sections),
            "</main>",
        ]
    )
    return page("How a calculator was trained", body, styles=[STYLE, style])


def write(path: str | Path) -> Path:
    """Write the page into its run folder; returns where."""
    out = Path(path) / NAME
    write_whole(out, report(path).encode())
    return out


def _contents(sections: list[Section]) -> str:
    links = "".join(f'<li><a href="#{section.anchor}">{section.title}</a></li>' for section in sections)
    return f'<nav aria-label="contents"><ol>{links}</ol></nav>'

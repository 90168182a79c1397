"""What the model said on its way.

Read next: `gpt/report/examples.py`, the blame for single problems.
"""

from __future__ import annotations

from gpt.report.markup import Section, paragraph
from gpt.report.metrics import Metrics
from gpt.report.passages import continued

_MOST = 12  # that are shown


def section(metrics: Metrics, objective: str) -> Section:
    """A list of what the model said, by step; of many, some at equal distances, with the first and the last."""
    title = "What it said on its way"
    samples = metrics.samples
    if not samples:
        return Section("samples", title, paragraph("metrics.jsonl holds no sample.", "missing"))
    count = min(len(samples), _MOST)
    shown = [samples[round(k * (len(samples) - 1) / max(count - 1, 1))] for k in range(count)]
    rest = f" {count} of {len(samples):,} samples are shown." if count < len(samples) else ""
    if objective == "next":
        given, bold = "given the beginning of a text that it was not trained on", "what it made of it"
        said = [continued(one.prompt, one.said) for one in shown]
    else:
        given, bold = "given a text that it was not trained on, some of it hidden", "the text as it filled it"
        said = [f"{continued(one.prompt, '')}\n<div>{continued('', one.said)}</div>" for one in shown]
    items = "\n".join(f"<li><p>step {one.step:,}</p>{text}</li>" for one, text in zip(shown, said, strict=True))
    about = f"At each measurement the model was {given}; in bold is {bold}. ⏎ is the end of a line.{rest}"
    return Section("samples", title, f'{paragraph(about)}\n<ol class="samples">\n{items}\n</ol>')

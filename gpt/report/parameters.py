"""The table of parameters: how many there are, and how large they are at the end.

Read next: `gpt/inspection/__init__.py`.
"""

from __future__ import annotations

import numpy as np

from gpt.report.markup import Section, paragraph, table
from gpt.runs import Run
from viz.charts import short
from viz.digits import percents


def section(run: Run) -> Section:
    """Path, shape, number of values, share of all, norm and root mean square of every parameter."""
    named = [(path, value.numpy().astype(np.float64)) for path, value in run.model.named_parameters()]
    total = sum(value.size for _, value in named)
    shares = percents([value.size / total for _, value in named])
    rows = [
        (
            path,
            " × ".join(map(str, value.shape)),
            f"{value.size:,}",
            share,
            short(float(np.linalg.norm(value))),
            short(float(np.sqrt(np.mean(value**2)))),
        )
        for (path, value), share in zip(named, shares, strict=True)
    ]
    return Section(
        "parameters",
        "The parameters",
        paragraph(
            "Every array the training changed, in the order of the model. The norm and the root mean square (rms) "
            "are those of its values at the end; the rms of an untouched norm weight is 1, that of an untouched bias "
            "0."
        )
        + table(("parameter", "shape", "values", "share", "norm", "rms"), rows, ("all", "", f"{total:,}", "", "", "")),
    )

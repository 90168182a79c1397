"""The characters as the model's embedding has them: points in a space of many channels, projected onto a plane.

Read next: `gpt/report/parameters.py`, the table of parameters.
"""

from __future__ import annotations

import numpy as np

from gpt.inspection.vectors import nearest, principal_plane
from gpt.report.markup import Section, figure, paragraph
from gpt.runs import Run
from viz.charts import plane, short


def section(run: Run) -> Section:
    """The character embeddings on their principal plane."""
    points = run.model.embedding.weight.numpy().astype(np.float64)
    title = "The characters on a plane"
    if not np.isfinite(points).all():
        return Section("embedding", title, paragraph("The embedding holds numbers that are not finite.", "missing"))
    places, explained = principal_plane(points)
    neighbours = nearest(points)
    names = [run.tokenizer.show(number) for number in range(len(run.tokenizer))]
    tips = [
        f"{name}: nearest in direction is {names[other]}, cosine {short(cosine)}"
        for name, (other, cosine) in zip(names, neighbours, strict=False)
    ]
    links = sorted({(min(a, b), max(a, b)) for a, (b, _) in enumerate(neighbours)})
    chart = plane(
        places.tolist(), names, tips=tips or names, links=links, about="the embeddings on their principal plane"
    )
    return Section(
        "embedding",
        title,
        paragraph(
            f"Each character is a vector of {points.shape[1]} channels. The chart is their projection onto the plane "
            f"with most of their variance, {explained:.0%} of it; the rest is lost. A line joins each character to the "
            "one nearest in direction in the full space: where these two are far apart, the plane is misleading."
        )
        + figure(chart),
    )

"""The characters as the model's embedding has them: points in a space of many channels, projected onto a plane.

Read next: `gpt/report/parameters.py`, the table of parameters.
"""

from __future__ import annotations

import numpy as np

from engine.arrays import Array
from gpt.report.markup import Section, figure, paragraph
from gpt.runs import Run
from viz.charts import plane, short


def principal_plane(points: Array) -> tuple[Array, float]:
    """The plane with most of the points' variance: coordinates (points, 2) in it, and its share of the variance.

    The singular value decomposition leaves the sign of each axis open; it is chosen so that the coordinate of largest
    size is positive.
    """
    centred = points - points.mean(axis=0)
    u, sizes, _ = np.linalg.svd(np.pad(centred, ((0, 1), (0, 1))), full_matrices=False)  # two axes, however few points
    found = u[:-1, :2] * sizes[:2]
    signs = np.sign(found[np.abs(found).argmax(axis=0), range(2)])
    total = float((sizes**2).sum())
    return found * np.where(signs == 0, 1, signs), float((sizes[:2] ** 2).sum()) / total if total else 1.0


def nearest(points: Array) -> list[tuple[int, float]]:
    """For each point the number of the one nearest in direction, and the cosine; empty if there is only one point."""
    if len(points) < 2:
        return []
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    directions = points / np.where(lengths > 0, lengths, 1.0)
    cosines = directions @ directions.T
    np.fill_diagonal(cosines, -np.inf)
    return [(int(row.argmax()), float(row.max())) for row in cosines]


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

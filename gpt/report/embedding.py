"""The characters as the model sees them: points in a space of many channels, projected onto a plane."""

from __future__ import annotations

import numpy as np

from engine.tensor import Array
from gpt.checkpoint import Run
from gpt.report.markup import Section, figure, paragraph, shown
from viz.charts import plane, short


def principal_plane(points: Array) -> tuple[Array, float]:
    """The plane that holds most of the points' variance: (points, 2) coordinates in it, and the share it holds.

    The singular value decomposition leaves the sign of each axis open; it is chosen such that the coordinate of largest
    size is positive.
    """
    centred = points - points.mean(axis=0)
    u, sizes, _ = np.linalg.svd(np.pad(centred, ((0, 1), (0, 1))), full_matrices=False)  # two axes, however few points
    found = u[:-1, :2] * sizes[:2]
    signs = np.sign(found[np.abs(found).argmax(axis=0), range(2)])
    total = float((sizes**2).sum())
    return found * np.where(signs == 0, 1, signs), float((sizes[:2] ** 2).sum()) / total if total else 1.0


def nearest(points: Array) -> list[tuple[int, float]]:
    """For each point the nearest other one, and how far it is; empty where there is no other."""
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    if len(points) < 2:
        return []
    return [(int(row.argmin()), float(row.min())) for row in distance]


def embedding(run: Run) -> Section:
    """The character embeddings on their principal plane."""
    points = run.model.embedding.weight.numpy().astype(np.float64)
    title = "The characters on a plane"
    if not np.isfinite(points).all():
        return Section("embedding", title, paragraph("The embedding holds numbers that are not finite.", "missing"))
    places, explained = principal_plane(points)
    neighbours = nearest(points)
    names = [shown(character) for character in run.tokenizer.characters]
    tips = [
        f"{name}: nearest is {names[other]}, {short(distance)} away"
        for name, (other, distance) in zip(names, neighbours, strict=False)
    ]
    links = sorted({(min(a, b), max(a, b)) for a, (b, _) in enumerate(neighbours)})
    chart = plane(
        places.tolist(), names, tips=tips or names, links=links, about="the embeddings on their principal plane"
    )
    return Section(
        "embedding",
        title,
        paragraph(
            f"Each character is a vector of {points.shape[1]} channels. This is their shadow on the plane that holds most "
            f"of their variance, {explained:.0%} of it. The plane hides the rest, so a line joins each character to its "
            "nearest neighbour in the full space: a long line is a distance the plane makes look larger than others."
        )
        + figure(chart),
    )

"""Vectors beside each other: which are alike, and the plane that shows most of them.

Two vectors are alike if their directions are: the cosine of the angle between them is 1 for the same direction, 0 for
none in common, -1 for opposite ones. A vector of zeros has no direction, and cosine 0 with all others.

Read next: `gpt/inspection/neighbours.py`.
"""

from __future__ import annotations

import numpy as np

from engine.arrays import Array


def directions(points: Array) -> Array:
    """Each of the points (points, channels) scaled to length 1."""
    lengths = np.linalg.norm(points, axis=-1, keepdims=True)
    return np.asarray(points / np.where(lengths > 0, lengths, 1.0))


def cosines(points: Array) -> Array:
    """The cosine of each point with each: (points, points)."""
    units = directions(points)
    return np.asarray(units @ units.T)


def nearest(points: Array) -> list[tuple[int, float]]:
    """For each point the number of the one nearest in direction, and the cosine; empty if there is only one point."""
    if len(points) < 2:
        return []
    found = cosines(points)
    np.fill_diagonal(found, -np.inf)
    return [(int(row.argmax()), float(row.max())) for row in found]


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

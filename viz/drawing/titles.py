"""Titles of frames are at the left, or at the right where edges would run through them.

Graphviz keeps edges away from boxes but not from the titles of frames. So a picture with frames is laid out twice:
first to see which titles edges run through, then with these titles at the right if fewer points of edges lie there.

Read next: `viz/drawing/layout.py`, the program that draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, low, right, high

_STEPS = 12  # checked points along each piece of a curve


def moved(layout: dict[str, Any]) -> set[str]:
    """The names of the frames whose title moves to the right, given a layout that Graphviz wrote with -Tjson0."""
    points = [point for edge in layout.get("edges", ()) if "pos" in edge for point in along(edge["pos"])]
    found = set()
    for frame in layout.get("objects", ()):
        if "lp" not in frame or "bb" not in frame:
            continue
        left, _, right, _ = map(float, frame["bb"].split(","))
        title = _title(frame)
        other = (left + right - title[2], title[1], left + right - title[0], title[3])
        if _within(points, other) < _within(points, title):
            found.add(frame["name"])
    return found


def _title(frame: dict[str, Any]) -> Box:
    """The rectangle of a title at the left: the left half of the frame's label, whose right half is empty."""
    x, y = map(float, frame["lp"].split(","))
    width, height = 72 * float(frame["lwidth"]), 72 * float(frame["lheight"])  # given in inches
    return x - width / 2, y - height / 2, x, y + height / 2


def _within(points: list[Point], box: Box) -> int:
    return sum(box[0] <= x <= box[2] and box[1] <= y <= box[3] for x, y in points)


def along(position: str) -> Iterator[Point]:
    """Points along an edge: its curve is made of Bezier pieces, of four points each, that share their ends."""
    for spline in position.split(";"):
        texts = [text for text in spline.split() if text[0] not in "se"]  # arrow heads and tails
        given = [(float(x), float(y)) for x, y in (text.split(",") for text in texts)]
        for k in range(0, len(given) - 3, 3):
            for step in range(_STEPS + 1):
                yield _bezier(given[k : k + 4], step / _STEPS)


def _bezier(points: list[Point], at: float) -> Point:
    weights = ((1 - at) ** 3, 3 * at * (1 - at) ** 2, 3 * at**2 * (1 - at), at**3)
    x, y = (sum(weight * point[k] for weight, point in zip(weights, points, strict=True)) for k in (0, 1))
    return x, y

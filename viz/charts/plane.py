"""Points on a plane with a letter or a word each, both axes on one scale, and lines between some of them.

Letters that would cover each other are moved apart; a dot then marks the point itself.

Read next: `viz/charts/style.py`, the style of all charts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from viz.charts.axes import drawable
from viz.charts.marks import picture, tag, tip, words

_SIZE, _MARGIN, _RADIUS = 620, 26, 11
_ROUNDS = 60  # of moving letters apart; a few are enough unless very many points are in one place

Place = tuple[float, float]


def plane(
    points: Sequence[Place],
    labels: Sequence[str],
    *,
    tips: Sequence[str],
    links: Sequence[tuple[int, int]] = (),
    about: str,
) -> str:
    """A chart of points; `links` are pairs of numbers of points. Points that are not finite are counted, not drawn."""
    shown = [number for number, (x, y) in enumerate(points) if drawable(x) and drawable(y)]
    true = dict(zip(shown, _placed([points[number] for number in shown]), strict=True))
    seen = dict(zip(shown, _apart([*true.values()]), strict=True))
    marks = [_link(seen[a], seen[b], "link") for a, b in links if a in seen and b in seen]
    marks += [_link(true[n], seen[n], "lead") + _dot(true[n]) for n in shown if math.dist(true[n], seen[n]) > 1]
    for number, (x, y) in seen.items():
        marks.append(tag("g", tip(tips[number]), _labelled(labels[number], x, y)))
    height = max((y for _, y in seen.values()), default=0.0) + _MARGIN
    if len(shown) < len(points):
        height += 20
        said = f"{len(points) - len(shown)} of {len(points)} points are not drawn: not finite"
        marks.append(words(said, 0, height - 6, "name"))
    return picture(_SIZE, height, about, *marks)


def _labelled(label: str, x: float, y: float) -> str:
    """A letter in a circle; a word, which would not fit into it, beside a point."""
    if len(label) <= 2:
        circle = tag("circle", class_="point", cx=x, cy=y, r=_RADIUS)
        return circle + words(label, x, y + 4.5, "letter", "middle")
    left = x > _SIZE / 2
    point = tag("circle", class_="point", cx=x, cy=y, r=3)
    return point + words(label, x - 6 if left else x + 6, y + 4, "tick", "end" if left else "start")


def _link(start: Place, end: Place, kind: str) -> str:
    return tag("line", class_=kind, x1=start[0], y1=start[1], x2=end[0], y2=end[1])


def _dot(at: Place) -> str:
    return tag("circle", class_="dot", cx=at[0], cy=at[1], r=2)


def _placed(points: Sequence[Place]) -> list[Place]:
    """The points in pixels: the wider side fills the chart, and the proportions stay."""
    if not points:
        return []
    low = [min(point[k] for point in points) for k in (0, 1)]
    high = [max(point[k] for point in points) for k in (0, 1)]
    longest = max(high[0] - low[0], high[1] - low[1])
    unit = (_SIZE - 2 * _MARGIN) / longest if longest > 0 else 0.0
    left = (_SIZE - (high[0] - low[0]) * unit) / 2
    return [(left + (x - low[0]) * unit, _MARGIN + (high[1] - y) * unit) for x, y in points]


def _apart(places: list[Place]) -> list[Place]:
    """The places, moved no further than needed for the circles around them not to touch."""
    wanted = 2 * _RADIUS + 1
    for _ in range(_ROUNDS):
        for a in range(len(places)):
            for b in range(a):
                (ax, ay), (bx, by) = places[a], places[b]
                distance = math.dist(places[a], places[b])
                if distance < wanted:
                    away = math.atan2(ay - by, ax - bx) if distance else 1.0 * a  # any direction, but always the same
                    push = (wanted - distance) / 2
                    dx, dy = push * math.cos(away), push * math.sin(away)
                    places[a], places[b] = _inside(ax + dx, ay + dy), _inside(bx - dx, by - dy)
    return places


def _inside(x: float, y: float) -> Place:
    """The nearest place where the left, right and upper edges do not cut the circle; the chart grows downwards."""
    return min(max(x, _RADIUS + 1), _SIZE - _RADIUS - 1), max(y, _RADIUS + 1)

"""Points on a plane with a letter each, both axes on one scale, and lines between some of them."""

from __future__ import annotations

from collections.abc import Sequence

from viz.charts.axes import drawable
from viz.charts.marks import picture, tag, tip, words

_SIZE, _MARGIN, _RADIUS = 620, 24, 11


def plane(
    points: Sequence[tuple[float, float]],
    labels: Sequence[str],
    *,
    tips: Sequence[str],
    links: Sequence[tuple[int, int]] = (),
    about: str,
) -> str:
    """A chart of points; `links` are pairs of numbers of points. A point that is not finite is left out, and said."""
    shown = {number for number, (x, y) in enumerate(points) if drawable(x) and drawable(y)}
    across = [points[number][0] for number in shown] or [0.0]
    up = [points[number][1] for number in shown] or [0.0]
    longest = max(max(across) - min(across), max(up) - min(up)) or 1.0
    unit = (_SIZE - 2 * _MARGIN) / longest
    left = _MARGIN + (longest - (max(across) - min(across))) * unit / 2  # in the middle of the width
    place = {n: (left + (points[n][0] - min(across)) * unit, _MARGIN + (max(up) - points[n][1]) * unit) for n in shown}
    marks = [
        tag("line", class_="link", x1=place[a][0], y1=place[a][1], x2=place[b][0], y2=place[b][1])
        for a, b in links
        if a in shown and b in shown
    ]
    for number, (x, y) in sorted(place.items()):
        circle = tag("circle", class_="point", cx=x, cy=y, r=_RADIUS)
        marks.append(tag("g", tip(tips[number]), circle, words(labels[number], x, y + 4.5, "letter", "middle")))
    height = 2 * _MARGIN + (max(up) - min(up)) * unit
    if len(shown) < len(points):
        height += 20
        said = f"{len(points) - len(shown)} of {len(points)} points are not drawn: not finite"
        marks.append(words(said, 0, height - 6, "name"))
    return picture(_SIZE, height, about, *marks)

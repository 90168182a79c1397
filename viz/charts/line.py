"""Curves: one or several, over one axis, on a linear or a logarithmic scale.

A curve breaks where a value cannot be drawn, and a point without neighbours is a dot; the chart says how many values
were left out. The tooltip at an x has the values of all curves there.

Read next: `viz/charts/plane.py`, points on a plane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from viz.charts.axes import Axis, drawable, frame
from viz.charts.marks import picture, short, tag, tip, words

_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 800, 60, 24, 34, 40

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """One curve.

    Fields:
        name: of the quantity.
        points: pairs of x and y, in the order of x.
        look: "strong", "faint", "second" (dashed) or "dots".
    """

    name: str
    points: Sequence[Point]
    look: str = "strong"


def line(
    series: Sequence[Series],
    *,
    y: str,
    x: str = "step",
    log: bool = False,
    height: float = 240,
    levels: Sequence[tuple[float, str]] = (),
    reach: Sequence[float] = (),
    hold: Sequence[float] = (),
) -> str:
    """A chart of curves.

    Args:
        y, x: names of the axes.
        log: whether y is logarithmic.
        levels: values of y marked with a line, and the text of each.
        reach: values of x that the axis must include, so that charts below each other line up.
        hold: values of y that the axis must include.
    """
    bottom = height - _BOTTOM
    points = [point for one in series for point in one.points]
    shown = [point for point in points if drawable(point[0]) and drawable(point[1], log)]
    across = Axis.of([*(px for px, _ in shown), *reach], _LEFT, _WIDTH - _RIGHT, whole=True)
    up = Axis.of([*(py for _, py in shown), *hold, *(at for at, _ in levels)], bottom - 6, _TOP + 6, log=log)
    marks = [words(y, 0, 14, "name"), _key(series)]
    if not shown:
        marks.append(words("nothing to draw: no finite value was measured", _WIDTH / 2, height / 2, "name", "middle"))
    else:
        marks += [frame(across, up, bottom, x), _levels(levels, across, up)]
        marks += [_curve(one, across, up) for one in series]
        marks.append(_bands(series, across, bottom))
    if missing := len(points) - len(shown):
        note = f"{missing:,} of {len(points):,} values are not drawn: {'not above 0, or ' if log else ''}not finite"
        marks.append(words(note, _LEFT, height - 4, "name"))
    return picture(_WIDTH, height, f"{y} over {x}", *marks)


def _key(series: Sequence[Series]) -> str:
    """The names and looks of the curves, in the upper right; nothing for a single curve."""
    marks, at = [], float(_WIDTH - _RIGHT)
    for one in reversed(series if len(series) > 1 else ()):
        marks.append(words(one.name, at, 14, "tick", "end"))
        at -= 8 * len(one.name) + 8
        if one.look == "dots":
            marks.append(tag("circle", class_="dot", cx=at - 10, cy=10, r=3))
        else:
            marks.append(tag("line", class_=f"curve {one.look}", x1=at - 22, x2=at, y1=10, y2=10))
        at -= 40
    return "".join(marks)


def _levels(levels: Sequence[tuple[float, str]], across: Axis, up: Axis) -> str:
    marks = []
    for value, word in levels:
        at = up.place(value)
        marks.append(tag("line", class_="level", x1=across.start, x2=across.end, y1=at, y2=at))
        marks.append(words(word, across.end, at - 5, "tick", "end"))
    return "".join(marks)


def _curve(one: Series, across: Axis, up: Axis) -> str:
    """A polyline for each run of drawable points."""
    runs: list[list[Point]] = [[]]
    for px, py in one.points:
        if drawable(px) and drawable(py, up.log):
            runs[-1].append((across.place(px), up.place(py)))
        elif runs[-1]:
            runs.append([])
    marks = []
    for run in runs:
        if len(run) > 1:
            path = " ".join(f"{px:.1f},{py:.1f}" for px, py in run)
            marks.append(tag("polyline", class_=f"curve {one.look}", points=path))
        if len(run) == 1 or one.look == "dots":
            marks += [tag("circle", class_="dot", cx=px, cy=py, r=3) for px, py in run]
    return "".join(marks)


def _bands(series: Sequence[Series], across: Axis, bottom: float) -> str:
    """Invisible vertical stripes, one around each x, for the tooltips."""
    values: dict[float, list[str]] = {}
    for one in series:
        for px, py in one.points:
            if drawable(px):
                values.setdefault(px, []).append(f"{one.name} {short(py)}")
    places = sorted(values)
    middles = [across.place((a + b) / 2) for a, b in pairwise(places)]
    edges = [across.start, *middles, across.end]
    return "".join(
        tag(
            "rect",
            tip(f"{short(px)}: {', '.join(values[px])}"),
            class_="band",
            x=left,
            y=_TOP,
            width=max(right - left, 0),
            height=bottom - _TOP,
        )
        for px, (left, right) in zip(places, pairwise(edges), strict=True)
    )

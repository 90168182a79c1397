"""A heat map: a table of sizes as coloured cells, with a name before each row.

A nan is drawn as missing; infinity has the colour of the largest size. The caller gives the tooltip of each cell.

Read next: `viz/charts/axes.py`, axes with round numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from viz.charts.marks import picture, tag, tip, words
from viz.charts.scale import Scale, level


@dataclass(frozen=True)
class Ticks:
    """The text under the columns.

    Fields:
        marks: pairs of a position, counted in columns from the left edge, and a text.
        name: of the axis; may be empty.
    """

    marks: Sequence[tuple[float, str]]
    name: str = ""


def heatmap(
    values: Sequence[Sequence[float]],
    *,
    rows: Sequence[str],
    ticks: Ticks,
    scale: Scale,
    describe: Callable[[int, int], str],
    about: str,
    cell: tuple[float, float],
    left: float,
    blank: float = -1.0,
    outlined: int | None = None,
    heading: str = "",
) -> str:
    """A heat map.

    Args:
        values: by row and column.
        rows: the name of each row.
        ticks: of the columns.
        scale: of the colours.
        describe: gives the tooltip of the cell in a row and a column.
        about: what the map shows, for screen readers.
        cell: width and height of a cell.
        left: pixels for the names of rows.
        blank: cells whose size is at most this stay empty.
        outlined: the row that gets a frame.
        heading: above the map.
    """
    wide, high = cell
    columns = max((len(row) for row in values), default=0)
    top = 20.0 if heading else 2.0
    right, bottom = left + columns * wide, top + len(values) * high
    marks = [words(heading, left, 13, "heading")] if heading else []
    for number, (name, row) in enumerate(zip(rows, values, strict=True)):
        y = top + number * high
        marks.append(words(name, left - 6, y + high / 2 + 4, "tick", "end"))
        marks.append(tag("rect", class_="ground", x=left, y=y, width=len(row) * wide, height=high))
        for column, size in enumerate(row):
            if not size <= blank:
                described = tip(describe(number, column))
                shape = {"x": left + column * wide, "y": y, "width": wide, "height": high}
                marks.append(tag("rect", described, class_=level(scale, size), **shape))
    if outlined is not None:
        y = top + outlined * high
        marks.append(tag("rect", class_="outline", x=left, y=y, width=right - left, height=high))
    for at, word in ticks.marks:
        marks.append(words(word, left + at * wide, bottom + 15, "tick", "middle"))
    if ticks.name:
        marks.append(words(ticks.name, right, bottom + 31, "name", "end"))
    if not columns:
        marks.append(words("nothing measured", left + 6, top + 12, "name"))
    return picture(max(right, 200) + 20, bottom + (38 if ticks.name else 20), about, *marks)

"""Bars, one in each row: a name, a bar as long as its size, and the size as text.

Read next: `viz/charts/strip.py`, bars over the characters of a text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from viz.charts.marks import picture, short, tag, tip, words

_ROW, _LETTER = 22, 7.3


@dataclass(frozen=True)
class Bar:
    """One bar.

    Fields:
        name: of the row.
        size: the length; there is no bar if it is negative or nan, and an infinite one is as long as the longest.
        said: the size as text; by default three digits.
        tip: the tooltip; by default the name and the text.
    """

    name: str
    size: float
    said: str = ""
    tip: str = ""


def bars(rows: Sequence[Bar], *, about: str, width: float = 800, full: float | None = None) -> str:
    """A chart of bars. `full` is the size of a bar of full length, by default the largest size."""
    said = [row.said or short(row.size) for row in rows]
    left = _LETTER * max((len(row.name) for row in rows), default=0) + 10
    right = width - _LETTER * max((len(word) for word in said), default=0) - 10
    longest = full or max((row.size for row in rows if row.size > 0 and math.isfinite(row.size)), default=1.0)
    marks = []
    for number, (row, word) in enumerate(zip(rows, said, strict=True)):
        y = number * _ROW
        length = (right - left) * min(row.size / longest, 1.0) if row.size > 0 else 0.0
        shape = tag(
            "rect", class_="bar", x=left, y=y + 4, width=max(length, 1.0) if row.size > 0 else 0, height=_ROW - 8
        )
        marks.append(
            tag(
                "g",
                tip(row.tip or f"{row.name}: {word}"),
                words(row.name, left - 8, y + 15, "tick", "end"),
                shape,
                words(word, left + length + 6, y + 15, "tick"),
            )
        )
    if not rows:
        marks.append(words("nothing to draw", 0, 15, "name"))
    return picture(width, max(len(rows), 1) * _ROW, about, *marks)

"""A text with a size for each character, shown as the character's shade and as a bar above it.

Read next: `viz/charts/heatmap.py`, a table of sizes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from viz.charts.marks import picture, short, tag, tip, words
from viz.charts.scale import LinearScale, level

_WIDE, _HIGH, _CELL = 18, 64, 24


def strip(characters: Sequence[str], sizes: Sequence[float], *, name: str, about: str, marked: int = 0) -> str:
    """A chart of characters.

    Args:
        characters: as they are shown.
        sizes: one for each character; nan has no bar.
        name: of the quantity.
        about: what the chart shows, for screen readers.
        marked: how many characters are before the underlined rest; 0 to underline nothing.
    """
    scale = LinearScale.of(sizes)
    marks = []
    for number, (character, size) in enumerate(zip(characters, sizes, strict=True)):
        x = number * _WIDE + 1
        length = 0.0 if math.isnan(size) else scale.place(size) * _HIGH
        color = level(scale, size)
        marks.append(
            tag(
                "g",
                tip(f"{character}, character {number + 1}: {name} {short(size)}"),
                tag("rect", class_="bar", x=x + 2, y=_HIGH - length + 4, width=_WIDE - 4, height=length),
                tag("rect", class_=color, x=x, y=_HIGH + 8, width=_WIDE, height=_CELL),
                words(character, x + _WIDE / 2, _HIGH + 25, f"letter on-{color}", "middle"),
            )
        )
    if 0 < marked < len(characters):
        y = _HIGH + _CELL + 13
        marks.append(tag("line", class_="under", x1=marked * _WIDE + 3, x2=len(characters) * _WIDE - 1, y1=y, y2=y))
    if not characters:
        marks.append(words("nothing to draw", 0, 15, "name"))
    return picture(max(len(characters) * _WIDE, 120) + 2, _HIGH + _CELL + 16, about, *marks)

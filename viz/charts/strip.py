"""A text with a size for each of its tokens, shown as the token's shade and as a bar above it.

Read next: `viz/charts/heatmap.py`, a table of sizes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

from viz.charts.marks import picture, short, tag, tip, words
from viz.charts.scale import LinearScale, level

_WIDE, _HIGH, _CELL = 18, 64, 24
_LETTER, _PAD = 8, 8  # pixels of a letter, and around a token of several


def strip(
    tokens: Sequence[str],
    sizes: Sequence[float],
    *,
    name: str,
    about: str,
    marked: int = 0,
    unit: str = "character",
) -> str:
    """A chart of tokens.

    Args:
        tokens: as they are shown.
        sizes: one for each character; nan has no bar.
        name: of the quantity.
        about: what the chart shows, for screen readers.
        marked: how many tokens are before the underlined rest; 0 to underline nothing.
        unit: what a token is, in the tooltips.
    """
    widths = [_WIDE if len(token) < 2 else _LETTER * len(token) + _PAD for token in tokens]
    places = [*accumulate(widths, initial=1)]
    scale = LinearScale.of(sizes)
    marks = []
    for number, (token, size) in enumerate(zip(tokens, sizes, strict=True)):
        x, wide = places[number], widths[number]
        length = 0.0 if math.isnan(size) else scale.place(size) * _HIGH
        color = level(scale, size)
        marks.append(
            tag(
                "g",
                tip(f"{token}, {unit} {number + 1}: {name} {short(size)}"),
                tag("rect", class_="bar", x=x + 2, y=_HIGH - length + 4, width=wide - 4, height=length),
                tag("rect", class_=color, x=x, y=_HIGH + 8, width=wide, height=_CELL),
                words(token, x + wide / 2, _HIGH + 25, f"letter on-{color}", "middle"),
            )
        )
    if 0 < marked < len(tokens):
        y = _HIGH + _CELL + 13
        marks.append(tag("line", class_="under", x1=places[marked] + 2, x2=places[-1] - 2, y1=y, y2=y))
    if not tokens:
        marks.append(words("nothing to draw", 0, 15, "name"))
    return picture(max(places[-1] - 1, 120) + 2, _HIGH + _CELL + 16, about, *marks)

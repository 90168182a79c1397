"""Colours that mean something: a scale for the size of gradients, and one colour each for adding and for cancelling.

The scale runs from cream over orange to dark brown. Its lightness falls evenly (CIELAB L from 96 to 26), so equal
ratios of size look like equal steps, in colour, in grey and to colour-blind eyes. Sizes without a place on a log scale
are white: zero, nan and infinity; the outline and the text of a box say which.

Text on a colour is black or white, whichever has more contrast, which is always at least 4.5 to 1.

Read next: `viz/drawing/legend.py`, where a picture explains its colours.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

# Equally spaced in L; neighbours differ by 10 to 16 in CIELAB. Colours between two of them are mixed in RGB.
_ANCHORS = (
    (253, 243, 220),
    (240, 216, 172),
    (228, 188, 126),
    (216, 160, 84),
    (203, 131, 51),
    (188, 102, 28),
    (164, 79, 19),
    (134, 60, 16),
    (104, 44, 13),
)

ADDS = "#3b6ea8"  # blue: an edge that adds to the gradient it flows into
CANCELS = "#a8325e"  # crimson, and drawn dashed: an edge that cancels a part of it
INK = "#22262b"
PAPER = "#ffffff"
PALE = "#e4e7ea"  # boxes without a colour on the scale: the loss, and "other"
FAINT = "#747a83"  # frames, and edges that carry nothing


@dataclass(frozen=True)
class LogScale:
    """Maps positive sizes between `low` and `high` to colours, by their logarithm."""

    low: float
    high: float

    @classmethod
    def of(cls, sizes: Iterable[float]) -> LogScale:
        """The narrowest scale between powers of ten that contains all sizes; zero, nan and infinity are ignored."""
        positive = [size for size in sizes if size > 0 and math.isfinite(size)]
        if not positive:
            return cls(0.1, 1.0)
        first = min(max(math.floor(math.log10(min(positive))), -307), 307)  # of powers of ten in the range of floats
        last = min(max(math.ceil(math.log10(max(positive))), first + 1), 308)
        return cls(10.0**first, 10.0**last)

    def place(self, size: float) -> float:
        """Position of a size on the scale, from 0 (`low`) to 1 (`high`)."""
        if not size > 0:
            return 0.0
        span = math.log(self.high) - math.log(self.low)
        return min(max((math.log(size) - math.log(self.low)) / span, 0.0), 1.0)

    def color(self, size: float) -> str:
        """The colour of a size as #rrggbb; white for zero, nan and infinity."""
        if not size > 0 or math.isinf(size):
            return PAPER
        at = self.place(size) * (len(_ANCHORS) - 1)
        k = min(int(at), len(_ANCHORS) - 2)
        mixed = (round(a + (b - a) * (at - k)) for a, b in zip(_ANCHORS[k], _ANCHORS[k + 1], strict=True))
        return "#" + "".join(f"{value:02x}" for value in mixed)

    def ink(self, size: float) -> str:
        """The colour of text on it: black or white, whichever has more contrast."""
        return "#000000" if luminance(self.color(size)) > 0.179 else "#ffffff"

    def ticks(self) -> list[float]:
        """Powers of ten from end to end, at most six."""
        first, last = round(math.log10(self.low)), round(math.log10(self.high))
        step = max(1, math.ceil((last - first) / 5))
        return [10.0**k for k in range(first, last + 1, step)]


def luminance(color: str) -> float:
    """Relative luminance of #rrggbb, 0 to 1, as WCAG 2 defines it."""
    parts = (int(color[k : k + 2], 16) / 255 for k in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

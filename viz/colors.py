"""Colours that mean something: a scale for the size of gradients, and one colour each for adding and for cancelling.

The scale runs from pale yellow over orange to dark brown. Its lightness falls evenly (CIELAB L from 97 to 27),
so it reads the same in grey and to colour-blind eyes; the anchors are spaced accordingly and interpolated in
RGB.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_ANCHORS = (
    (255, 247, 225),
    (254, 221, 151),
    (252, 184, 89),
    (237, 139, 44),
    (203, 97, 21),
    (152, 63, 15),
    (102, 37, 6),
)

ADDS = "#3b6ea8"  # blue: this edge adds to the gradient it flows into
CANCELS = "#a8325e"  # crimson, and drawn dashed: this edge takes away from it
INK = "#22262b"
PAPER = "#ffffff"
FAINT = "#8a9099"


@dataclass(frozen=True)
class LogScale:
    """Maps positive sizes between `low` and `high` to colours, by their logarithm."""

    low: float
    high: float

    @classmethod
    def of(cls, sizes: Iterable[float]) -> LogScale:
        """The scale that just holds these sizes, rounded outwards to powers of ten; zeros do not count."""
        positive = [size for size in sizes if size > 0 and math.isfinite(size)]
        if not positive:
            return cls(0.1, 1.0)
        low, high = 10.0 ** math.floor(math.log10(min(positive))), 10.0 ** math.ceil(math.log10(max(positive)))
        return cls(low, high if high > low else 10 * low)

    def place(self, size: float) -> float:
        """Where a size stands between the ends, 0 to 1."""
        if not size > 0:
            return 0.0
        return min(max(math.log(size / self.low) / math.log(self.high / self.low), 0.0), 1.0)

    def color(self, size: float) -> str:
        """Its colour as #rrggbb."""
        at = self.place(size) * (len(_ANCHORS) - 1)
        k = min(int(at), len(_ANCHORS) - 2)
        mixed = (round(a + (b - a) * (at - k)) for a, b in zip(_ANCHORS[k], _ANCHORS[k + 1], strict=True))
        return "#" + "".join(f"{value:02x}" for value in mixed)

    def ink(self, size: float) -> str:
        """A text colour that can be read on it."""
        return INK if self.place(size) < 0.62 else PAPER

    def ticks(self) -> list[float]:
        """Powers of ten from end to end, at most six."""
        first, last = round(math.log10(self.low)), round(math.log10(self.high))
        step = max(1, math.ceil((last - first) / 5))
        return [10.0**k for k in range(first, last + 1, step)]

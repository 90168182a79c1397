"""Sizes as colours in charts: classes for steps of a scale, so that one chart works on light and on dark paper.

On light paper a large size is dark, on dark paper it is light: the style reverses the scale, the chart is the same. The
colours come from `viz/colors.py`, which explains them.

Read next: `viz/charts/bars.py`, the simplest chart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from viz.charts.marks import picture, short, tag, words

LEVELS = 24  # steps of a scale; the eye cannot distinguish more

_SWATCH, _SIDE = 11, 20


class Scale(Protocol):
    """The methods that a chart calls; `viz.colors.LogScale` has them too."""

    def place(self, size: float) -> float: ...

    def ticks(self) -> list[float]: ...


@dataclass(frozen=True)
class LinearScale:
    """Maps sizes from 0 to `high` to colours in proportion."""

    high: float

    @classmethod
    def of(cls, sizes: Iterable[float]) -> LinearScale:
        """The scale from 0 to the largest of these sizes."""
        return cls(max((size for size in sizes if size > 0 and math.isfinite(size)), default=1.0))

    def place(self, size: float) -> float:
        """The position of a size between the ends, 0 to 1."""
        return min(max(size / self.high, 0.0), 1.0)

    def ticks(self) -> list[float]:
        """Both ends and the middle."""
        return [0.0, self.high / 2, self.high]


def level(scale: Scale, size: float) -> str:
    """The class that gives a size its colour; "missing" for nan."""
    return "missing" if math.isnan(size) else f"l{round(scale.place(size) * (LEVELS - 1))}"


def legend(scale: Scale, name: str, percent: bool = False) -> str:
    """The scale with its round numbers, and the name of the quantity."""
    width, marks = LEVELS * _SWATCH, [words(name, _SIDE, 12, "name")]
    for k in range(LEVELS):
        marks.append(tag("rect", class_=f"l{k}", x=_SIDE + k * _SWATCH, y=20, width=_SWATCH + 0.5, height=12))
    for tick in scale.ticks():
        at = _SIDE + scale.place(tick) * width
        marks.append(words(f"{tick:.0%}" if percent else short(tick), at, 46, "tick", "middle"))
    return picture(2 * _SIDE + max(width, 7 * len(name)), 50, f"scale: {name}", *marks, class_="chart legend")

"""Axes: from data to pixels, with round numbers, grid lines and names.

An axis can be made for any values: if there are none, one, or only values too close or too large to subtract, it gets
a wider range that can be drawn.

Read next: `viz/charts/line.py`, curves over one axis.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from viz.charts.marks import short, tag, words

_HUGE = 1e300  # differences of larger numbers overflow


def drawable(value: float, log: bool = False) -> bool:
    """Whether a value can be placed on an axis."""
    return abs(value) < _HUGE and (value > 1 / _HUGE or not log)


@dataclass(frozen=True)
class Axis:
    """Maps values from `low` to `high` to pixels from `start` to `end`.

    Fields:
        log: whether the axis is logarithmic.
        whole: whether only whole numbers get a tick.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    whole: bool = False

    @classmethod
    def of(cls, values: Iterable[float], start: float, end: float, *, log: bool = False, whole: bool = False) -> Axis:
        """The axis from the smallest to the largest of these values; those that are not drawable are ignored."""
        held = [value for value in values if drawable(value, log)] or [1.0]
        low, high = min(held), max(held)
        if log and high / 2 < low:
            low, high = low / 2, high * 2
        elif not log and high - low <= 1e-9 * max(abs(low), abs(high), 1e-9):
            low, high = low - (abs(low) / 2 or 1), high + (abs(high) / 2 or 1)
        return cls(low, high, start, end, log, whole)

    def place(self, value: float) -> float:
        """The pixel of a value."""
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return self.start + (self.end - self.start) * (value - low) / (high - low)

    def ticks(self, room: float = 20) -> list[float]:
        """Round numbers from end to end, about `room` pixels apart."""
        most = max(int(abs(self.end - self.start) / room), 2)
        if not self.log:
            step = _round_step((self.high - self.low) / most)
            step = max(step, 1.0) if self.whole else step
            first, last = math.ceil(self.low / step), math.floor(self.high / step)
            return [k * step for k in range(first, last + 1)]
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for digits in ((1, 2, 5), (1, 3), (1,)):
            inside = [d * 10.0**k for k in powers for d in digits if self.low <= d * 10.0**k <= self.high]
            if len(inside) <= most:
                return inside
        return inside[:: math.ceil(len(inside) / most)]


def _round_step(least: float) -> float:
    """The smallest of ..., 1, 2, 5, 10, ... that is at least this."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(digit * power for digit in (1, 2, 5, 10, 20) if digit * power >= least)


def frame(x: Axis, y: Axis, bottom: float, x_name: str) -> str:
    """Grid lines at the ticks of y, marks at the ticks of x, and their numbers."""
    marks = []
    for value in y.ticks():
        at = y.place(value)
        marks.append(tag("line", class_="grid", x1=x.start, x2=x.end, y1=at, y2=at))
        marks.append(words(short(value), x.start - 8, at + 4, "tick", "end"))
    marks.append(tag("line", class_="axis", x1=x.start, x2=x.end, y1=bottom, y2=bottom))
    for value in x.ticks(90):
        at = x.place(value)
        marks.append(tag("line", class_="axis", x1=at, x2=at, y1=bottom, y2=bottom + 5))
        marks.append(words(short(value), at, bottom + 19, "tick", "middle"))
    marks.append(words(x_name, x.end, bottom + 34, "name", "end"))
    return "".join(marks)

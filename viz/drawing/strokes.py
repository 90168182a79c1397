"""Strokes: how an edge is drawn, by what its contribution does to the gradient it flows into.

An edge is as wide as the square root of its contribution's norm, against the largest in the picture: so contributions
that differ a hundredfold can be told apart, and the smallest can still be seen.

Read next: `viz/colors.py`, the colours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from viz.colors import ADDS, CANCELS, FAINT
from viz.data import Edge

WIDEST, THINNEST, DOTTED = 7.0, 0.6, 1.2  # points


@dataclass(frozen=True)
class Stroke:
    """A kind of edge: its colour and style, and how the legend explains it: a word in that colour, and the rest."""

    color: str
    style: str
    word: str
    meaning: str


ADDING = Stroke(ADDS, "solid", "blue", "adds to the gradient below")
CANCELLING = Stroke(CANCELS, "dashed", "dashed crimson", "cancels a part of it")
IDLE = Stroke(FAINT, "dotted", "dotted grey", "has no share in the gradient below")
BROKEN = Stroke("#000000", "dotted", "dotted black", "carries nan or an infinite number")


def stroke(edge: Edge) -> Stroke:
    """The kind of an edge."""
    if not math.isfinite(edge.norm):
        return BROKEN
    if edge.norm == 0 or math.isnan(edge.share):
        return IDLE
    return CANCELLING if edge.share < 0 else ADDING


def width(edge: Edge, largest: float) -> float:
    """In points. Dots stay dots: a dotted line is thin, whatever it carries."""
    if stroke(edge).style == "dotted":
        return DOTTED
    return THINNEST + (WIDEST - THINNEST) * math.sqrt(edge.norm / largest)

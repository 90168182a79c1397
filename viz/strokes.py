"""Strokes: how an edge is drawn, by what its contribution does to the gradient it flows into.

An edge is as wide as the square root of its contribution's norm, relative to the largest: so contributions that differ
a hundredfold can be told apart, and the smallest can still be seen.

Read next: `viz/colors.py`, the colours.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from viz.colors import ADDS, CANCELS, FAINT
from viz.data import Edge

WIDEST, THINNEST, DOTTED = 7.0, 0.6, 1.2  # points in a picture, pixels on a page


@dataclass(frozen=True)
class Stroke:
    """A kind of edge.

    Fields:
        name: of the kind.
        color, style: of the line.
        word, meaning: a picture's legend, the colour in words and the rest; on a page a line replaces the word.
    """

    name: str
    color: str
    style: str
    word: str
    meaning: str


ADDING = Stroke("adds", ADDS, "solid", "blue", "adds to the gradient below")
CANCELLING = Stroke("cancels", CANCELS, "dashed", "dashed crimson", "cancels a part of it")
IDLE = Stroke("idle", FAINT, "dotted", "dotted grey", "has no share in the gradient below")
BROKEN = Stroke("broken", "#000000", "dotted", "dotted black", "carries nan or an infinite number")
STROKES = (ADDING, CANCELLING, IDLE, BROKEN)


def stroke(edge: Edge) -> Stroke:
    """The kind of an edge."""
    if not math.isfinite(edge.norm):
        return BROKEN
    if edge.norm == 0 or math.isnan(edge.share):
        return IDLE
    return CANCELLING if edge.share < 0 else ADDING


def largest_norm(edges: Iterable[Edge]) -> float:
    """The norm of the widest edge; 0 where none is finite."""
    return max((edge.norm for edge in edges if math.isfinite(edge.norm)), default=0.0)


def width(edge: Edge, largest: float) -> float:
    """The width of an edge, where `largest` is the norm of the widest. Dotted lines are thin, whatever they carry."""
    if stroke(edge).style == "dotted":
        return DOTTED
    return width_of(edge.norm, largest)


def width_of(norm: float, largest: float) -> float:
    """The width of a solid or dashed line for a norm."""
    return THINNEST + (WIDEST - THINNEST) * math.sqrt(norm / largest)

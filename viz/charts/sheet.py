"""Charts below each other as one SVG file, which needs no page around it.

Not every program that shows SVG knows variables and media queries, so the colours are written out, for light paper.

Read next: `gpt/__init__.py`, a model to look at.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from viz.charts.marks import tag, words
from viz.charts.style import STYLE

_MARGIN, _TITLE, _GAP = 20, 26, 14


def sheet(charts: Sequence[tuple[str, str]]) -> str:
    """An SVG file of pairs of a title, which may be empty, and a chart of this package."""
    marks, y, width = [], float(_MARGIN), 0.0
    for title, chart in charts:
        size = ET.fromstring(chart).attrib
        if title:
            marks.append(words(title, _MARGIN, y + 13, "heading"))
            y += _TITLE
        marks.append(tag("g", chart, transform=f"translate({_MARGIN} {y:g})"))
        y += float(size["height"]) + _GAP
        width = max(width, float(size["width"]), 7.5 * len(title))
    paper = tag("rect", class_="paper", width=width + 2 * _MARGIN, height=y)
    return tag(
        "svg",
        f"<style>{_style()}</style>",
        paper,
        *marks,
        xmlns="http://www.w3.org/2000/svg",
        class_="chart",
        width=width + 2 * _MARGIN,
        height=y,
        viewBox=f"0 0 {width + 2 * _MARGIN:g} {y:g}",
    )


def _style() -> str:
    """The style of all charts on light paper, with the values of its variables in their places."""
    light = STYLE.partition("@media")[0]
    colors = dict(re.findall(r"--(\w+): ([^;]+);", light))
    rules = re.sub(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}|:root \{[^}]*\}", "", STYLE)
    rules += ".paper { fill: var(--paper); }"
    return re.sub(r"var\(--(\w+)\)", lambda name: colors[name[1]], rules).strip()

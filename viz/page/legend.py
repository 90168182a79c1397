"""legend: what colours, lines and texts of one page mean, with units. It has no line for what is not there.

The page draws a sample of each kind of edge, where the legend of a picture names its colour.

Read next: `viz/page/shell.py`, the document around the data.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from viz import figures
from viz.colors import LogScale
from viz.data import Node
from viz.digits import forms, short
from viz.page.edges import Joined
from viz.strokes import ADDING, STROKES, stroke, width_of

_OPENS = "▸ a module, opened by a click or Enter"
_PARTS = (1.0, 0.1, 0.01)  # of the largest norm, whose widths are shown


def legend(
    things: Sequence[Node],
    loss: str,
    fills: Sequence[float],
    joined: Sequence[Joined],
    scale: LogScale,
    largest: float,
    opens: bool,
) -> dict[str, Any]:
    """The data of the legend: lines of text, the scale of colours, and kinds and widths of edges.

    `loss` is the id of the loss; `opens` whether there are modules to open.
    """
    edges = [one.edge for one in joined if one.source != one.target]
    drawn = {stroke(edge) for edge in edges}
    has_colors = any(math.isfinite(size) and size > 0 for size in fills)
    notes = [figures.ZERO] if 0.0 in fills else []
    if not all(math.isfinite(thing.rms) for thing in things):
        notes.append(figures.NOT_FINITE)
    if any(thing.trouble for thing in things):
        notes.append(figures.FIRST_TROUBLE)
    return {
        "fill": figures.FILL if has_colors else "",
        "scale": [[short(tick), scale.color(tick), scale.ink(tick)] for tick in scale.ticks()] if has_colors else [],
        "notes": notes,
        "strokes": [[kind.name, kind.style, kind.meaning] for kind in STROKES if kind in drawn],
        "width": figures.width_legend(largest) if largest else "",
        "widths": [[width_of(part, 1.0), short(part * largest, 3)] for part in _PARTS] if largest else [],
        "kind": ADDING.name,
        "texts": [*figures.text_legend(things, {loss}, list(_labels(joined))), *([_OPENS] if opens else [])],
    }


def _labels(joined: Sequence[Joined]) -> Iterator[str]:
    """The labels that edges can have: a share has one where contributions come from several values."""
    sources: dict[int, set[str]] = defaultdict(set)
    for one in joined:
        sources[one.target].update(edge.source for edge in one.contributions)
    for one in joined:
        if one.source != one.target:
            yield figures.at_edge(forms(one.edge.share)[0] if len(sources[one.target]) > 1 else "", one.edge)

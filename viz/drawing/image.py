"""From a picture to an image, drawn by Graphviz if it is not too large.

A picture with frames is laid out twice; `viz/drawing/titles.py` says why. An SVG carries a text that says what it is,
for readers who cannot see it.

Read next: `viz/drawing/lettering.py`, the texts in an SVG.
"""

from __future__ import annotations

import json

from viz.drawing import titles
from viz.drawing.graph import graph, title
from viz.drawing.layout import render
from viz.drawing.lettering import lettered
from viz.drawing.picture import Picture
from viz.drawing.size import check_count, check_length


def svg(whole: Picture) -> str:
    """The picture as SVG."""
    label = f"{title(whole)}: {len(whole.nodes)} boxes, {len(whole.arrows)} edges"
    drawing = lettered(image(whole, "svg").decode())
    return drawing.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def image(whole: Picture, kind: str) -> bytes:
    """The picture as "svg", "png" (144 dots per inch) or "pdf"."""
    nodes, edges = list(whole.nodes.values()), [arrow.edge for arrow in whole.arrows]
    check_count(len(nodes), len(edges))
    check_length(nodes, edges)
    drawing = graph(whole)
    if whole.frames.counts:
        layout = json.loads(render(drawing.source, "json0"))
        drawing = graph(whole, titles.moved(layout))
    if kind == "png":
        drawing.attr(dpi="144")
    return render(drawing.source, kind)

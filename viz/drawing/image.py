"""From a picture to an image: laid out and drawn by Graphviz, if it is not too large.

A picture with frames is laid out twice; `viz/drawing/titles.py` says why. An SVG tells also those who cannot see it
what it is.

Read next: `viz/drawing/size.py`, what is too large; `viz/drawing/layout.py`, the program that draws.
"""

from __future__ import annotations

import json

from viz.drawing import dot, titles
from viz.drawing.layout import render
from viz.drawing.picture import Picture
from viz.drawing.size import check_count, check_length


def svg(whole: Picture) -> str:
    """The picture as SVG."""
    what = f"{dot.name(whole)}: {len(whole.nodes)} boxes, {len(whole.arrows)} edges"
    return _drawn(whole, "svg").decode().replace("<svg ", f'<svg role="img" aria-label="{what}" ', 1)


def png(whole: Picture) -> bytes:
    """The picture as PNG, with 144 dots per inch."""
    return _drawn(whole, "png")


def _drawn(whole: Picture, kind: str) -> bytes:
    nodes, edges = list(whole.nodes.values()), [arrow.edge for arrow in whole.arrows]
    check_count(len(nodes), len(edges))
    check_length(nodes, edges)
    source = dot.source(whole)
    if whole.frames.counts:
        layout = json.loads(render(source, "json0"))
        source = dot.source(whole, titles.moved(layout))
    return render(source, kind)

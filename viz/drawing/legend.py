"""The legend: what the colours, lines and numbers in one picture mean. It explains only what the picture contains.

Read next: `viz/drawing/beside.py`, two flows in one picture.
"""

from __future__ import annotations

import math

from viz.colors import INK
from viz.digits import short
from viz.drawing.labels import SMALL, at_edge, label, quoted, sizes, table
from viz.drawing.picture import Picture
from viz.drawing.strokes import ADDING, BROKEN, CANCELLING, IDLE, stroke


def legend(picture: Picture) -> str:
    """The legend as an HTML-like label."""
    rows = [*_fills(picture), *_lines(picture), *_texts(picture), *map(_row, map(quoted, picture.legend))]
    return label([f'<td align="left">{row}</td>' for row in rows], spacing=3)


def _row(text: str, before: str = "") -> str:
    return f'{before}<font point-size="{SMALL}" color="{INK}">{text}</font>'


def _fills(picture: Picture) -> list[str]:
    rows = []
    if any(math.isfinite(size) and size > 0 for size in picture.fills):
        scale = picture.scale
        swatches = "".join(
            f'<td bgcolor="{scale.color(tick)}" width="44" height="13">'
            f'<font point-size="{SMALL}" color="{scale.ink(tick)}">{short(tick)}</font></td>'
            for tick in scale.ticks()
        )
        rows += [_row("fill: root mean square of the gradient dL/dx"), table([swatches], spacing=2)]
    if 0.0 in picture.fills:
        rows.append(_row("white: a gradient of zero"))
    if not all(math.isfinite(node.rms) for node in picture.nodes.values()):
        rows.append(_row("double frame: a gradient with nan or infinite numbers"))
    return rows


def _lines(picture: Picture) -> list[str]:
    drawn = {stroke(arrow.edge) for arrow in picture.arrows}
    rows = [
        _row(f" {kind.meaning}", f'<font point-size="{SMALL}" color="{kind.color}">{kind.word}</font>')
        for kind in (ADDING, CANCELLING, IDLE, BROKEN)
        if kind in drawn
    ]
    if not drawn.isdisjoint((ADDING, CANCELLING)):
        rows.append(_row(f"width: root of the contribution's norm, widest {short(picture.largest, 3)}"))
    return rows


def _texts(picture: Picture) -> list[str]:
    nodes = picture.nodes.values()
    rows = []
    if any("|" in sizes(node) for node in nodes if node.id not in picture.losses):
        rows.append(_row("in a box: value | gradient dL/dx"))
    if any(node.op == "leaf" for node in nodes):
        rows.append(_row("square, bold frame: a leaf, computed from nothing"))
    if picture.blame:
        rows.append(_row('"of the blame": share in the squared gradients of all leaves'))
    if any(arrow.percent for arrow in picture.arrows):
        rows.append(_row("percent at an edge: share in the gradient it flows into"))
    if any("(" in at_edge(arrow.percent, arrow.edge) for arrow in picture.arrows):
        rows.append(_row("in brackets at an edge: its contribution"))
    return rows

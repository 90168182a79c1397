"""The legend: what the colours, lines and numbers in one picture mean. It explains only what the picture contains.

Read next: `viz/drawing/beside.py`, two flows in one picture.
"""

from __future__ import annotations

import math

from viz.colors import INK
from viz.digits import short
from viz.drawing.labels import SMALL, label, quoted, table
from viz.drawing.picture import Picture
from viz.figures import FILL, FIRST_TROUBLE, NOT_FINITE, ZERO, at_edge, text_legend, width_legend
from viz.strokes import ADDING, CANCELLING, STROKES, stroke


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
        rows += [_row(FILL), table([swatches], spacing=2)]
    if 0.0 in picture.fills:
        rows.append(_row(ZERO))
    if not all(math.isfinite(node.rms) for node in picture.nodes.values()):
        rows.append(_row(NOT_FINITE))
    if any(node.trouble for node in picture.nodes.values()):
        rows.append(_row(FIRST_TROUBLE))
    return rows


def _lines(picture: Picture) -> list[str]:
    drawn = {stroke(arrow.edge) for arrow in picture.arrows}
    rows = [
        _row(f" {kind.meaning}", f'<font point-size="{SMALL}" color="{kind.color}">{kind.word}</font>')
        for kind in STROKES
        if kind in drawn
    ]
    if not drawn.isdisjoint((ADDING, CANCELLING)):
        rows.append(_row(width_legend(picture.largest)))
    return rows


def _texts(picture: Picture) -> list[str]:
    texts = [at_edge(arrow.percent, arrow.edge) for arrow in picture.arrows]
    rows = [_row(quoted(line)) for line in text_legend(picture.nodes.values(), picture.losses, texts)]
    if picture.from_other:
        rows.append(_row('"from other": share of what was pruned, which has no arrows here'))
    return rows

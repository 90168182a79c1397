"""The text of a picture: a few lines in a box, a percentage at an edge, and all that is known in tooltips.

Every name from outside goes through `quoted` or `quoted_tip`, so that nothing in it becomes markup or one of Graphviz's
escapes: a picture shows the name itself. A long name is shown without its middle, and in full in the tooltip.

Read next: `viz/figures.py`, the words and numbers.
"""

from __future__ import annotations

import html
import math
import unicodedata
from collections.abc import Sequence

import graphviz

from viz import figures
from viz.colors import PAPER
from viz.data import Edge, Node
from viz.figures import LONGEST_NAME
from viz.words import columns, printable, shortened

SMALL = 9  # points
MIDDLE = 11
LARGE = 12
_LONGEST_TOOLTIP = 2000


def quoted(text: str) -> str:
    """Text from outside for an HTML-like label, without tags, entities and backslash escapes."""
    return html.escape(graphviz.escape(printable(text)), quote=False)


def quoted_tip(text: str) -> str:
    """Text from outside for a tooltip, in which Graphviz replaces entities once and backslash escapes twice."""
    return html.escape(graphviz.escape(graphviz.escape(printable(text))), quote=False)


def label(rows: Sequence[str], spacing: int = 0) -> str:
    """An HTML-like label of rows of cells; Graphviz recognises it by the angle brackets around it."""
    return f"<{table(rows, spacing)}>"


def table(rows: Sequence[str], spacing: int = 0, size: str = "") -> str:
    """A table of rows of cells, `spacing` points apart."""
    lines = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<table border="0" cellborder="0" cellspacing="{spacing}" cellpadding="0"{size}>{lines}</table>'


def cell(text: str, size: int = SMALL, *, name: str = "", bold: bool = False) -> str:
    """A cell of a table: a name from outside, then a text of ours.

    Graphviz may not know the width of Chinese characters or emoji; a cell with these gets a fixed size.
    """
    shown = shortened(printable(name), LONGEST_NAME)
    wide = any(unicodedata.east_asian_width(c) in "WF" for c in shown)
    marked = f"<b>{quoted(shown)}</b>" if bold and shown else quoted(shown)
    written = f'<font point-size="{size}">{marked}{quoted(text)}</font>'
    if not wide:
        return f"<td>{written}</td>"
    room = f' fixedsize="true" width="{_room(shown + text, size)}" height="{1.3 * size:.0f}"'
    inner = table([f'<td align="left">{written}</td>'], size=room)
    return f"<td>{inner}</td>"


def aside(lines: Sequence[str], away: float) -> str:
    """The label of an edge, on white ground, `away` points from the edge's line."""
    cells = [cell(line).replace("<td", f'<td bgcolor="{PAPER}"', 1) for line in lines]
    return label([gap(away) + text + gap(6) for text in cells])


def gap(width: float) -> str:
    """An empty cell, `width` points wide."""
    return f'<td width="{width:.0f}"></td>'


def frame_title(name: str, remark: str, right: bool) -> str:
    """The label of a frame, half of it empty, so that an edge can enter beside the title."""
    title = cell(remark, MIDDLE, name=name or "(no name)")
    empty = gap(_room(shortened(printable(name), LONGEST_NAME) + remark, MIDDLE))
    return label([empty + title if right else title + empty])


def _room(text: str, size: int) -> int:
    """The approximate width of a text in points."""
    return math.ceil(0.55 * size * columns(text))


def heading(node: Node, title: str, remark: str) -> str:
    """The first line of a box: its name, or its op, or both; then `remark`."""
    name, rest = figures.heading(node, title, remark)
    return cell(rest, LARGE, name=name, bold=bool(title) and node.op != "module")


def root_heading(node: Node, loss: float) -> str:
    """The first line of the loss."""
    name, rest = figures.loss_heading(node, loss)
    return cell(rest, LARGE, name=name, bold=True)


def tooltip(node: Node) -> str:
    """All that is known of a node."""
    facts = [f"{name}: {text}" for name, text in figures.facts(node)]
    return _tooltip(figures.path_of(node), node.formula, *facts)


def edge_tooltip(edge: Edge, source: Node, target: Node) -> str:
    """All that is known of an edge."""
    facts = [f"{name}: {text}" for name, text in figures.edge_facts(edge, target)]
    return _tooltip(f"from {source.label} into {target.label}", *facts)


def _tooltip(*lines: str) -> str:
    return "\\n".join(quoted_tip(shortened(printable(line), _LONGEST_TOOLTIP)) for line in lines if line)

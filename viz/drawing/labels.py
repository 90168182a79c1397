"""The text of a picture: a few lines in a box, a percentage at an edge, and all that is known in tooltips.

Every name from outside goes through `quoted` or `quoted_tip`, so that nothing in it becomes markup or one of Graphviz's
escapes: a picture shows the name itself. A long name is shown without its middle, and in full in the tooltip.

Read next: `viz/drawing/strokes.py`, the lines of edges.
"""

from __future__ import annotations

import html
import math
import unicodedata
from collections.abc import Sequence

import graphviz

from viz.colors import PAPER
from viz.data import Edge, Node, Numbers
from viz.digits import short
from viz.words import columns, printable, shortened

SYMBOLS = {"add": "+", "subtract": "−", "multiply": "×", "divide": "/", "matmul": "@", "pow": "**"}
SMALL = 9  # points
MIDDLE = 11
LARGE = 12
_LONGEST_NAME = 30  # columns
_LONGEST_NUMBERS = 26
_MOST_ELEMENTS = 4
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
    shown = shortened(printable(name), _LONGEST_NAME)
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
    empty = gap(_room(shortened(printable(name), _LONGEST_NAME) + remark, MIDDLE))
    return label([empty + title if right else title + empty])


def _room(text: str, size: int) -> int:
    """The approximate width of a text in points."""
    return math.ceil(0.55 * size * columns(text))


def heading(node: Node, title: str, remark: str) -> str:
    """The first line of a box: its name, or its op, or both, followed by `remark`."""
    symbol = SYMBOLS.get(node.op, node.op)
    if node.op == "other":
        return cell(f"other: {node.count:,} values" if node.count else "other", LARGE)
    if node.op in ("leaf", "module"):
        return cell(remark, LARGE, name=title or "(no name)", bold=node.op == "leaf")
    if title:
        return cell(f" ({symbol}){remark}", LARGE, name=title, bold=True)
    return cell(remark, LARGE, name=symbol)


def root_heading(node: Node, loss: float) -> str:
    """The first line of the loss."""
    if node.name and node.name != "loss":
        return cell(f" = {short(loss)}", LARGE, name=f"loss {node.name}", bold=True)
    return cell(f" {short(loss)}", LARGE, name="loss", bold=True)


def sizes(node: Node, *, value: bool = True) -> str:
    """The value and gradient of a node, if they have few elements; else its shape and the size of its gradient."""
    gradient = _each(node.gradient, node.shape)
    if gradient:
        known = _each(node.value, node.shape) if value else ""
        return f"{known} | grad {gradient}" if known else f"grad {gradient}"
    shape = "" if node.op in ("module", "other") else shortened("×".join(map(str, node.shape)), _LONGEST_NUMBERS)
    return " · ".join(part for part in (shape, size_of(node.rms)) if part)


def size_of(rms: float) -> str:
    """The size of a gradient in words."""
    if math.isfinite(rms):
        return f"rms {short(rms, 3)}"
    return "gradient nan" if math.isnan(rms) else "gradient infinite"


def at_edge(percent: str, edge: Edge) -> str:
    """An edge's share, and its contribution if that is a scalar; nothing for the only edge into a node."""
    scalar = f"({short(edge.each[0])})" if edge.each and len(edge.each) == 1 and edge.norm else ""
    if not percent and not math.isnan(edge.share):
        return ""
    return f"{percent} {scalar}".strip()


def tooltip(node: Node, blame: str) -> str:
    """All that is known of a node."""
    where = ".".join(node.scope) if node.op == "module" else ".".join((*node.scope, node.name or node.op))
    return _tooltip(
        where,
        f"{node.op}, shape {node.shape}, {node.dtype}" if node.op != "other" else node.op,
        node.formula,
        f"stands for {node.count:,}" if node.count > 1 else "",
        f"gradient: norm {short(node.norm)}, rms {short(node.rms)}",
        *(
            f"{name}: {_summary(known)}"
            for name, known in (("value", node.value), ("gradient", node.gradient))
            if known
        ),
        f"{blame} of the blame, in {node.parameters:,} parameters" if node.parameters else "",
    )


def edge_tooltip(edge: Edge, source: Node, target: Node) -> str:
    """All that is known of an edge."""
    return _tooltip(
        f"from {source.label} into {target.label}",
        f"contribution: norm {short(edge.norm)}",
        "" if math.isnan(edge.share) else f"share {100 * edge.share:.2f}%",
        f"rule: {edge.rule}" if edge.rule else "",
        f"local derivative: {edge.local}" if edge.local else "",
    )


def _tooltip(*lines: str) -> str:
    return "\\n".join(quoted_tip(shortened(printable(line), _LONGEST_TOOLTIP)) for line in lines if line)


def _summary(numbers: Numbers) -> str:
    mean, std, least, greatest = map(short, (numbers.mean, numbers.std, numbers.least, numbers.greatest))
    return f"mean {mean}, deviation {std}, from {least} to {greatest}"


def _each(numbers: Numbers | None, shape: tuple[int, ...]) -> str:
    """The elements of an array in nested brackets; empty if they are not known, too many or too long."""
    if numbers is None or not numbers.each or len(numbers.each) > _MOST_ELEMENTS:
        return ""
    texts = [short(value) for value in numbers.each]
    for side in reversed(shape if len(texts) > 1 else ()):
        texts = [f"[{', '.join(texts[k : k + side])}]" for k in range(0, len(texts), side)]
    return texts[0] if len(texts[0]) <= _LONGEST_NUMBERS else ""

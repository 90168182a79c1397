"""The picture, as Graphviz source: blame enters at the loss on top and runs down to where the text came in.

    a box           a module or an op, coloured by the size of its gradient (root mean square, log scale)
    a frame         a module that holds others
    an edge         a contribution: wide if large, blue if it adds to the gradient below, dashed crimson if it cancels

What all blame must pass stands on a straight spine, which in a transformer is the residual stream; the rest
stands beside it. Every name from outside goes through `quoted`, so nothing in it can become markup.
"""

from __future__ import annotations

import html
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from viz.colors import ADDS, CANCELS, FAINT, INK, LogScale
from viz.data import Edge, Node
from viz.text import printable

_WIDEST = 7.0  # points, of the edge that carries most
_TEXT = f'fontname="Helvetica", fontcolor="{INK}"'
_SYMBOLS = {"add": "+", "multiply": "×", "subtract": "−", "divide": "÷"}


def source(loss: float, nodes: Sequence[Node], edges: Sequence[Edge]) -> str:
    """DOT source of one flow."""
    nodes = [replace(nodes[0], name=f"loss {loss:.4g}"), *nodes[1:]]
    scale = LogScale.of(node.rms for node in nodes)
    edges = [edge for edge in edges if edge.source != edge.target]
    spine = _spine(nodes, edges)
    lines = [
        "digraph blame {",
        f"graph [rankdir=TB, newrank=true, nodesep=0.35, ranksep=0.32, bgcolor=white, {_TEXT}]",
        f'node [shape=box, style="filled,rounded", fontsize=12, margin="0.12,0.06", color="{FAINT}", {_TEXT}]',
        f"edge [fontsize=9, arrowsize=0.6, {_TEXT}]",
        *_framed(nodes, scale, spine),
        *_edges(edges, spine),
        *_legend(scale, max((edge.norm for edge in edges), default=0.0)),
        "}",
    ]
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """Text from outside for an HTML-like label or a tooltip: neither a tag nor one of DOT's backslash escapes."""
    return html.escape(printable(text)).replace("\\", "\\\\")


def _spine(nodes: Sequence[Node], edges: Sequence[Edge]) -> set[str]:
    """Nodes that every path from the loss passes: no edge jumps over them in the order of the recording."""
    inner = [node.id for node in nodes if node.op != "leaf"]
    position = {node: place for place, node in enumerate(inner)}
    opened = Counter[int]()
    for edge in edges:
        if edge.source in position and edge.target in position:
            opened[position[edge.source] + 1] += 1
            opened[position[edge.target]] -= 1
    passing, spine = 0, set()
    for place, node in enumerate(inner):
        passing += opened[place]
        if passing == 0:
            spine.add(node)
    return spine


def _framed(nodes: Sequence[Node], scale: LogScale, spine: set[str]) -> list[str]:
    """All nodes, inside frames for the modules they stand in."""
    lines: list[str] = []
    open_frames: tuple[str, ...] = ()
    for node in sorted(nodes, key=lambda n: _frame(n)):
        frame = _frame(node)
        common = 0
        while common < min(len(frame), len(open_frames)) and frame[common] == open_frames[common]:
            common += 1
        lines += ["}"] * (len(open_frames) - common)
        for depth in range(common, len(frame)):
            number = sum(line.startswith("subgraph") for line in lines)
            lines.append(
                f'subgraph cluster_{number} {{ graph [label=<{quoted(frame[depth])}>, labeljust=l, style="rounded", '
                f'color="{FAINT}", fontsize=11, margin=10]'
            )
        open_frames = frame
        lines.append(_node(node, scale, node.id in spine))
    return lines + ["}"] * len(open_frames)


def _frame(node: Node) -> tuple[str, ...]:
    """The modules that hold a node: for a box, all but the last part of its path, which is its own name."""
    return node.scope[:-1] if node.op == "module" else node.scope


def _node(node: Node, scale: LogScale, on_spine: bool) -> str:
    ink, fill = scale.ink(node.rms), scale.color(node.rms)
    group = ', group="spine"' if on_spine else ""
    common = f'fillcolor="{fill}", fontcolor="{ink}"{group}, tooltip="{_tooltip(node)}"'
    symbol = _SYMBOLS.get(node.op)
    if symbol and not node.name:
        return (
            f"{node.id} [shape=circle, style=filled, width=0.3, fixedsize=true, margin=0, label=<{symbol}>, {common}]"
        )
    small = [f"{node.blame:.1%} of the blame" if node.parameters else "", f"rms {node.rms:.2g}"]
    small_text = " · ".join(part for part in small if part)
    label = f'<{quoted(node.label)}<br/><font point-size="9">{small_text}</font>>'
    return f"{node.id} [label={label}, {common}]"


def _tooltip(node: Node) -> str:
    where = ".".join(node.scope) or node.label
    text = f"{where}: {node.op}, shape {node.shape}, |gradient| {node.norm:.3g}, rms {node.rms:.3g}"
    return quoted(text)


def _edges(edges: Sequence[Edge], spine: set[str]) -> list[str]:
    largest = max((edge.norm for edge in edges), default=0.0)
    incoming = Counter(edge.target for edge in edges)
    lines = []
    for edge in edges:
        width = 0.6 + (_WIDEST - 0.6) * (edge.norm / largest if largest else 0)
        cancels = edge.share < 0
        style = f'penwidth={width:.2f}, color="{CANCELS if cancels else ADDS}"' + (", style=dashed" if cancels else "")
        if incoming[edge.target] > 1 and math.isfinite(edge.share):
            style += f', label="{" " * round(1 + width / 2)}{_percent(edge.share)}"'
        weight = 100 if edge.source in spine and edge.target in spine else 1
        lines.append(f"{edge.source} -> {edge.target} [{style}, weight={weight}]")
    return lines


def _percent(share: float) -> str:
    """Whole percents, with a true minus sign; small shares do not become nothing."""
    if 0 < abs(share) < 0.005:
        return "<1%" if share > 0 else "−<1%"
    return f"{share:.0%}".replace("-", "−")


def _legend(scale: LogScale, largest: float) -> list[str]:
    """What colours and widths mean, with units."""
    swatches = (
        "".join(
            f'<td bgcolor="{scale.color(tick)}" width="44"><font color="{scale.ink(tick)}">{tick:.0e}</font></td>'
            for tick in scale.ticks()
        )
        .replace("e-0", "e-")
        .replace("e+0", "e+")
    )
    count = len(scale.ticks())
    rows = [
        f'<tr><td colspan="{count}" align="left">size of the gradient dL/dx: root mean square, log scale</td></tr>',
        f"<tr>{swatches}</tr>",
        f'<tr><td colspan="{count}" align="left"><font color="{ADDS}">blue</font> adds to the gradient below, '
        f'<font color="{CANCELS}">dashed crimson</font> cancels</td></tr>',
        f'<tr><td colspan="{count}" align="left">width: size of the contribution, widest {largest:.2g}</td></tr>',
        f'<tr><td colspan="{count}" align="left">percent at an edge: its share in the gradient it flows into</td></tr>',
    ]
    table = f'<table border="0" cellborder="0" cellspacing="2" cellpadding="2">{"".join(rows)}</table>'
    return [f'legend [shape=plain, style="", fontsize=9, label=<{table}>]']

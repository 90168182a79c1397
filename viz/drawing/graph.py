"""The picture as a `graphviz.Digraph`: blame enters at the loss on top and runs down to the leaves.

    a box           a module or an op, coloured by the size of its gradient (root mean square, log scale)
    a bold square   a leaf: a parameter, or an input
    a frame         a module's call that holds others
    an edge         a contribution: wide if large, blue if it adds to the gradient below, dashed crimson if it cancels

The nodes that all blame passes form a straight spine, the others are beside it. The same flow always gives the same
source.

Read next: `viz/drawing/labels.py`, the text in boxes, at edges and in tooltips.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from itertools import count, groupby

from graphviz import Digraph

from viz import figures
from viz.colors import FAINT, INK, PAPER
from viz.data import Node
from viz.digits import short
from viz.drawing import labels
from viz.drawing.frames import times
from viz.drawing.legend import legend
from viz.drawing.picture import Arrow, Picture
from viz.strokes import stroke, width

_TEXT = {"fontname": "Helvetica", "fontcolor": INK}


def graph(whole: Picture, moved: Collection[str] = ()) -> Digraph:
    """The Digraph of a picture; the frames named in `moved` have their titles at the right."""
    drawing = Digraph(
        title(whole),
        filename="blame.gv",
        graph_attr={"newrank": "true", "nodesep": "0.3", "ranksep": "0.4", "bgcolor": PAPER, **_TEXT},
        node_attr={"shape": "box", "style": "filled,rounded", "margin": "0.1,0.05", "color": FAINT, **_TEXT},
        edge_attr={"fontsize": str(labels.SMALL), "arrowsize": "0.6", **_TEXT},
    )
    around = whole.frames.around
    nodes = sorted(whole.nodes.values(), key=lambda node: [(call, name) for name, call in around[node.id]])
    _draw_nodes(drawing, nodes, 0, whole, moved, count())
    for arrow in whole.arrows:
        drawing.edge(arrow.edge.source, arrow.edge.target, **_edge(arrow, whole))
    for upper, lower in whole.bands:
        drawing.edge(upper, lower, style="invis", weight="0")
    for pair in whole.level:
        with drawing.subgraph() as row:
            row.attr(rank="same")
            for id_ in pair:
                row.node(id_)
    for loss, other in zip(whole.losses, whole.pruned):
        drawing.edge(loss, other, style="invis", weight="0")
    drawing.node("legend", shape="plain", style="", fontsize=str(labels.SMALL), label=legend(whole))
    return drawing


def title(whole: Picture) -> str:
    """The title of the picture."""
    return f"blame for a loss of {' and '.join(map(short, whole.losses.values()))}"


def _draw_nodes(
    drawing: Digraph, nodes: Sequence[Node], depth: int, whole: Picture, moved: Collection[str], numbers: Iterator[int]
) -> None:
    """Add nodes, sorted by the frames around them, to the frame at this depth that holds them all."""
    around, remarks = whole.frames.around, whole.frames.remarks
    for frame, group in groupby(nodes, key=lambda node: around[node.id][: depth + 1]):
        inside = list(group)
        if len(frame) == depth:
            for node in inside:
                drawing.node(node.id, **_node(node, whole))
            continue
        cluster = f"cluster_{next(numbers)}"  # Graphviz draws a frame around a subgraph named so
        right = cluster in moved
        with drawing.subgraph(name=cluster) as inner:
            label = labels.frame_title(frame[-1][0], remarks[frame], right)
            inner.attr("graph", label=label, labeljust="lr"[right], style="rounded", color=FAINT, margin="10")
            _draw_nodes(inner, inside, depth + 1, whole, moved, numbers)


def _node(node: Node, whole: Picture) -> dict[str, str]:
    """The attributes of a node."""
    fill, ink = figures.fill(node, whole.scale, node.id in whole.losses)
    attributes = {"fillcolor": fill, "fontcolor": ink, "tooltip": labels.tooltip(node)}
    if node.id in whole.spine:
        attributes["group"] = "spine"
    if not math.isfinite(node.rms):
        attributes["peripheries"] = "2"
    remark = times(node.count, whole.frames.counts.get(whole.frames.around[node.id], 1))
    if _is_small(node, whole, remark):
        circle = {"shape": "circle", "style": "filled", "width": "0.3", "fixedsize": "true", "margin": "0"}
        return {**attributes, **circle, "label": figures.symbol(node)}
    if node.op == "leaf":
        attributes |= {"style": "filled", "color": INK, "penwidth": "1.8"}
    if node.op == "other":
        attributes["style"] = "filled,dashed"
    if node.trouble:
        attributes |= {"color": INK, "penwidth": "3", "margin": "0.16,0.1"}
    if node.id in whole.marked:
        attributes |= {"color": INK, "penwidth": "4"}
    return {**attributes, "label": labels.label(_rows(node, whole, remark))}


def _is_small(node: Node, whole: Picture, remark: str) -> bool:
    """Whether a symbol in a circle is enough, as where residuals are added between boxes."""
    return (
        whole.folded
        and figures.is_sign(node)
        and not remark
        and node.id not in whole.losses
        and node.id not in whole.inside
        and node.id not in whole.from_other
    )


def _rows(node: Node, whole: Picture, remark: str) -> list[str]:
    """The lines of a box."""
    blame = figures.of_the_blame(whole.blame.get(node.id, ""))
    lines: list[str] = []
    if node.id in whole.losses and node.op != "module":
        head = labels.root_heading(node, whole.losses[node.id])
        lines += [figures.loss_line(node), blame]
    else:
        head = labels.heading(node, _title(node, whole), remark)
        lines += [f"loss {short(whole.losses[node.id])}"] if node.id in whole.losses else []
        if node.op == "other":
            lines += [figures.contributions(whole.pruned[node.id]), blame]
        elif node.op == "module":
            lines.append(" · ".join(part for part in (blame, figures.sizes(node)) if part))
        else:
            lines += [figures.sizes(node), blame]
    lines.append(figures.from_inside(whole.inside.get(node.id, ""), node))
    lines.append(figures.from_other(whole.from_other.get(node.id, "")))
    lines += [figures.first_trouble(node), whole.notes.get(node.id, "")]
    return [head, *(labels.cell(line) for line in lines if line)]


def _title(node: Node, whole: Picture) -> str:
    """A node's name; for a leaf, after the part of its path that the frames around it do not show."""
    if node.op == "leaf":
        return ".".join((*node.scope[len(whole.frames.around[node.id]) :], node.name or "leaf"))
    return node.label if node.op == "module" else node.name or ""


def _edge(arrow: Arrow, whole: Picture) -> dict[str, str]:
    """The attributes of an edge."""
    edge, nodes = arrow.edge, whole.nodes
    kind, wide = stroke(edge), width(edge, whole.largest)
    tip = labels.edge_tooltip(edge, nodes[edge.source], nodes[edge.target])
    attributes = {"penwidth": f"{wide:.2f}", "color": kind.color, "style": kind.style, "tooltip": tip}
    lines = [line for line in ("to the next" if arrow.back else "", figures.at_edge(arrow.percent, edge)) if line]
    if arrow.back or arrow.loose:
        attributes["constraint"] = "false"
    if whole.arrivals[edge.target] > 3:  # room for their labels
        attributes["minlen"] = "2"
    if lines:
        attributes |= {"label": labels.aside(lines, 5 + 0.7 * wide), "labeltooltip": tip}
    if edge.source in whole.spine and edge.target in whole.spine:
        attributes["weight"] = "100"
    return attributes

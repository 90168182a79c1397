"""The picture, as Graphviz source: blame enters at the loss on top and runs down to where everything came from.

    a box           a module or an op, coloured by the size of its gradient (root mean square, log scale)
    a bold square   a leaf: a parameter, or an input
    a frame         a module's call that holds others
    an edge         a contribution: wide if large, blue if it adds to the gradient below, dashed crimson if it cancels

What all blame must pass stands on a straight spine, the rest beside it. The same flow gives the same text, always.

Read next: `viz/drawing/picture.py`, what is computed first; `viz/drawing/labels.py`, what is written where.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator

from viz import figures
from viz.colors import FAINT, INK, PAPER
from viz.data import Node
from viz.digits import short
from viz.drawing import labels
from viz.drawing.frames import Path, times
from viz.drawing.legend import legend
from viz.drawing.picture import Arrow, Picture
from viz.strokes import stroke, width

_TEXT = f'fontname="Helvetica", fontcolor="{INK}"'


def source(whole: Picture, moved: Collection[str] = ()) -> str:
    """DOT source of a picture; the frames `moved` have their titles at the right."""
    lines = [
        f'digraph "{name(whole)}" {{',
        f'graph [newrank=true, nodesep=0.3, ranksep=0.4, bgcolor="{PAPER}", {_TEXT}]',
        f'node [shape=box, style="filled,rounded", margin="0.1,0.05", color="{FAINT}", {_TEXT}]',
        f"edge [fontsize={labels.SMALL}, arrowsize=0.6, {_TEXT}]",
        *_framed(whole, moved),
        *(_arrow(arrow, whole) for arrow in whole.arrows),
        *(f"{upper} -> {lower} [style=invis, weight=0]" for upper, lower in whole.bands),
        *(f"{{ rank=same; {left}; {right} }}" for left, right in whole.level),
        *(f"{loss} -> {other} [style=invis, weight=0]" for loss, other in zip(whole.losses, whole.pruned)),
        f'legend [shape=plain, style="", fontsize={labels.SMALL}, label={legend(whole)}]',
        "}",
    ]
    return "\n".join(lines) + "\n"


def name(whole: Picture) -> str:
    """What the picture is called."""
    return f"blame for a loss of {' and '.join(map(short, whole.losses.values()))}"


def _framed(whole: Picture, moved: Collection[str]) -> Iterator[str]:
    """All nodes, inside the frames they stand in."""
    around, number = whole.frames.around, 0
    opened: Path = ()
    for node in sorted(whole.nodes.values(), key=lambda node: [(call, name) for name, call in around[node.id]]):
        frame = around[node.id]
        common = 0
        while common < min(len(frame), len(opened)) and frame[common] == opened[common]:
            common += 1
        yield from ["}"] * (len(opened) - common)
        for depth in range(common + 1, len(frame) + 1):
            cluster, right = f"cluster_{number}", f"cluster_{number}" in moved
            title = labels.frame_title(frame[depth - 1][0], whole.frames.remarks[frame[:depth]], right)
            yield f"subgraph {cluster} {{"
            yield f'graph [label={title}, labeljust={"lr"[right]}, style=rounded, color="{FAINT}", margin=10]'
            number += 1
        opened = frame
        yield _node(node, whole)
    yield from ["}"] * len(opened)


def _node(node: Node, whole: Picture) -> str:
    fill, ink = figures.fill(node, whole.scale, node.id in whole.losses)
    attributes = [f'fillcolor="{fill}", fontcolor="{ink}", tooltip="{labels.tooltip(node)}"']
    if node.id in whole.spine:
        attributes.append('group="spine"')
    if not math.isfinite(node.rms):
        attributes.append("peripheries=2")
    remark = times(node.count, whole.frames.counts.get(whole.frames.around[node.id], 1))
    if _is_small(node, whole, remark):
        attributes.append("shape=circle, style=filled, width=0.3, fixedsize=true, margin=0")
        return f'{node.id} [label="{figures.symbol(node)}", {", ".join(attributes)}]'
    if node.op == "leaf":
        attributes.append(f'style=filled, color="{INK}", penwidth=1.8')
    if node.op == "other":
        attributes.append('style="filled,dashed"')
    if node.id in whole.marked:
        attributes.append(f'color="{INK}", penwidth=4')
    return f"{node.id} [label={labels.table(_rows(node, whole, remark))}, {', '.join(attributes)}]"


def _is_small(node: Node, whole: Picture, remark: str) -> bool:
    """Whether a sign in a circle says enough, as where residuals are added between boxes."""
    return (
        whole.folded
        and figures.is_sign(node)
        and not remark
        and node.id not in whole.losses
        and node.id not in whole.inside
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
    lines.append(whole.notes.get(node.id, ""))
    return [head, *(labels.cell(line) for line in lines if line)]


def _title(node: Node, whole: Picture) -> str:
    """A node's name; that of a leaf with the part of its path that no frame around it says."""
    if node.op == "leaf":
        return ".".join((*node.scope[len(whole.frames.around[node.id]) :], node.name or "leaf"))
    return node.label if node.op == "module" else node.name or ""


def _arrow(arrow: Arrow, whole: Picture) -> str:
    edge, nodes = arrow.edge, whole.nodes
    kind, wide = stroke(edge), width(edge, whole.largest)
    tip = labels.edge_tooltip(edge, nodes[edge.source], nodes[edge.target])
    attributes = [f'penwidth={wide:.2f}, color="{kind.color}", style={kind.style}, tooltip="{tip}"']
    lines = [line for line in ("to the next" if arrow.back else "", figures.at_edge(arrow.percent, edge)) if line]
    if arrow.back or arrow.loose:
        attributes.append("constraint=false")
    if whole.arrivals[edge.target] > 3:  # room for their labels
        attributes.append("minlen=2")
    if lines:
        attributes.append(f'label={labels.aside(lines, 5 + 0.7 * wide)}, labeltooltip="{tip}"')
    if edge.source in whole.spine and edge.target in whole.spine:
        attributes.append("weight=100")
    return f"{edge.source} -> {edge.target} [{', '.join(attributes)}]"

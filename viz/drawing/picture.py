"""Picture: all that must be known of a flow before a part of it can be drawn. Computed once, then only read.

Read next: `viz/drawing/frames.py`, the modules around nodes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from viz.colors import LogScale
from viz.data import Edge, Node
from viz.digits import percents
from viz.drawing.frames import Frames, frames
from viz.drawing.spine import bands, spine
from viz.figures import fill_scale
from viz.strokes import largest_norm

_MOST_OF_OTHER = 8  # arrows


@dataclass(frozen=True)
class Arrow:
    """An edge to be drawn.

    Fields:
        edge: the edge of the flow.
        percent: its share, as text; empty for the only edge into a node, and if it has no share.
        back: whether it leads against the sweep: from one repetition of a merged block to the next.
        loose: whether the layout ignores it when it orders nodes from top to bottom, because it leads into "other".
    """

    edge: Edge
    percent: str
    back: bool
    loose: bool


@dataclass(frozen=True)
class Picture:
    """A flow, ready to be drawn.

    Fields:
        losses: the value of each loss, by the id of its node; there are two in a comparison.
        nodes: from the loss back, by id.
        arrows: the edges between different nodes; without those of "other" where they are many, because all lead to
            one box, and would cover the picture and take Graphviz minutes.
        from_other: where these arrows are missing, the percentage that a box receives from "other", by id.
        inside: the percentage that a box receives from itself, by id; it is written in the box, without an arrow.
        blame: the percentage of the blame of each node with parameters, by id.
        arrivals: the number of arrows that end at a node, by id.
        fills: the sizes shown as colours; not the gradient of the loss, which is always 1, nor that of "other".
        pruned: the number of contributions merged in each "other", by id.
        folded: whether there are boxes, so that ops between them are drawn small.
        scale: the scale of the colours.
        largest: the largest norm of an edge.
        spine: ids of the nodes on the spine.
        bands: pairs of ids of which the first is to be drawn higher, see `bands` in spine.py.
        frames: the frames around all nodes.
        notes: an additional line for some nodes, by id.
        marked: ids of nodes to emphasise.
        level: pairs of ids to be drawn side by side.
        legend: additional lines of the legend.
    """

    losses: Mapping[str, float]
    nodes: Mapping[str, Node]
    arrows: Sequence[Arrow]
    from_other: Mapping[str, str]
    inside: Mapping[str, str]
    blame: Mapping[str, str]
    arrivals: Mapping[str, int]
    fills: Sequence[float]
    pruned: Mapping[str, int]
    folded: bool
    scale: LogScale
    largest: float
    spine: frozenset[str]
    bands: Sequence[tuple[str, str]]
    frames: Frames
    notes: Mapping[str, str] = field(default_factory=dict)
    marked: frozenset[str] = frozenset()
    level: Sequence[tuple[str, str]] = ()
    legend: Sequence[str] = ()


def picture(loss: float, nodes: Sequence[Node], edges: Sequence[Edge]) -> Picture:
    """The Picture of one flow."""
    place = {node.id: number for number, node in enumerate(nodes)}
    other = {node.id for node in nodes if node.op == "other"}
    shared = list(zip(edges, _percents(edges)))
    between = [(edge, text) for edge, text in shared if edge.source != edge.target]
    of_other = [pair for pair in between if not other.isdisjoint((pair[0].source, pair[0].target))]
    written = of_other if len(of_other) > _MOST_OF_OTHER else []
    drawn = [pair for pair in between if other.isdisjoint((pair[0].source, pair[0].target))] if written else between
    holders = [node for node in nodes if node.parameters]
    fills = [node.rms for node in nodes[1:] if node.id not in other]
    straight, around = spine(nodes, edges), frames(nodes, edges)
    return Picture(
        losses={nodes[0].id: loss},
        nodes={node.id: node for node in nodes},
        arrows=[
            Arrow(
                edge,
                text,
                back=place[edge.source] > place[edge.target] and edge.source not in other,
                loose=edge.target in other and edge.source != nodes[0].id,
            )
            for edge, text in drawn
        ],
        from_other={edge.target: text for edge, text in written if edge.source in other and text},
        inside={edge.target: text for edge, text in shared if edge.source == edge.target and text},
        blame=dict(zip((node.id for node in holders), percents([node.blame for node in holders]))),
        arrivals=Counter(edge.target for edge, _ in drawn),
        fills=fills,
        pruned={id_: sum(edge.count for edge in edges if id_ in (edge.source, edge.target)) for id_ in other},
        folded=any(node.op == "module" for node in nodes),
        scale=fill_scale(fills),
        largest=largest_norm(edge for edge, _ in drawn),
        spine=frozenset(straight),
        bands=list(bands(straight, nodes, edges, around)),
        frames=around,
    )


def _percents(edges: Sequence[Edge]) -> list[str]:
    """The percentage of each edge, rounded together with those of the other edges into the same node."""
    arriving: dict[str, list[int]] = defaultdict(list)
    for number, edge in enumerate(edges):
        arriving[edge.target].append(number)
    texts = [""] * len(edges)
    for numbers in arriving.values():
        if len(numbers) > 1:
            for number, text in zip(numbers, percents([edges[n].share for n in numbers])):
                texts[number] = text
    return texts

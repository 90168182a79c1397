"""edges: every edge that a page may have to draw, whichever calls are open.

A value is shown by itself, or as one of the calls around it. All contributions from A into B become one edge, as in
`viz/fold.py`, and no other call changes this edge by being open or closed. So all edges are known in advance, and a
page draws those between visible things.

Read next: `viz/page/things.py`, boxes and their texts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from viz.data import Edge, Node
from viz.fold import merged
from viz.page.calls import Call, calls_around


@dataclass(frozen=True)
class Joined:
    """An edge between two things, which are values or calls.

    Fields:
        source, target: the number of each: values come first, then calls. Equal for what a thing receives from itself.
        edge: its norm and share.
        contributions, steps: what it joins, in the order of the sweep, and the numbers of these.
    """

    source: int
    target: int
    edge: Edge
    contributions: Sequence[Edge]
    steps: Sequence[int]


def all_edges(
    nodes: Sequence[Node],
    edges: Sequence[Edge],
    calls: Sequence[Call],
    home: Mapping[str, int | None],
    things: Sequence[Node],
) -> list[Joined]:
    """The edges between any two things of which neither holds the other, and from each thing into itself.

    `things` are the nodes, and then the boxes of the calls.
    """
    number = {node.id: place for place, node in enumerate(nodes)}
    by_id = {node.id: node for node in nodes}
    around = {id_: [len(nodes) + at for at in calls_around(call, calls)] for id_, call in home.items()}
    found: dict[tuple[int, int], list[int]] = defaultdict(list)
    for step, edge in enumerate(edges):
        sources = [number[edge.source], *around[edge.source]]
        targets = [number[edge.target], *around[edge.target]]
        while sources and targets and sources[-1] == targets[-1]:
            both = sources.pop()
            targets.pop()
            if both < len(nodes) or edge.target in calls[both - len(nodes)].doors:
                found[both, both].append(step)
        for source in sources:
            for target in targets:
                found[source, target].append(step)
    joined = []
    for (source, target), steps in found.items():
        among = [edges[step] for step in steps]
        values = source < len(nodes) and target < len(nodes)
        ends = among[0].source, among[0].target
        edge = among[0] if values and len(among) == 1 else merged(ends, among, by_id, things[target].norm)
        joined.append(Joined(source, target, edge, among, steps))
    return joined

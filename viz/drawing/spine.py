"""The spine: nodes that every path of blame passes, on one straight line; in a transformer, the residual stream.

The spine leads from the loss to the node at the end of the longest path. On it are the nodes that every path from the
loss to this end goes through: with all nodes in a row, as blame reaches them, no edge of these paths jumps over them.
Edges that lead back, from one repetition of a merged block to the next, and edges of "other" are ignored.

Two frames at the same height would bend the spine, because Graphviz gives each a column of its own. So all nodes
between two nodes of the spine, parameters included, get a band of the picture's height to themselves.

Read next: `viz/drawing/size.py`, how large a drawing may be.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from viz.data import Edge, Node
from viz.drawing.frames import Frames
from viz.drawing.size import rows


def spine(nodes: Sequence[Node], edges: Sequence[Edge]) -> list[str]:
    """The ids of the nodes on the spine, from the loss on."""
    place = {node.id: number for number, node in enumerate(nodes) if node.op not in ("leaf", "other")}
    onward = [edge for edge in edges if place.get(edge.source, len(nodes)) < place.get(edge.target, 0)]
    row = rows(nodes, edges)
    leading = _leading_to(max(reversed(place), key=row.__getitem__, default=""), onward)
    jumps = Counter[int]()
    for edge in onward:
        if edge.target in leading:
            jumps[place[edge.source] + 1] += 1
            jumps[place[edge.target]] -= 1
    passing, found = 0, []
    for number, node in enumerate(nodes):
        passing += jumps[number]
        if passing == 0 and node.id in leading:
            found.append(node.id)
    return found


def _leading_to(end: str, edges: Sequence[Edge]) -> set[str]:
    """The ids of all nodes from which blame runs to `end`, itself included."""
    sources: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        sources[edge.target].append(edge.source)
    found, waiting = {end}, [end]
    while waiting:
        new = set(sources[waiting.pop()]) - found
        found |= new
        waiting += new
    return found


def bands(
    spine: Sequence[str], nodes: Sequence[Node], edges: Sequence[Edge], frames: Frames
) -> Iterator[tuple[str, str]]:
    """Pairs of an end in a frame and the node of the spine to be drawn below it: the first outside of that frame.

    An end is a node from which blame runs no further, or only into leaves.
    """
    on_spine, passed = set(spine), 0
    reached = {}  # the number of nodes of the spine up to each node, itself included
    for node in nodes:
        passed += node.id in on_spine
        reached[node.id] = passed
    leaves = {node.id for node in nodes if node.op == "leaf"}
    going_on = {edge.source for edge in edges if edge.target not in leaves}
    ends = {node.id: node.id for node in nodes if node.id not in going_on}
    ends |= {edge.target: edge.source for edge in edges if edge.target in leaves}
    for end, source in ends.items():
        frame = frames.around[end]
        following = (spine[k] for k in range(reached[source], len(spine)) if frame)
        lower = next((node for node in following if frames.around[node][: len(frame)] != frame), None)
        if lower:
            yield end, lower

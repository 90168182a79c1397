"""The spine: what all blame must pass stands on one straight line, which in a transformer is the residual stream.

Nodes stand in the order in which blame reaches them. A node is on the spine if no edge jumps over it in that order.
Edges that lead back, from one repetition of a merged block to the next, do not count, nor do those of what was pruned.

Frames beside one another would bend the spine: Graphviz gives each a column of its own. So what stands between two
nodes of the spine, parameters included, gets a band of the picture's height for itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from viz.data import Edge, Node
from viz.frames import Frames


def spine(nodes: Sequence[Node], edges: Sequence[Edge]) -> list[str]:
    """The ids of the nodes that every path from the loss passes, from there on."""
    inner = [node.id for node in nodes if node.op not in ("leaf", "other")]
    place = {node: number for number, node in enumerate(inner)}
    jumps = Counter[int]()
    for edge in edges:
        start, end = place.get(edge.source, 0), place.get(edge.target, 0)
        if start < end:
            jumps[start + 1] += 1
            jumps[end] -= 1
    passing, found = 0, []
    for number, node in enumerate(inner):
        passing += jumps[number]
        if passing == 0:
            found.append(node)
    return found


def bands(
    spine: Sequence[str], nodes: Sequence[Node], edges: Sequence[Edge], frames: Frames
) -> Iterator[tuple[str, str]]:
    """Pairs of an end in a frame and a node of the spine that is to stand below it: the first outside of that frame.

    An end is a node from which blame goes nowhere, or only into leaves.
    """
    on_spine, passed = set(spine), 0
    reached = {}  # how much of the spine is above each node, that node included
    for node in nodes:
        passed += node.id in on_spine
        reached[node.id] = passed
    leaves = {node.id for node in nodes if node.op == "leaf"}
    going_on = {edge.source for edge in edges if edge.target not in leaves}
    ends = {node.id: node.id for node in nodes if node.id not in going_on}
    ends |= {edge.target: edge.source for edge in edges if edge.target in leaves}
    for end, source in ends.items():
        frame = frames.around[end]
        outside = (node for node in spine[reached[source] :] if frames.around[node][: len(frame)] != frame)
        lower = next(outside, None)
        if frame and lower:
            yield end, lower

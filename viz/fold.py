"""fold: from ops to modules.

A box is one call of a module: a stretch of the recording during which only that module worked. Stretches follow
one another in time, so the folded graph has no cycle, whatever the modules did to each other. An op that stands
in a module directly, between calls of the modules inside it (the addition of a residual stream), stays a node
of its own: it is what the picture is about.

What arrives in a box from outside arrives in some of its nodes; call them its doors. The folded edge A -> B carries all
contributions from A into doors of B, and its share is

    sum of <c, dL/dx> over these contributions   /   sum of |dL/dx|^2 over the doors of B

so shares into a box still add up to 1, with an edge from the box to itself for what a door receives from inside.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from viz.data import Edge, Node

Key = tuple[str, ...]


def fold(nodes: Sequence[Node], edges: Sequence[Edge], depth: int) -> tuple[tuple[Node, ...], tuple[Edge, ...]]:
    """Boxes and the edges between them; see this module's docstring."""
    if depth < 1:
        raise ValueError(f"fold: depth must be at least 1, not {depth}")
    modules, box_of = _boxes(nodes, edges, depth)
    merged, doors = _merged_edges(nodes, edges, box_of)
    members: dict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        members[box_of[node.id]].append(node)
    boxes = [
        _box(box, inside, list(doors[box].values()), depth) if box in modules else inside[0]
        for box, inside in members.items()
    ]
    return tuple(boxes), tuple(merged)


def _boxes(nodes: Sequence[Node], edges: Sequence[Edge], depth: int) -> tuple[set[str], dict[str, str]]:
    """Which boxes are modules, and the box of each node. A box goes by the id of the oldest op in it."""
    containers = {node.scope[:k] for node in nodes for k in range(min(len(node.scope), depth))}

    def module(node: Node) -> Key | None:
        """The path of the module whose box the node goes into; None where it stands for itself."""
        path = node.scope[:depth]
        return path if path and path not in containers else None

    box_of: dict[str, str] = {}
    modules: set[str] = set()
    latest: Node | None = None
    for node in reversed(nodes):  # in the order of the recording
        if node.op == "leaf":
            continue
        goes_on = module(node) is not None and latest is not None and module(latest) == module(node)
        box_of[node.id] = box_of[latest.id] if latest is not None and goes_on else node.id
        if module(node) is not None:
            modules.add(box_of[node.id])
        latest = node
    users: dict[str, set[str]] = defaultdict(set)
    for edge in edges:
        if edge.source in box_of:
            users[edge.target].add(box_of[edge.source])
    for node in nodes:
        if node.op == "leaf":  # it goes with the one box that uses it
            alone = len(users[node.id]) == 1 and users[node.id] <= modules
            box_of[node.id] = next(iter(users[node.id])) if alone else node.id
    return modules, box_of


def _merged_edges(
    nodes: Sequence[Node], edges: Sequence[Edge], box_of: dict[str, str]
) -> tuple[list[Edge], dict[str, dict[str, Node]]]:
    """Edges between boxes, and each box's doors."""
    by_id = {node.id: node for node in nodes}
    doors: dict[str, dict[str, Node]] = defaultdict(dict)
    for edge in edges:
        if box_of[edge.source] != box_of[edge.target]:
            doors[box_of[edge.target]][edge.target] = by_id[edge.target]
    inner: dict[tuple[str, str], float] = defaultdict(float)
    squared: dict[tuple[str, str], float] = defaultdict(float)
    for edge in edges:
        source, target = box_of[edge.source], box_of[edge.target]
        if edge.target in doors[target]:
            inner[source, target] += edge.share * by_id[edge.target].norm ** 2 if by_id[edge.target].norm else 0.0
            squared[source, target] += edge.norm**2
    merged = []
    for (source, target), size in squared.items():
        whole = sum(door.norm**2 for door in doors[target].values())
        share = inner[source, target] / whole if whole else math.nan
        merged.append(Edge(source, target, math.sqrt(size), share))
    return merged, doors


def _box(box: str, inside: Sequence[Node], doors: Sequence[Node], depth: int) -> Node:
    """One node for everything inside. Nodes are ordered from the loss back, so the first is the last made."""
    result = inside[0]
    arriving = doors or [result]  # nothing arrives in the loss from elsewhere: it is its own door
    squared = math.fsum(door.norm**2 for door in arriving)
    size = sum(math.prod(door.shape) for door in arriving)
    return Node(
        id=box,
        op="module",
        name=None,
        scope=result.scope[:depth],
        shape=result.shape,
        dtype=result.dtype,
        norm=math.sqrt(squared),
        rms=math.sqrt(squared / size) if size else 0.0,
        parameters=sum(node.parameters for node in inside),
        blame=math.fsum(node.blame for node in inside),
    )

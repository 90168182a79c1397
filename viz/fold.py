"""fold: from ops to modules.

A box is one call of a module; an op that stands between such calls (the addition of a residual stream) stays a node of
its own: it is what the picture is about. Boxes and ops of pieces that repeat one another become one, which knows how
many it stands for, and whose path says which: `blocks.0-11`.

What arrives in a box from outside arrives in some of its nodes; call them its doors. The folded edge A -> B carries all
contributions from A into doors of B, and its share is

    sum of <c, dL/dx> over these contributions   /   sum of |dL/dx|^2 over the doors of B

so shares into a box still add up to 1, with an edge from the box to itself for what a door receives from inside. All
this holds for boxes that stand for many as well: whatever passes from one of them to another is inside.

Stretches of a recording follow one another, so without repeats the source of every edge stands before its target in
`nodes`, whatever the modules did to each other. With repeats an edge may lead back: the first thing a block does passes
blame on to the last thing the block before it did, and each of the two stands for that thing in all blocks.

Read next: `viz/groups.py`, which nodes become one; `viz/repeats.py`, what repeats what.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from viz.checks import check_depth
from viz.data import Edge, Node
from viz.groups import Group, groups
from viz.repeats import joined, pattern

Doors = Mapping[str, Mapping[str, Node]]


def fold(
    nodes: Sequence[Node], edges: Sequence[Edge], depth: int, repeats: bool
) -> tuple[tuple[Node, ...], tuple[Edge, ...]]:
    """Boxes and the edges between them; see this module's docstring."""
    check_depth("fold", depth)
    if any(node.op == "module" for node in nodes):
        raise ValueError("fold: this flow is folded already, and its boxes are closed; fold the flow it was made from")
    group_of = groups(nodes, edges, depth, repeats)
    members: dict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        members[group_of[node.id].id].append(node)
    doors = _doors(nodes, edges, group_of)
    boxes = [folded(group_of[inside[0].id], inside, list(doors[group].values())) for group, inside in members.items()]
    return tuple(boxes), tuple(_edges(edges, group_of, doors))


def _doors(nodes: Sequence[Node], edges: Sequence[Edge], group_of: Mapping[str, Group]) -> Doors:
    """For each group its doors, by id."""
    by_id = {node.id: node for node in nodes}
    doors: dict[str, dict[str, Node]] = defaultdict(dict)
    for edge in edges:
        if group_of[edge.source] != group_of[edge.target]:
            doors[group_of[edge.target].id][edge.target] = by_id[edge.target]
    return doors


def _edges(edges: Sequence[Edge], group_of: Mapping[str, Group], doors: Doors) -> list[Edge]:
    """All that arrives at a door, by the groups it comes from and goes to."""
    arriving: dict[tuple[str, str], list[Edge]] = defaultdict(list)
    plain = {group.id for group in group_of.values() if not group.is_box and group.times == 1}
    for edge in edges:
        source, target = group_of[edge.source].id, group_of[edge.target].id
        if edge.target in doors[target]:
            arriving[source, target].append(edge)
    norms = {group: math.hypot(*(door.norm for door in inside.values())) for group, inside in doors.items()}
    return [
        among[0] if len(among) == 1 and plain.issuperset(ends) else merged(ends, among, doors[ends[1]], norms[ends[1]])
        for ends, among in arriving.items()
    ]


def merged(ends: tuple[str, str], among: Sequence[Edge], doors: Mapping[str, Node], whole: float) -> Edge:
    """One edge for several; `whole` is the norm of all that arrives at the doors."""
    share = 0.0 if whole else math.nan
    for edge in among:
        norm = doors[edge.target].norm
        share += edge.share * (norm / whole) ** 2 if norm else 0.0
    norm = math.hypot(*(edge.norm for edge in among))
    return Edge(*ends, norm, share, count=sum(edge.count for edge in among))


def folded(group: Group, inside: Sequence[Node], doors: Sequence[Node]) -> Node:
    """One node for everything inside. Nodes are ordered from the loss back, so the first is the last made."""
    result = inside[0]
    if not group.is_box and group.times == 1:
        return replace(result, scope=group.scope)
    arriving = doors or [result]  # nothing arrives in the loss from elsewhere: it is its own door
    norm = math.hypot(*(door.norm for door in arriving))
    size = sum(math.prod(door.shape) for door in arriving)
    names = [node.name for node in inside if node.name is not None]
    same_name = len(names) == len(inside) and len({pattern(name) for name in names}) == 1
    return Node(
        id=group.id,
        op="module" if group.is_box else result.op,
        name=joined(names) if same_name and not group.is_box else None,
        scope=group.scope,
        shape=result.shape,
        dtype=result.dtype,
        norm=norm,
        rms=norm / math.sqrt(size) if size else 0.0,
        parameters=sum(node.parameters for node in inside),
        blame=math.fsum(node.blame for node in inside),
        count=group.times,
        formula="" if group.is_box else result.formula,
        calls=group.calls,
    )

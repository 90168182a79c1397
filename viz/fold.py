"""fold: from ops to modules.

A box stands for one call of a module. An op between calls, such as the addition of a residual stream, stays a node of
its own. The boxes and ops of equal pieces in a row become one each, whose `count` says how many it stands for, and
whose path says which: `blocks.0-11`.

Contributions from outside a box arrive at some of its nodes, here called its doors. The folded edge A -> B carries all
contributions from A into doors of B, and its share is

    sum of <c, dL/dx> over these contributions   /   sum of |dL/dx|^2 over the doors of B

so the shares into a box still add up to 1, with an edge from the box to itself for what its doors receive from inside.
The same holds for a box that stands for many: what passes from one of them to another is inside.

Every box is a stretch of the recording, and stretches follow one another; so without repeats the source of every edge
comes before its target in `nodes`. With repeats an edge may lead back: the first op of a block passes blame to the last
op of the block before it, and either node stands for its op in all blocks.

Read next: `viz/groups.py`, which nodes become one.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from viz.checks import check_depth
from viz.data import Edge, Node, total
from viz.groups import Group, groups
from viz.repeats import joined, pattern

Doors = Mapping[str, Mapping[str, Node]]


def fold(
    nodes: Sequence[Node], edges: Sequence[Edge], depth: int, repeats: bool
) -> tuple[tuple[Node, ...], tuple[Edge, ...]]:
    """Boxes and the edges between them; see this module's docstring."""
    check_depth("fold", depth)
    if any(node.op == "module" for node in nodes):
        raise ValueError("fold: this flow is folded already; fold the flow it was made from")
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
    """The contributions into doors, those from one group into another merged into one edge."""
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
    """One edge for several; `whole` is the norm of all gradients at the doors."""
    share = 0.0 if whole else math.nan
    for edge in among:
        norm = doors[edge.target].norm
        share += edge.share * (norm / whole) ** 2 if norm else 0.0
    norm = math.hypot(*(edge.norm for edge in among))
    return Edge(*ends, norm, share, count=sum(edge.count for edge in among))


def folded(group: Group, inside: Sequence[Node], doors: Sequence[Node]) -> Node:
    """One node for a group. Nodes are ordered from the loss back, so the first of them was computed last."""
    result = inside[0]
    if not group.is_box and group.times == 1:
        return replace(result, scope=group.scope)
    arriving = doors or [result]  # no contribution flows into the loss: it is its own door
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
        saved=total(node.saved for node in inside),
        trouble=any(node.trouble for node in inside),
        line=result.line if not group.is_box and len({node.line for node in inside}) == 1 else None,
    )

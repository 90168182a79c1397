"""groups: which nodes become one when a flow is folded.

A box is one call of a module: a stretch of the recording during which only that module worked. An op directly in a
module, between the calls of inner modules, stays a node of its own; a leaf joins the box that uses it, if nothing else
uses it. With repeats, the equal boxes, ops and leaves of equal pieces share one group.

Read next: `viz/repeats.py`, which pieces are equal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from viz.data import Edge, Node
from viz.repeats import Address, Op, address, joined, originals, pattern


class Group(NamedTuple):
    """Nodes that become one node.

    Fields:
        id: that of the oldest op in it; in a group of leaves, that of the oldest leaf.
        scope, calls: of the one node; for a box, these include the box itself.
        times: the number of boxes, ops or leaves.
        is_box: whether it stands for calls of modules.
    """

    id: str
    scope: tuple[str, ...]
    calls: tuple[int, ...]
    times: int
    is_box: bool


class _Box(NamedTuple):
    """A stretch of the recording that starts at op `start`, and its call; for an op on its own, an empty call."""

    start: int
    call: Address


def groups(nodes: Sequence[Node], edges: Sequence[Edge], depth: int, repeats: bool) -> dict[str, Group]:
    """The group of each node."""
    ops = _recording(nodes, edges)
    boxes = _boxes(nodes, ops, depth)
    first = originals(ops, depth) if repeats else list(range(len(ops)))
    equal: dict[int, list[_Box]] = defaultdict(list)
    for box in dict.fromkeys(boxes):
        equal[boxes[first[box.start]].start].append(box)
    made = {start: _group(ops, same) for start, same in equal.items()}
    of_ops = [made[boxes[same].start] for same in first]
    found = {op.node.id: group for op, group in zip(ops, of_ops, strict=True)}
    for leaves, group in _leaves(nodes, ops, first, of_ops):
        found |= dict.fromkeys((leaf.id for leaf in leaves), group)
    return found


def _recording(nodes: Sequence[Node], edges: Sequence[Edge]) -> list[Op]:
    """The ops, oldest first, with the arguments of each."""
    ops = [node for node in reversed(nodes) if node.op != "leaf"]
    by_id: dict[str, int | Node] = {node.id: node for node in nodes if node.op == "leaf"}
    by_id |= {node.id: place for place, node in enumerate(ops)}
    reads: dict[str, list[tuple[int | None, int | Node]]] = defaultdict(list)
    for edge in edges:
        reads[edge.source].append((edge.argument, by_id[edge.target]))
    return [Op(node, reads[node.id]) for node in ops]


def _boxes(nodes: Sequence[Node], ops: Sequence[Op], depth: int) -> list[_Box]:
    """The box of each op."""
    containers = {node.scope[:k] for node in nodes for k in range(min(len(node.scope), depth))}
    boxes: list[_Box] = []
    for place, op in enumerate(ops):
        call = () if op.node.scope[:depth] in containers else address(op.node)[:depth]
        boxes.append(boxes[-1] if call and boxes and boxes[-1].call == call else _Box(place, call))
    return boxes


def _group(ops: Sequence[Op], equal: Sequence[_Box]) -> Group:
    """The group of equal boxes, or of equal ops on their own."""
    oldest = ops[equal[0].start].node
    depth = len(equal[0].call) or len(oldest.scope)
    levels = zip(*(ops[box.start].node.scope[:depth] for box in equal), strict=True)
    scope = tuple(joined(names) for names in levels)
    return Group(oldest.id, scope, oldest.calls[:depth], len(equal), bool(equal[0].call))


def _leaves(
    nodes: Sequence[Node], ops: Sequence[Op], first: Sequence[int], of_ops: Sequence[Group]
) -> Iterator[tuple[Sequence[Node], Group]]:
    """Leaves and their group: the only box that uses them, or else a group of all leaves that are used alike."""
    uses: dict[str, list[tuple[int, int | None]]] = defaultdict(list)
    for place, op in enumerate(ops):
        for argument, read in op.reads:
            if not isinstance(read, int):
                uses[read.id].append((place, argument))
    alike: dict[Any, list[Node]] = defaultdict(list)
    for leaf in (node for node in reversed(nodes) if node.op == "leaf"):
        users = {of_ops[place] for place, _ in uses[leaf.id]}
        if len(users) == 1 and (user := next(iter(users))).is_box:
            yield [leaf], user
        else:
            used = sorted((first[place], argument or 0) for place, argument in uses[leaf.id])
            alike[pattern(leaf.name), leaf.shape, leaf.dtype, *used].append(leaf)
    for leaves in alike.values():
        oldest = leaves[0]
        scope = oldest.scope
        for place, _ in uses[oldest.id][:1]:  # drawn in the frame of the op that uses it first
            if ops[place].node.scope == scope:
                scope = (*of_ops[place].scope, *scope[len(of_ops[place].scope) :])
        yield leaves, Group(oldest.id, scope, oldest.calls, len(leaves), False)

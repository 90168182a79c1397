"""prune: keep the few contributions that carry most of the blame, and merge all others.

The edges out of the loss are kept, because all blame starts there; then the largest others, each with a path from the
loss to it, until their norms bring the sum to the fraction asked for. The path is the one whose weakest edge is
strongest. Nodes without a kept edge are merged into one node, "other". The edges that are not kept are merged too, and
start or end there:

    into a kept node                                  other -> target, whose share is the sum of the shares
    from a kept node into a pruned one                source -> other
    between two pruned nodes                          other -> other

The invariant: nothing is lost, and blame runs from the loss to every node that is kept. The shares into a kept node
still add up to 1. So do those into "other", which are taken over all gradients merged there. The counts of all nodes,
and those of all edges, add up to what they were before: the counts of "other" and of its edges say how much was pruned.

Read next: `viz/text.py`, blame without a picture.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush

from viz.data import Edge, Node, total

OTHER = "other"
_ROUNDING = 1e-12  # relative; too little to be a reason to keep one more edge


def prune(nodes: Sequence[Node], edges: Sequence[Edge], keep: float) -> tuple[tuple[Node, ...], tuple[Edge, ...]]:
    """Nodes and edges of the pruned flow; see this module's docstring."""
    if not 0 < keep <= 1:
        raise ValueError(f"prune: keep must be above 0 and at most 1, not {keep}")
    chosen = _largest(edges, keep, loss=nodes[0].id)
    if keep == 1 or len(chosen) == len(edges):
        return tuple(nodes), tuple(edges)
    kept = [edge for number, edge in enumerate(edges) if number in chosen]
    rest = [edge for number, edge in enumerate(edges) if number not in chosen]
    touched = {nodes[0].id}.union(*((edge.source, edge.target) for edge in kept))
    pruned = {node.id: node for node in nodes if node.id not in touched}
    staying = [node for node in nodes if node.id in touched]
    return (*staying, _other(list(pruned.values()))), (*kept, *_merged(rest, pruned))


def _largest(edges: Sequence[Edge], keep: float, loss: str) -> set[int]:
    """The numbers of the edges to keep. What an earlier pruning merged into "other" stays there.

    Edges out of the loss, and those whose norm is not finite, are always kept.
    """
    enough = keep * sum(edge.norm for edge in edges if math.isfinite(edge.norm)) * (1 - _ROUNDING)
    candidates = [number for number, edge in enumerate(edges) if OTHER not in (edge.source, edge.target)]
    leading = _leading(edges, candidates, loss)
    always = {number for number in candidates if edges[number].source == loss or not math.isfinite(edges[number].norm)}
    chosen: set[int] = set()
    carried = 0.0
    for number in sorted(candidates, key=lambda number: (number not in always, -edges[number].norm, number)):
        if carried >= enough and number not in always:
            break
        step: int | None = number
        while step is not None and step not in chosen:
            chosen.add(step)
            carried += edges[step].norm if math.isfinite(edges[step].norm) else 0.0
            step = leading.get(edges[step].source)
    return chosen


def _leading(edges: Sequence[Edge], candidates: Iterable[int], loss: str) -> dict[str, int]:
    """For each node the last edge of a path from the loss: of all paths, the one whose weakest edge is strongest.

    These paths form a tree, which grows from the loss, each time by the largest edge out of it (Prim's algorithm).
    """
    leaving: dict[str, list[int]] = defaultdict(list)
    for number in candidates:
        leaving[edges[number].source].append(number)
    leading: dict[str, int] = {}
    waiting = [(-_weight(edges[number]), number) for number in leaving[loss]]
    heapify(waiting)
    while waiting:
        _, number = heappop(waiting)
        node = edges[number].target
        if node not in leading and node != loss:
            leading[node] = number
            for onward in leaving[node]:
                heappush(waiting, (-_weight(edges[onward]), onward))
    return leading


def _weight(edge: Edge) -> float:
    """An edge's norm; an infinite one or nan weighs most."""
    return edge.norm if math.isfinite(edge.norm) else math.inf


def _other(pruned: Sequence[Node]) -> Node:
    """The node "other"."""
    norm = math.hypot(*(node.norm for node in pruned))
    size = sum(map(_size, pruned))
    return Node(
        id=OTHER,
        op=OTHER,
        name=None,
        scope=(),
        shape=pruned[0].shape if pruned else (),
        dtype=pruned[0].dtype if pruned else "",
        norm=norm,
        rms=norm / math.sqrt(size) if size else 0.0,
        parameters=sum(node.parameters for node in pruned),
        blame=math.fsum(node.blame for node in pruned),
        count=sum(node.count for node in pruned),
        saved=total(node.saved for node in pruned),
        trouble=any(node.trouble for node in pruned),
    )


def _size(node: Node) -> float:
    """The number of elements of a node's gradients; those of a box are recovered from (norm / rms) squared."""
    if 0 < node.rms < math.inf:
        return (node.norm / node.rms) ** 2
    return node.count * math.prod(node.shape)


def _merged(rest: Sequence[Edge], pruned: Mapping[str, Node]) -> Iterator[Edge]:
    """The edges from and into "other", in place of those that are not kept."""
    among: dict[tuple[str, str], list[Edge]] = defaultdict(list)
    for edge in rest:
        if edge.target not in pruned:
            among[OTHER, edge.target].append(edge)
        else:
            among[OTHER if edge.source in pruned else edge.source, OTHER].append(edge)
    whole = math.hypot(*(node.norm for node in pruned.values()))
    for ends, merged in among.items():
        if ends[1] == OTHER:
            norms = [(edge, pruned[edge.target].norm) for edge in merged]
            share = sum(edge.share * (norm / whole) ** 2 for edge, norm in norms if norm) if whole else math.nan
        else:
            share = sum(edge.share for edge in merged)
        norm, count = math.hypot(*(edge.norm for edge in merged)), sum(edge.count for edge in merged)
        yield Edge(*ends, norm, share, count=count)

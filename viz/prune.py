"""prune: the few contributions that carry most of the blame, and all others together.

Kept are the edges out of the loss, because all blame begins with them, and with them the fewest others such that all
norms kept add up to the fraction asked for. Nodes that no kept edge touches go into one node, "other"; so does the
beginning or the end of every edge that is not kept:

    between two kept nodes, or out of a pruned one   other -> target, whose share is the sum of the shares
    out of a kept node into a pruned one             source -> other
    between two pruned ones                          other -> other

The invariant: nothing is lost. Shares into a kept node still add up to 1. So do those into "other", which is no module
that blame enters and leaves but a bag: they are taken over all gradients in it. The counts of all nodes, and those of
all edges, add up to what they were: the counts of "other" and of its edges say what was pruned.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from viz.data import Edge, Node

OTHER = "other"
_ROUNDING = 1e-12  # which is no reason to keep one edge more


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
    bag = {node.id: node for node in nodes if node.id not in touched}
    staying = [node for node in nodes if node.id in touched]
    return (*staying, _other(list(bag.values()))), (*kept, *_merged(rest, bag))


def _largest(edges: Sequence[Edge], keep: float, loss: str) -> set[int]:
    """Which edges to keep, by number. What an earlier pruning put into "other" stays there.

    Whatever their size, those out of the loss are kept, and those that overflowed.
    """
    enough = keep * sum(edge.norm for edge in edges if math.isfinite(edge.norm)) * (1 - _ROUNDING)
    candidates = [number for number, edge in enumerate(edges) if OTHER not in (edge.source, edge.target)]
    chosen = {number for number in candidates if edges[number].source == loss or not math.isfinite(edges[number].norm)}
    carried = sum(edges[number].norm for number in chosen if math.isfinite(edges[number].norm))
    for number in sorted(set(candidates) - chosen, key=lambda number: (-edges[number].norm, number)):
        if carried >= enough:
            break
        chosen.add(number)
        carried += edges[number].norm
    return chosen


def _other(bag: Sequence[Node]) -> Node:
    """One node for all that was pruned."""
    norm = math.hypot(*(node.norm for node in bag))
    size = sum(map(_size, bag))
    return Node(
        id=OTHER,
        op=OTHER,
        name=None,
        scope=(),
        shape=bag[0].shape if bag else (),
        dtype=bag[0].dtype if bag else "",
        norm=norm,
        rms=norm / math.sqrt(size) if size else 0.0,
        parameters=sum(node.parameters for node in bag),
        blame=math.fsum(node.blame for node in bag),
        count=sum(node.count for node in bag),
    )


def _size(node: Node) -> float:
    """How many numbers the gradients in a node have, which a box does not say but with its norm and its rms."""
    if 0 < node.rms < math.inf:
        return (node.norm / node.rms) ** 2
    return node.count * math.prod(node.shape)


def _merged(rest: Sequence[Edge], bag: Mapping[str, Node]) -> Iterator[Edge]:
    """The edges from and to "other"."""
    among: dict[tuple[str, str], list[Edge]] = defaultdict(list)
    for edge in rest:
        if edge.target not in bag:
            among[OTHER, edge.target].append(edge)
        else:
            among[OTHER if edge.source in bag else edge.source, OTHER].append(edge)
    whole = math.hypot(*(node.norm for node in bag.values()))
    for ends, merged in among.items():
        if ends[1] == OTHER:
            parts = [edge.share * (bag[edge.target].norm / whole) ** 2 for edge in merged if bag[edge.target].norm]
            share = sum(parts) if whole else math.nan
        else:
            share = sum(edge.share for edge in merged)
        norm, count = math.hypot(*(edge.norm for edge in merged)), sum(edge.count for edge in merged)
        yield Edge(*ends, norm, share, count=count)

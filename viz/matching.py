"""matching: which parts of two flows are the same part.

Nodes are the same if they have the same path, name or op, and number among those that share these, in the order of the
recording; the losses are the same whatever they are. Edges are the same if they join the same nodes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from viz.data import Edge, Node

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

NodeKey = tuple[tuple[str, ...], str, int]
EdgeKey = tuple[NodeKey, NodeKey, int]

LOSS: NodeKey = ((), "loss", 0)


def node_keys(nodes: Sequence[Node]) -> dict[NodeKey, Node]:
    """The nodes by what identifies them in another flow, from the loss back."""
    seen = Counter[tuple[tuple[str, ...], str]]()
    keys: dict[NodeKey, Node] = {}
    for node in reversed(nodes):
        what = node.scope, node.name or node.op
        keys[LOSS if node is nodes[0] else (*what, seen[what])] = node
        seen[what] += 1
    return dict(reversed(keys.items()))


def edge_keys(edges: Iterable[Edge], nodes: Mapping[NodeKey, Node]) -> dict[EdgeKey, Edge]:
    """The edges by what identifies them in another flow."""
    key_of = {node.id: key for key, node in nodes.items()}
    seen = Counter[tuple[NodeKey, NodeKey]]()
    keys: dict[EdgeKey, Edge] = {}
    for edge in edges:
        ends = key_of[edge.source], key_of[edge.target]
        keys[*ends, seen[ends]] = edge
        seen[ends] += 1
    return keys


def pairs(a: Mapping[K, V], b: Mapping[K, V]) -> dict[K, tuple[V | None, V | None]]:
    """What has the same key in both, in the order of `a`; what only `b` has stands where it stands in `b`."""
    behind: dict[K | None, list[K]] = defaultdict(list)
    latest: K | None = None
    for key in b:
        if key in a:
            latest = key
        else:
            behind[latest].append(key)
    order = [*behind[None], *(key for here in a for key in (here, *behind[here]))]
    return {key: (a.get(key), b.get(key)) for key in order}


def name_of(key: NodeKey) -> str:
    """A node's path, and its name or op if that is not the path's end."""
    scope, name, number = key
    parts = scope if name == "module" else (*scope, name)
    return ".".join(parts) + (f" #{number + 1}" if number else "")

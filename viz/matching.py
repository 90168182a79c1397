"""matching: which nodes and edges of two flows correspond.

Nodes correspond if they have the same path, the same name (or op, without a name), and the same number among all nodes
with these, in the order of the recording; the two losses always correspond. Edges correspond if they join corresponding
nodes.

Read next: `viz/versus.py`, the tables of a comparison.
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
    """The nodes by a key that corresponding nodes of another flow have too, from the loss back."""
    seen = Counter[tuple[tuple[str, ...], str]]()
    keys: dict[NodeKey, Node] = {}
    for node in reversed(nodes):
        named = node.scope, node.name or node.op
        keys[LOSS if node is nodes[0] else (*named, seen[named])] = node
        seen[named] += 1
    return dict(reversed(keys.items()))


def edge_keys(edges: Iterable[Edge], nodes: Mapping[NodeKey, Node]) -> dict[EdgeKey, Edge]:
    """The edges by a key that corresponding edges of another flow have too."""
    key_of = {node.id: key for key, node in nodes.items()}
    seen = Counter[tuple[NodeKey, NodeKey]]()
    keys: dict[EdgeKey, Edge] = {}
    for edge in edges:
        ends = key_of[edge.source], key_of[edge.target]
        keys[*ends, seen[ends]] = edge
        seen[ends] += 1
    return keys


def pairs(a: Mapping[K, V], b: Mapping[K, V]) -> dict[K, tuple[V | None, V | None]]:
    """The two values of every key, in the order of `a`; a key that only `b` has follows the one it follows in `b`."""
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
    """A node's path, and its name or op unless it is a box, whose name ends the path."""
    scope, name, number = key
    parts = scope if name == "module" else (*scope, name)
    return ".".join(parts) + (f" #{number + 1}" if number else "")

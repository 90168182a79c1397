"""The recorded graph: one `Node` for each application of an op.

The idea: every op on a tensor that requires a gradient records a `Node`. A node knows which op was applied, which nodes
the arguments came from, and the few values that the op's rules ask for. It does not hold its own output: the array
belongs to the tensor that the op returned.

The invariant: **a node is younger than its parents.** Nodes are numbered as they are made, so walking the
reachable nodes from the highest number to the lowest is a reverse topological order, and references run from
newer to older only. There is no cycle: reference counting alone frees a graph.

    x ── multiply ── sum            x: Node 0 (a leaf)    multiply: Node 1    sum: Node 2
    └──────┘                        sum.parents = (multiply,)    multiply.parents = (x, x)

Read next: `engine/tensor.py`, the handle on an array and its node.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import count
from typing import Any, Protocol
from weakref import ref

import numpy as np

from engine.arrays import Array
from engine.op import Op
from engine.origins import Origin
from engine.plan import Plan

next_serial = count(1).__next__
NO_METADATA: dict[str, Any] = {}  # one for all nodes of ops without any, and for freed nodes; never written


class AwaitsGradient(Protocol):
    """What a sweep delivers a gradient to: a tensor."""

    array: Array
    grad: Any


class Notes:
    """What only a few nodes carry.

    Fields:
        name: the name the user gave, or None.
        target: a weak reference to the tensor whose `.grad` a backward pass fills, or None.
        hooks: functions that see, and may replace, the node's gradient, in the order they were given.
        origin: the line of user code that made the node, noted under `keep_lines` and `detect_anomaly`.
        value: the node's value, kept under `keep_values`, or None.
    """

    __slots__ = ("hooks", "name", "origin", "target", "value")

    def __init__(self) -> None:
        self.name: str | None = None
        self.target: ref[AwaitsGradient] | None = None
        self.hooks: dict[int, Callable[[Any], Any]] = {}
        self.origin: Origin | None = None
        self.value: Any = None


class Node:
    """One recorded application of an op; a leaf (a tensor made by the user) has no op.

    Fields:
        serial: age; every parent's is smaller.
        links: the parents, by argument; the parent itself where only one argument requires a gradient. (A tuple for
            every node would be as many objects more for Python's garbage collector to walk, again and again.)
        plan: which of the op's rules will run, and which saved values each of them reads (None for a leaf).
        saved: the values those rules asked for; None once a sweep has used and freed them.
        metadata: the op's keyword arguments (`axis`, `shape`, ...).
        shape, dtype: of the output, and so of its gradient.
        scope: names of the modules that were running, outermost first.
        notes: a name, the tensor awaiting the gradient, hooks; None for most nodes.
    """

    __slots__ = (
        "__weakref__",
        "dtype",
        "links",
        "metadata",
        "notes",
        "plan",
        "saved",
        "scope",
        "serial",
        "shape",
    )

    # There is no __init__: a function fills the fields of a new node, because Python would take as long to call it.
    serial: int
    links: Node | tuple[Node | None, ...]
    plan: Plan | None
    saved: tuple[Any, ...] | None
    metadata: dict[str, Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scope: tuple[str, ...]
    notes: Notes | None

    @property
    def primitive(self) -> Op | None:
        """The op applied, None for a leaf."""
        return None if self.plan is None else self.plan.op

    @property
    def parents(self) -> tuple[Node | None, ...]:
        """One entry per argument, None where the argument requires no gradient."""
        links = self.links
        if isinstance(links, tuple):
            return links
        assert self.plan is not None
        return tuple([links if wanted else None for wanted in self.plan.wanted])

    @property
    def op(self) -> str:
        """The op's name; "leaf" for a tensor the user made."""
        return "leaf" if self.primitive is None else self.primitive.name

    @property
    def name(self) -> str | None:
        """The name the user gave."""
        return None if self.notes is None else self.notes.name

    @property
    def place(self) -> str:
        """Where the node was made, for messages: its scope, and the line of user code if that was noted."""
        return place_of(self.scope, None if self.notes is None else self.notes.origin)

    @property
    def target(self) -> Any:
        """The tensor that awaits this node's gradient, if it still exists; else None."""
        return None if self.notes is None or self.notes.target is None else self.notes.target()

    def note(self) -> Notes:
        """The node's notes, for writing; made if there are none yet."""
        if self.notes is None:
            self.notes = Notes()
        return self.notes

    def __repr__(self) -> str:
        where = f" in {'.'.join(self.scope)}" if self.scope else ""
        return f"<Node {self.serial}: {self.op}{where}, shape {self.shape}>"


def place_of(scope: tuple[str, ...], origin: Origin | None) -> str:
    """ " (in scope, made at origin)", for the end of a message, without the parts that are not known."""
    known = [f"in {'.'.join(scope)}"] * bool(scope) + [f"made at {origin}"] * bool(origin)
    return f" ({', '.join(known)})" if known else ""


def freed(node: Node) -> RuntimeError:
    """The error that is raised when a freed graph is used again."""
    return RuntimeError(
        f"{node.op}: its graph was freed by an earlier backward{node.place}; call that one with retain_graph=True, "
        "or compute the loss again"
    )


def leaf(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Node:
    """A node without an op, for a tensor made by the user: its gradient ends there."""
    node = Node()
    node.serial = next_serial()
    node.links = ()
    node.plan = None
    node.saved = ()
    node.metadata = NO_METADATA
    node.shape = shape
    node.dtype = dtype
    node.scope = ()
    node.notes = None
    return node


def linked(parents: Sequence[Node | None]) -> Node | tuple[Node | None, ...]:
    """The links of a node with these parents."""
    known = [parent for parent in parents if parent is not None]
    return known[0] if len(known) == 1 else tuple(parents)


def oldest_first(nodes: Iterable[Node]) -> list[Node]:
    """Nodes by age, which is a topological order."""
    return sorted(nodes, key=lambda node: node.serial)


def reachable(root: Node, oldest: int = 0, also: Collection[Node] = ()) -> list[Node]:
    """Every node that leads to `root` and whose serial number is at least `oldest`, or that is in `also`; oldest first.

    Raises RuntimeError where a node on the way was freed.
    """
    seen = {root}
    stack = [root]
    while stack:
        node = stack.pop()
        if node.saved is None:
            raise freed(node)  # its parents are gone
        links: Any = node.links
        for parent in links if type(links) is tuple else (links,):
            if parent is not None and parent not in seen and (parent.serial >= oldest or parent in also):
                seen.add(parent)
                stack.append(parent)
    return oldest_first(seen)


def between(root: Node, ends: Collection[Node], oldest: int = 0) -> list[Node]:
    """The nodes on every path from one of `ends` to `root`, both included, oldest first; empty if there is no path.

    A path passes only through nodes whose serial number is at least `oldest`.
    """
    if not ends:
        return []
    oldest = max(oldest, min(node.serial for node in ends))
    nodes = reachable(root, oldest, ends)
    found = set(ends).intersection(nodes)
    for node in nodes:
        if node.serial >= oldest and not found.isdisjoint(node.parents):
            found.add(node)
    return oldest_first(found)

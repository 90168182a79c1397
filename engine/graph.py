"""The recorded graph: one `Node` for each application of an op.

The idea: while a program computes, each op that touches a tensor somebody wants a gradient for leaves a `Node`
behind. A node knows which op it applied, which nodes its arguments came from, and the few values the op's rules
ask for. It does not know its own output: the array belongs to whoever holds the tensor.

The invariant: **a node is younger than its parents.** Nodes are numbered as they are made, so walking the
reachable nodes from the highest number to the lowest is a reverse topological order, and references run from
newer to older only. There is no cycle: reference counting alone frees a graph.

    x ── multiply ── sum            x: Node 0 (a leaf)    multiply: Node 1    sum: Node 2
    └──────┘                        sum.parents = (multiply,)    multiply.parents = (x, x)

Read next: `engine/recording.py` (when nodes are made), then `engine/tensor.py` (the user's handle).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

if TYPE_CHECKING:
    from engine.plan import Plan
    from engine.primitive import Primitive
    from engine.tensor import Tensor

next_serial = count(1).__next__
_FORGOTTEN: dict[str, Any] = {}


class Notes:
    """What only a few nodes carry.

    Fields:
        name: what the user called it, or None.
        target: a weak reference to the tensor whose `.grad` a backward pass fills, or None.
        hooks: functions that see, and may replace, the node's gradient, in the order they were given.
        origin: the line of user code that made the node, noted under `detect_anomaly`.
        value: the node's value, kept under `keep_values`, or None.
        suspect: made by a recorded sweep from a nan that a zero cotangent met; so it may have saved one.
    """

    __slots__ = ("hooks", "name", "origin", "suspect", "target", "value")

    def __init__(self) -> None:
        self.name: str | None = None
        self.target: ref[Tensor] | None = None
        self.hooks: dict[int, Callable[[Tensor], Any]] = {}
        self.origin: str | None = None
        self.value: Any = None
        self.suspect = False


class Node:
    """One recorded application of an op; a leaf (a tensor made by the user) has no op.

    Fields:
        serial: age; every parent's is smaller.
        primitive: the op applied, None for a leaf.
        parents: one entry per argument, None where the argument wants no gradient.
        plan: which of the op's rules will run, and where each finds its values (None for a leaf).
        saved: the values those rules asked for; None once a sweep has used and freed them.
        metadata: the op's keyword arguments (`axis`, `shape`, ...).
        shape, dtype: of the output, hence of its gradient.
        scope: names of the modules that were running, outermost first.
        notes: a name, a tensor waiting for the gradient, hooks; None for most.
    """

    __slots__ = (
        "__weakref__",
        "dtype",
        "metadata",
        "notes",
        "parents",
        "plan",
        "primitive",
        "saved",
        "scope",
        "serial",
        "shape",
    )

    def __init__(
        self,
        primitive: Primitive | None,
        parents: Sequence[Node | None],
        plan: Plan | None,
        saved: tuple[Any, ...],
        metadata: dict[str, Any],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        scope: tuple[str, ...],
    ) -> None:
        self.serial = next_serial()
        self.primitive = primitive
        self.parents = parents
        self.plan = plan
        self.saved: tuple[Any, ...] | None = saved
        self.metadata = metadata
        self.shape = shape
        self.dtype = dtype
        self.scope = scope
        self.notes: Notes | None = None

    @property
    def op(self) -> str:
        """The op's name; "leaf" for a tensor the user made."""
        return "leaf" if self.primitive is None else self.primitive.name

    @property
    def name(self) -> str | None:
        """What the user called it."""
        return None if self.notes is None else self.notes.name

    @property
    def place(self) -> str:
        """Where it was made, for messages: its scope, and under `detect_anomaly` the line of user code."""
        return place_of(self.scope, None if self.notes is None else self.notes.origin)

    @property
    def target(self) -> Tensor | None:
        """The tensor that awaits this node's gradient, if it is still there."""
        return None if self.notes is None or self.notes.target is None else self.notes.target()

    def note(self) -> Notes:
        """The node's notes, to be written."""
        if self.notes is None:
            self.notes = Notes()
        return self.notes

    def free(self) -> None:
        """Forget what this node kept and where it came from. Nobody can sweep through it again."""
        self.saved = None
        self.parents = ()
        self.metadata = _FORGOTTEN

    def __repr__(self) -> str:
        where = f" in {'.'.join(self.scope)}" if self.scope else ""
        return f"<Node {self.serial}: {self.op}{where}, shape {self.shape}>"


def place_of(scope: tuple[str, ...], origin: str | None) -> str:
    """ " (in scope, made at origin)", for the end of a message; less where less is known."""
    known = [f"in {'.'.join(scope)}"] * bool(scope) + [f"made at {origin}"] * bool(origin)
    return f" ({', '.join(known)})" if known else ""


def freed(node: Node) -> RuntimeError:
    """The error of whoever comes to a node that a sweep has freed."""
    return RuntimeError(
        f"{node.op}: its graph was freed by an earlier backward{node.place}; call that one with retain_graph=True, "
        "or compute the loss again"
    )


def leaf(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Node:
    """A node for a tensor made by the user: nothing to differentiate, only a place for the gradient to arrive."""
    return Node(None, (), None, (), {}, shape, dtype, ())


def oldest_first(nodes: Iterable[Node]) -> list[Node]:
    """Nodes by age, which is a topological order."""
    return sorted(nodes, key=lambda node: node.serial)


def reachable(root: Node, since: int = 0, also: Collection[Node] = ()) -> list[Node]:
    """Every node that leads to `root` and is no older than the number `since`, or is in `also`; oldest first.

    Raises RuntimeError where a node on the way was freed.
    """
    seen = {root}
    stack = [root]
    while stack:
        node = stack.pop()
        if node.saved is None:
            raise freed(node)  # what led to it is forgotten
        for parent in node.parents:
            if parent is not None and parent not in seen and (parent.serial >= since or parent in also):
                seen.add(parent)
                stack.append(parent)
    return oldest_first(seen)


def between(root: Node, ends: Collection[Node], since: int = 0) -> list[Node]:
    """The nodes on any way from one of `ends` to `root`, both included, oldest first; empty if there is no way.

    A way passes only through nodes no older than the number `since`.
    """
    if not ends:
        return []
    since = max(since, min(node.serial for node in ends))
    nodes = reachable(root, since, ends)
    found = set(ends).intersection(nodes)
    for node in nodes:
        if node.serial >= since and not found.isdisjoint(node.parents):
            found.add(node)
    return oldest_first(found)

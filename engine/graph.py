"""The recorded graph: one `Node` for each application of an op.

The idea: while a program computes, each op that touches a tensor somebody wants a gradient for leaves a `Node`
behind. A node knows which op it applied, which nodes its arguments came from, and the few values the op's rules
ask for. It does not know its own output: the array belongs to whoever holds the tensor.

The invariant: **a node is younger than its parents.** Nodes are numbered as they are made, so walking the
reachable nodes from the highest number to the lowest is a reverse topological order, and references run from
newer to older only. There is no cycle: reference counting alone frees a graph.

    x ── multiply ── sum            x: Node 0 (a leaf)    multiply: Node 1    sum: Node 2
    └──────┘                        sum.parents = (multiply,)    multiply.parents = (x, x)

Whether ops record, for which kind of rules, and under which scope name is one small immutable value in a
context variable, so a thread or an asyncio task never sees another's setting.

Read next: `engine/tensor.py` (the user's handle), then `engine/primitive.py` (what an op is).
"""

from __future__ import annotations

from contextlib import ContextDecorator
from contextvars import ContextVar, Token
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import ref

import numpy as np

if TYPE_CHECKING:
    from engine.plan import Plan
    from engine.primitive import Primitive
    from engine.tensor import Tensor

next_serial = count(1).__next__


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
        name: what the user called it, or None.
        target: a weak reference to the tensor whose `.grad` a backward pass fills, or None.
    """

    __slots__ = (
        "__weakref__",
        "dtype",
        "metadata",
        "name",
        "parents",
        "plan",
        "primitive",
        "saved",
        "scope",
        "serial",
        "shape",
        "target",
    )

    def __init__(
        self,
        primitive: Primitive | None,
        parents: tuple[Node | None, ...],
        plan: Plan | None,
        saved: tuple[Any, ...] | None,
        metadata: dict[str, Any],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        scope: tuple[str, ...],
    ) -> None:
        self.serial = next_serial()
        self.primitive = primitive
        self.parents = parents
        self.plan = plan
        self.saved = saved
        self.metadata = metadata
        self.shape = shape
        self.dtype = dtype
        self.scope = scope
        self.name: str | None = None
        self.target: ref[Tensor] | None = None

    @property
    def op(self) -> str:
        """The op's name; "leaf" for a tensor the user made."""
        return "leaf" if self.primitive is None else self.primitive.name

    def free(self) -> None:
        """Forget what this node kept and where it came from. Nobody can sweep through it again."""
        self.saved = None
        self.parents = ()

    def __repr__(self) -> str:
        where = f" in {'.'.join(self.scope)}" if self.scope else ""
        return f"<Node {self.serial}: {self.op}{where}, shape {self.shape}>"


def leaf(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Node:
    """A node for a tensor made by the user: nothing to differentiate, only a place for the gradient to arrive."""
    return Node(None, (), None, (), {}, shape, dtype, ())


class Recording(NamedTuple):
    """What ops do besides computing: record or not, for which rules ("vjp" or "jvp"), under which scope."""

    enabled: bool = True
    rules: str = "vjp"
    scope: tuple[str, ...] = ()


recording: ContextVar[Recording] = ContextVar("recording", default=Recording())  # noqa: B039 (Recording is immutable)


class _Changed(ContextDecorator):
    """Context manager under which some fields of the current `Recording` are others."""

    def __init__(self, **changes: Any) -> None:
        self.changes = changes
        self.tokens: list[Token[Recording]] = []

    def _recreate_cm(self) -> _Changed:  # a decorated function may run in several threads at once
        return _Changed(**self.changes)

    def __enter__(self) -> None:
        self.tokens.append(recording.set(recording.get()._replace(**self.changes)))

    def __exit__(self, *_: object) -> None:
        recording.reset(self.tokens.pop())


def no_grad() -> _Changed:
    """Context manager (and decorator) under which nothing is recorded."""
    return _Changed(enabled=False)


def enable_grad() -> _Changed:
    """Context manager (and decorator) that records again inside `no_grad`."""
    return _Changed(enabled=True)


def scope(name: str) -> _Changed:
    """Context manager that puts `name` at the end of the scope path of every node recorded inside."""
    return _Changed(scope=(*recording.get().scope, name))

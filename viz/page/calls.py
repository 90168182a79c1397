"""calls: the tree of module calls in a flow, so that a page can open and close each of them by itself.

A call is a stretch of the recording during which one module ran, exactly as in `viz/fold.py`; the stretches of inner
modules lie inside those of outer ones, so they make a tree. Whichever calls are closed, their boxes are stretches that
follow one another in time, so no picture made of them has a cycle.

A leaf belongs to the innermost call that holds all of its users: it is drawn when that call is open.

The doors of a call are the values in it that receive contributions from outside. They do not depend on which other
calls are open, so the size of a closed call is always the same, and is that of the box which `fold` makes of it.

Read next: `viz/page/edges.py`, the edges between closed and open calls.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from viz.data import Edge, Node
from viz.fold import folded
from viz.groups import Group
from viz.repeats import Address, address


@dataclass(slots=True)
class Call:
    """One call of a module.

    Fields:
        address: the calls around it, outermost first, and itself: the name of each module, and which of its calls.
        parent: the index of the call around it; None at the top.
        inside: the values in it, all the way down, from its result back.
        doors: those that receive contributions from outside, by id.
    """

    address: Address
    parent: int | None
    inside: list[Node] = field(default_factory=list)
    doors: dict[str, Node] = field(default_factory=dict)

    @property
    def path(self) -> tuple[str, ...]:
        """Names of modules, outermost first; the last is the module's own."""
        return tuple(name for name, _ in self.address)

    @property
    def box(self) -> Node:
        """The node that `fold` makes of it."""
        oldest = next(node for node in reversed(self.inside) if node.op != "leaf")
        numbers = tuple(number for _, number in self.address)
        return folded(Group(oldest.id, self.path, numbers, 1, True), self.inside, list(self.doors.values()))


def tree_of_calls(nodes: Sequence[Node], edges: Sequence[Edge]) -> tuple[list[Call], dict[str, int | None]]:
    """All calls, outer before inner and later before earlier, and the innermost call that holds each node."""
    calls: list[Call] = []
    home: dict[str, int | None] = {}
    _inner_nodes(nodes, calls, home)
    _leaves(nodes, edges, calls, home)
    by_id = {node.id: node for node in nodes}
    for node in nodes:
        for at in calls_around(home[node.id], calls):
            calls[at].inside.append(node)
    for edge in edges:
        around_source = set(calls_around(home[edge.source], calls))
        for at in calls_around(home[edge.target], calls):
            if at in around_source:
                break
            calls[at].doors[edge.target] = by_id[edge.target]
    return calls, home


def calls_around(at: int | None, calls: Sequence[Call]) -> list[int]:
    """This call, if it is one, and those around it, innermost first."""
    around = []
    while at is not None:
        around.append(at)
        at = calls[at].parent
    return around


def _inner_nodes(nodes: Sequence[Node], calls: list[Call], home: dict[str, int | None]) -> None:
    """Begin a call wherever the address of a node has a new one; nodes are ordered from the loss back."""
    running: list[int] = []
    before: Address = ()
    for node in nodes:
        if node.op == "leaf":
            continue
        around = address(node)[:-1] if node.op == "module" else address(node)  # a folded box has its own name last
        common = 0
        while common < min(len(around), len(before)) and around[common] == before[common]:
            common += 1
        del running[common:]
        for depth in range(common, len(around)):
            calls.append(Call(around[: depth + 1], running[-1] if running else None))
            running.append(len(calls) - 1)
        home[node.id], before = running[-1] if running else None, around


def _leaves(nodes: Sequence[Node], edges: Sequence[Edge], calls: Sequence[Call], home: dict[str, int | None]) -> None:
    """The innermost call that holds all users of each leaf."""
    users: Mapping[str, list[int | None]] = defaultdict(list)
    for edge in edges:
        if edge.source in home:
            users[edge.target].append(home[edge.source])
    for node in nodes:
        if node.op == "leaf":
            around = [calls_around(at, calls) for at in users[node.id]] or [[]]
            shared = set.intersection(*map(set, around))
            home[node.id] = next((at for at in around[0] if at in shared), None)

"""calls: the tree of module calls in a flow, so that a page can open and close each of them by itself.

A call is a stretch of the recording during which one module worked, exactly as in `viz/fold.py`; the stretches of inner
modules lie inside those of outer ones, so they make a tree. Whichever calls are closed to boxes, each box is a stretch,
and stretches follow one another in time: no picture made of them has a cycle.

A leaf belongs to the innermost call that holds all of its users: closed, that call swallows it; open, it shows it.

What arrives in a closed call arrives at its doors, the values in it that receive something from outside. Which they are
does not depend on what else is open, so a call's size is known here once and for all.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from viz.data import Edge, Node
from viz.repeats import Address, address

Path = tuple[str, ...]


@dataclass(slots=True)
class Call:
    """One call of a module.

    Fields:
        path: names of modules, outermost first; the last is the module's own.
        parent: index of the call around it; None at the top.
        result: the value it made last.
        doors: the values in it that receive blame from outside, by id.
        parameters, blame: sums over the leaves in it, as in `viz.Node`.
        values: how many values are in it, all the way down.
    """

    path: Path
    parent: int | None
    result: Node
    doors: dict[str, Node] = field(default_factory=dict)
    parameters: int = 0
    blame: float = 0.0
    values: int = 0

    @property
    def norm(self) -> float:
        """|dL/dx| over all doors; the loss is its own door."""
        return math.hypot(*(door.norm for door in self._arriving))

    @property
    def rms(self) -> float:
        """The root mean square over all doors."""
        size = sum(math.prod(door.shape) for door in self._arriving)
        return self.norm / math.sqrt(size) if size else 0.0

    @property
    def _arriving(self) -> list[Node]:
        return list(self.doors.values()) or [self.result]


def tree_of_calls(nodes: Sequence[Node], edges: Sequence[Edge]) -> tuple[list[Call], dict[str, int | None]]:
    """All calls, outer before inner and later before earlier, and the innermost call that holds each node."""
    calls: list[Call] = []
    home: dict[str, int | None] = {}
    _inner_nodes(nodes, calls, home)
    _leaves(nodes, edges, calls, home)
    by_id = {node.id: node for node in nodes}
    for node in nodes:
        for at in _up(home[node.id], calls):
            calls[at].parameters += node.parameters
            calls[at].blame += node.blame
            calls[at].values += 1
    for edge in edges:
        around_source = set(_up(home[edge.source], calls))
        for at in _up(home[edge.target], calls):
            if at in around_source:
                break
            calls[at].doors[edge.target] = by_id[edge.target]
    return calls, home


def _inner_nodes(nodes: Sequence[Node], calls: list[Call], home: dict[str, int | None]) -> None:
    """Open a call wherever another one begins; nodes are ordered from the loss back."""
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
            calls.append(Call(node.scope[: depth + 1], running[-1] if running else None, node))
            running.append(len(calls) - 1)
        home[node.id], before = running[-1] if running else None, around


def _leaves(nodes: Sequence[Node], edges: Sequence[Edge], calls: Sequence[Call], home: dict[str, int | None]) -> None:
    users: dict[str, list[int | None]] = defaultdict(list)
    for edge in edges:
        if edge.source in home:
            users[edge.target].append(home[edge.source])
    for node in nodes:
        if node.op == "leaf":
            ways = [list(_up(at, calls)) for at in users[node.id]] or [[]]
            shared = set.intersection(*map(set, ways))
            home[node.id] = next((at for at in ways[0] if at in shared), None)


def _up(at: int | None, calls: Sequence[Call]) -> list[int]:
    """The calls around a place, innermost first."""
    way = []
    while at is not None:
        way.append(at)
        at = calls[at].parent
    return way

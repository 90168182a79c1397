"""The graph of a PyTorch loss as `viz` sees it: in the order in which it was made, with pure views left out.

A reshape, transpose or copy passes the same numbers on. Where only one operation reads its result, it is no value of
its own: the edge leads from that operation to what the view is a view of.

    addmm -> t -> weight           becomes          addmm -> weight

Read next: `viz/sources/torch_derivative.py`, the derivative of one small operation.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count
from typing import Any, NamedTuple

from viz.sources.torch_private import is_leaf, sequence_number
from viz.sources.torch_scopes import Record, record_of

_VIEWS = re.compile(
    r"(View|UnsafeView|ReshapeAlias|T|Transpose|Permute|Squeeze|Unsqueeze|Alias|Clone|ViewAsReal|Unflatten)Backward\d*"
)


Kinds = dict[Any, dict[int, tuple[tuple[int, ...], Any]]]  # for each node, shape and dtype of each of its results


class Route(NamedTuple):
    """Where the gradient of one argument of a node goes: a target, one of its results, and the views on the way."""

    target: Any
    result: int
    views: tuple[Any, ...]


class Graph:
    """The nodes that lead from a loss to leaves.

    Fields:
        ordered: the nodes that are values of their own, oldest first.
        routes: for each of them, its routes by number of the argument.
        incoming: for each, the number of routes that lead to it.
        leaves: the leaves among them.
        records: for each node the calls that were noted on the thread that made it, if any.
    """

    def __init__(self, root: Any) -> None:
        needed = _needed(root)
        uses: dict[Any, int] = defaultdict(int)
        for node in needed:
            for parent, _ in node.next_functions:
                uses[parent] += parent in needed
        self.routes: dict[Any, dict[int, Route]] = {}
        self.incoming: dict[Any, int] = defaultdict(int)
        self.records: dict[Any, Record | None] = {root: record_of(root)}
        newest_first = []
        users, serial = dict(uses), count()
        ready = [(-sequence_number(root), next(serial), root)]
        while ready:  # Kahn's algorithm; of the nodes whose users are done, the youngest comes first
            node = heappop(ready)[2]
            newest_first.append(node)
            for parent, _ in node.next_functions:
                if parent in needed:
                    self.records[parent] = record_of(parent) or self.records.get(parent) or self.records[node]
                    uses[parent] -= 1
                    if not uses[parent]:
                        heappush(ready, (-sequence_number(parent), next(serial), parent))
        joined = {node for node in needed if node is not root and users[node] == 1 and _VIEWS.fullmatch(node.name())}
        for node in needed - joined:
            self.routes[node] = {}
            for argument, (parent, result) in enumerate(node.next_functions):
                if parent in needed:
                    views = []
                    while parent in joined:
                        views.append(parent)
                        parent, result = next(step for step in parent.next_functions if step[0] in needed)
                    self.routes[node][argument] = Route(parent, result, tuple(views))
                    self.incoming[parent] += 1
        self.ordered = [node for node in reversed(newest_first) if node not in joined]
        self.leaves = [node for node in self.ordered if is_leaf(node)]


def _needed(root: Any) -> set[Any]:
    """The nodes that lead to a leaf; a backward pass visits no others."""
    order: list[Any] = []
    seen = {root}
    stack: list[tuple[Any, Iterator[Any]]] = [(root, iter(root.next_functions))]
    while stack:
        node, rest = stack[-1]
        for parent, _ in rest:
            if parent is not None and parent not in seen:
                seen.add(parent)
                stack.append((parent, iter(parent.next_functions)))
                break
        else:
            order.append(stack.pop()[0])
    needed: set[Any] = set()
    for node in order:  # what a node leads to comes before it
        if is_leaf(node) or any(parent in needed for parent, _ in node.next_functions):
            needed.add(node)
    return needed

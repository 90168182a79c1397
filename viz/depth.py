"""depth: how the size of the gradient changes from layer to layer, on the way from the loss to the inputs.

All blame for what a value was computed from may have to pass that value: then the value *dominates* it. The immediate
dominators make a tree with the loss as its root, and a trunk is a path in this tree from the loss to an op that was
computed from leaves alone, such as the first layer of a network. Values on a trunk are a transformer's residual stream,
or each layer's result in a plain stack. What is inside a residual branch is on no trunk, because blame can pass beside;
but it is in the first block of a network that begins with one, since no blame goes to the data beside it.

A *layer* is a stretch of a trunk, from one value to the next, that uses a parameter. Layers are compared by the norm of
the gradient of their results. The norm, not the root mean square: it does not change when a layer with usual
initialisation changes the width.

The invariant: scaling the loss changes no ratio.

Read next: `viz/findings.py`, what is said of them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from viz.data import Edge, Node


class Change(NamedTuple):
    """The largest change of the gradient along a trunk, from a layer near the loss to one far from it.

    Fields:
        ratio: the norm at the last of `layers` divided by that at the first.
        layers: the results of the layers, from the loss on; at least two.
    """

    ratio: float
    layers: Sequence[Node]

    @property
    def rate(self) -> float:
        """The change from one layer to the next, as a geometric mean."""
        return float(self.ratio ** (1 / (len(self.layers) - 1)))

    @property
    def steps(self) -> list[tuple[float, Node]]:
        """The change that each layer makes, with the layer whose result has the larger or smaller gradient after it."""
        return [(below.norm / above.norm, below) for above, below in zip(self.layers, self.layers[1:])]


class _Reached(NamedTuple):
    """What is known where a trunk reaches a value.

    Fields:
        most: the layer so far with the largest gradient, or the smallest one if a rise is looked for.
        ratio: the largest change so far, as a ratio that is smaller the larger the change; 1 if there is none.
        start, end: between which layers that is.
    """

    most: int | None = None
    ratio: float = 1.0
    start: int = 0
    end: int = 0


def largest_fall(nodes: Sequence[Node], edges: Sequence[Edge]) -> Change | None:
    """The layers of a trunk between which the gradient falls most; None if it falls nowhere."""
    return _largest(nodes, edges, lambda above, below: below / above)


def largest_rise(nodes: Sequence[Node], edges: Sequence[Edge]) -> Change | None:
    """The layers of a trunk between which the gradient rises most; None if it rises nowhere."""
    return _largest(nodes, edges, lambda above, below: above / below)


def _largest(nodes: Sequence[Node], edges: Sequence[Edge], ratio: Callable[[float, float], float]) -> Change | None:
    trunks = _Trunks(nodes, edges)
    reached = [_Reached()] * len(nodes)
    best = _Reached()
    for place in trunks.ops:  # from the loss back, so the dominator of each comes before it
        if place:
            above = trunks.above[place]
            reached[place] = reached[above]
            if trunks.is_layer(above, place):
                reached[place] = _with(reached[above], above, nodes, ratio)
        if place in trunks.ends:
            best = min(best, _with(reached[place], place, nodes, ratio), key=lambda one: one.ratio)
    if best.ratio == 1.0:
        return None
    layers = trunks.layers(best.start, best.end, nodes)
    return Change(layers[-1].norm / layers[0].norm, layers)


def _with(reached: _Reached, place: int, nodes: Sequence[Node], ratio: Callable[[float, float], float]) -> _Reached:
    """The same after one more layer. One whose gradient is zero or not finite cannot be compared."""
    norm = nodes[place].norm
    if not 0 < norm < math.inf:
        return reached
    here = 1.0 if reached.most is None else ratio(nodes[reached.most].norm, norm)
    if reached.most is None or here >= 1:
        return reached._replace(most=place)
    return reached if here >= reached.ratio else _Reached(reached.most, here, reached.most, place)


class _Trunks:
    """The tree of immediate dominators of a flow; nodes are numbered by their places, and the loss is 0.

    Fields:
        ops: all but the leaves, from the loss back.
        above: for each op, its immediate dominator; that of the loss is itself.
        ends: the ops that were computed from leaves alone.
    """

    def __init__(self, nodes: Sequence[Node], edges: Sequence[Edge]) -> None:
        place = {node.id: number for number, node in enumerate(nodes)}
        self.ops = [number for number, node in enumerate(nodes) if node.op != "leaf" or not number]
        sources: dict[int, set[int]] = defaultdict(set)
        reads_ops, reads_leaves = set[int](), set[int]()
        for edge in edges:
            source, target = place[edge.source], place[edge.target]
            sources[target].add(source)
            (reads_leaves if nodes[target].op == "leaf" else reads_ops).add(source)
        self.ends = set(self.ops) - reads_ops
        self.above = [0] * len(nodes)
        self._depth = [0] * len(nodes)
        for op in self.ops[1:]:
            self.above[op] = self._common(sources[op])
            self._depth[op] = self._depth[self.above[op]] + 1
        self._users = [int(number in reads_leaves) for number in range(len(nodes))]  # in the tree below each
        for op in reversed(self.ops[1:]):
            self._users[self.above[op]] += self._users[op]

    def is_layer(self, value: int, below: int) -> bool:
        """Whether a parameter is used between a value and one that it dominates immediately."""
        return self._users[value] > self._users[below]

    def layers(self, start: int, end: int, nodes: Sequence[Node]) -> list[Node]:
        """The layers of the trunk from `start` down to `end`, both included, that can be compared."""
        found, below = [nodes[end]], end
        while below != start:
            value = self.above[below]
            if self.is_layer(value, below) and 0 < nodes[value].norm < math.inf:
                found.append(nodes[value])
            below = value
        return found[::-1]

    def _common(self, values: set[int]) -> int:
        """The nearest value that dominates all of these, or is all of these."""
        first, *others = values
        for other in others:
            while first != other:
                if self._depth[first] >= self._depth[other]:
                    first = self.above[first]
                else:
                    other = self.above[other]
        return first

"""watch: what is recorded of every edge and every gradient during a backward pass.

A share needs the whole gradient of its target, which is the sum of the contributions into it. So contributions are kept
until all of them have arrived. The source knows when that is, and settles the target: its gradient and the
contributions are measured where their arrays live, and let go. The measures are read when the pass is over.

Read next: `viz/sources/measures.py`, the measures of NumPy arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

from viz.sources.records import Contribution, Gradient, K, Sent

A = TypeVar("A")


class Measures(Protocol[A]):  # type: ignore[misc]  # a module can be one, and has no variance to check
    """How arrays of one kind are measured."""

    def measure(self, contributions: Sequence[A], by_row: bool) -> Any:
        """The measures of a gradient and its contributions, still where the arrays live.

        `by_row` also asks for the norms of the gradient along its last axis.
        """

    def read(self, pending: Sequence[Any]) -> Sequence[Gradient]:
        """What `measure` returned, as Python numbers; all at once, because a device is waited for."""


class Watcher(Generic[K, A]):
    """Collects contributions, and measures those into a value when all have arrived.

    Fields:
        edges: every edge, in the order of the pass.
        gradients: after `finish`, the gradient of each value.
    """

    def __init__(self, measures: Measures[A]) -> None:
        self.edges: list[Sent[K]] = []
        self.gradients: dict[K, Gradient] = {}
        self._measures = measures
        self._arriving: dict[K, list[tuple[int | None, A]]] = {}
        self._pending: dict[K, tuple[list[int | None], Any]] = {}
        self._contributions: dict[int, Contribution] = {}

    def start(self, loss: K, seed: A) -> None:
        """The gradient with which the pass starts."""
        self._arriving[loss] = [(None, seed)]

    def arrive(self, edge: Sent[K], contribution: A) -> None:
        """A contribution has arrived at the target of an edge."""
        self._arriving.setdefault(edge.target, []).append((len(self.edges), contribution))
        self.edges.append(edge)

    def settle(self, key: K, by_row: bool = False) -> None:
        """All contributions into this value have arrived. Nothing happens if it is settled already, or has none."""
        arrived = self._arriving.pop(key, None)
        if arrived is not None:
            numbers, contributions = [number for number, _ in arrived], [array for _, array in arrived]
            self._pending[key] = numbers, self._measures.measure(contributions, by_row)

    def finish(self) -> None:
        """The pass is over: settle what is left, and read all measures."""
        for key in list(self._arriving):
            self.settle(key)
        read = self._measures.read([pending for _, pending in self._pending.values()])
        for (key, (numbers, _)), gradient in zip(self._pending.items(), read, strict=True):
            self.gradients[key] = gradient
            for number, contribution in zip(numbers, gradient.contributions, strict=True):
                if number is not None:
                    self._contributions[number] = contribution

    def measured_edges(self) -> Iterator[tuple[Sent[K], Contribution]]:
        """After `finish`: each edge with the measures of its contribution, in the order of the pass."""
        for number, edge in enumerate(self.edges):
            yield edge, self._contributions[number]

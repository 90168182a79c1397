"""compare: two flows side by side, and what changed.

The flows may be of one program, before and after training, or of programs that differ in places: a part that only one
of them has is listed as such. Gradients are compared by their root mean square, because shapes may differ, and by the
ratio, because they differ by orders of magnitude. To see how they change with depth, fold without repeats.

Read next: `viz/matching.py`, what corresponds to what.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from graphviz import Digraph

from viz import versus
from viz.data import Edge, Node
from viz.drawing import image
from viz.drawing.beside import beside
from viz.drawing.graph import graph
from viz.drawing.layout import NoGraphviz, share_program
from viz.drawing.picture import Picture
from viz.figures import noise
from viz.flow import BlameFlow
from viz.matching import LOSS, edge_keys, name_of, node_keys, pairs
from viz.stages import Stage

T = TypeVar("T")


@dataclass(frozen=True)
class Row(Generic[T]):
    """Corresponding parts of flows `a` and `b`; None for a flow without this part."""

    name: str
    a: T | None
    b: T | None

    @property
    def only_in(self) -> str:
        """ "a" or "b"; empty for a part that is in both."""
        return "b" if self.a is None else "a" if self.b is None else ""

    def _both(self, read: Callable[[T], float]) -> tuple[float, float]:
        return math.nan if self.a is None else read(self.a), math.nan if self.b is None else read(self.b)


@dataclass(frozen=True)
class BoxRow(Row[Node]):
    """A node: a box or a value."""

    @property
    def rms(self) -> tuple[float, float]:
        """The root mean square of its gradient, in a and in b; nan for a flow without the node."""
        return self._both(lambda node: node.rms)

    @property
    def ratio(self) -> float:
        """Its root mean square in b divided by that in a; nan if only one flow has the node, or both are 0."""
        return _ratio(*self.rms)

    @property
    def blame(self) -> tuple[float, float]:
        """Its share of the blame, in a and in b; nan for a flow without the node."""
        return self._both(lambda node: node.blame)


@dataclass(frozen=True)
class EdgeRow(Row[Edge]):
    """An edge; its name is "source -> target"."""

    @property
    def norm(self) -> tuple[float, float]:
        """The norm of its contribution, in a and in b; nan for a flow without the edge."""
        return self._both(lambda edge: edge.norm)

    @property
    def share(self) -> tuple[float, float]:
        """Its share in the gradient it flows into, in a and in b; nan for a flow without the edge."""
        return self._both(lambda edge: edge.share)


@dataclass(frozen=True)
class StageRow(Row[Stage]):
    """A stage."""

    @property
    def share(self) -> tuple[float, float]:
        """Its share in the loss's first-order fall, in a and in b; nan for a flow without the stage."""
        return self._both(lambda stage: stage.share)

    @property
    def change(self) -> float:
        """The share in b minus that in a, where a missing stage counts as 0."""
        a, b = self.share
        return (0.0 if self.b is None else b) - (0.0 if self.a is None else a)


@dataclass(frozen=True)
class Comparison:
    """Two flows side by side.

    Fields:
        a, b: the flows.
        names: their names in tables and pictures.
        boxes: the nodes, from the loss back; the loss comes first.
        edges: in the order in which blame runs through them.
        stages: from the loss back.
    """

    a: BlameFlow
    b: BlameFlow
    names: tuple[str, str]
    boxes: tuple[BoxRow, ...]
    edges: tuple[EdgeRow, ...]
    stages: tuple[StageRow, ...]

    def text(self) -> str:
        """The gradients of all boxes and the shares of all stages, as tables with bars."""
        rows = list(zip(self.boxes, self._ratios(), strict=True))[1:]  # dL/dL is 1
        gradients = [(row.name, *row.rms, ratio) for row, ratio in rows]
        shares = [(row.name, *row.share, row.change) for row in self.stages]
        return versus.tables(self.names, (self.a.loss, self.b.loss), gradients, shares)

    def graph(self) -> Digraph:
        """The two pictures side by side as a `graphviz.Digraph`, to which you may add before you render it."""
        share_program()
        return graph(self._picture())

    def dot(self) -> str:
        """The Graphviz source of the two pictures."""
        return self.graph().source

    def svg(self, path: str | Path | None = None) -> str:
        """The two pictures as SVG; also written to `path` if one is given."""
        drawing = image.svg(self._picture())
        if path is not None:
            Path(path).write_text(drawing, encoding="utf-8")
        return drawing

    def png(self, path: str | Path) -> None:
        """The two pictures as PNG, written to `path`."""
        Path(path).write_bytes(image.image(self._picture(), "png"))

    def pdf(self, path: str | Path) -> None:
        """The two pictures as PDF, written to `path`; see `BlameFlow.pdf`."""
        Path(path).write_bytes(image.image(self._picture(), "pdf"))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """For notebooks: the pictures; for terminals, and without Graphviz, the tables."""
        bundle = {"text/plain": self.text()}
        with suppress(NoGraphviz, ValueError):  # no program, or too many boxes
            bundle["image/svg+xml"] = self.svg()
        return bundle

    def _ratios(self) -> list[float]:
        """The ratio of each box; nan where it would be one of two rounding errors."""
        least = tuple(noise(node.rms for node in flow.nodes[1:]) for flow in (self.a, self.b))
        return [
            math.nan if all(rms < most for rms, most in zip(row.rms, least, strict=True)) else row.ratio
            for row in self.boxes
        ]

    def _picture(self) -> Picture:
        pairs = [(row.a, row.b, ratio) for row, ratio in zip(self.boxes, self._ratios(), strict=True)]
        nodes, edges = (self.a.nodes, self.b.nodes), (self.a.edges, self.b.edges)
        return beside((self.a.loss, self.b.loss), self.names, nodes, edges, pairs)


def compare(a: BlameFlow, b: BlameFlow, names: tuple[str, str] = ("a", "b")) -> Comparison:
    """Pair the nodes, edges and stages of two flows, with the numbers of both; some may be in one flow only.

    Raises ValueError if the flows have no node in common but the loss.
    """
    if len(names) != 2:
        raise ValueError(f"compare: give two names, not {names!r}")
    keys_a, keys_b = node_keys(a.nodes), node_keys(b.nodes)
    boxes = pairs(keys_a, keys_b)
    if len(boxes) > 1 and not any(key in keys_a and key in keys_b for key in boxes if key != LOSS):
        raise ValueError(
            "compare: the flows have no box in common; fold both to one depth, and name their modules alike"
        )
    edges = pairs(edge_keys(a.edges, keys_a), edge_keys(b.edges, keys_b))
    stages = pairs(*({stage.name: stage for stage in reversed(flow.stages())} for flow in (a, b)))
    return Comparison(
        a,
        b,
        names,
        tuple(BoxRow(name_of(key), *both) for key, both in boxes.items()),
        tuple(EdgeRow(f"{name_of(key[0])} -> {name_of(key[1])}", *both) for key, both in edges.items()),
        tuple(StageRow(name, *both) for name, both in stages.items()),
    )


def _ratio(a: float, b: float) -> float:
    """b / a; infinite where only a is 0, nan where both are."""
    return b / a if a else math.inf * b

"""BlameFlow: how much blame went where, as plain data.

For a loss L and a value x in its graph, dL/dx is the gradient of x. It is the sum of the contributions that the edges
into x carry. An edge has a size, the norm of its contribution c, and a signed share <c, dL/dx> / |dL/dx|^2 in the
gradient it flows into.

The invariant: the shares into a node add up to 1 (they are nan where the gradient is zero). A negative share is blame
that another path cancelled. Folding and pruning keep this true.

Data first, pixels last: `viz.trace` makes a flow, `fold` and `prune` make smaller ones, and the renderers only read
them.

Read next: `viz/data.py`, what a flow consists of.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from graphviz import Digraph

from viz import text
from viz.data import Absent, Data, Edge, Kept, Node, Parameter
from viz.digits import short
from viz.drawing import image
from viz.drawing.graph import graph
from viz.drawing.layout import NoGraphviz, share_program
from viz.drawing.picture import Picture, picture
from viz.drawing.size import check_count
from viz.findings import Finding, diagnose
from viz.fold import fold
from viz.page import viewer
from viz.prune import prune
from viz.stages import Stage, stages
from viz.trouble import first_nonfinite

_LEAST_KEPT = 1e-6  # of all norms; if too many boxes are left then, stop pruning


@dataclass(frozen=True, eq=False)
class BlameFlow(Data):
    """The flow of blame from a loss.

    Fields:
        loss: the value of the loss.
        nodes: the values that blame runs through, or boxes of several, from the loss back to the oldest.
        edges: in the order in which the sweep ran the rules.
        parameters: every leaf, in the order of first use, also when the flow is folded or pruned.
        positions: |dL/dx_t| of the embedded input x: a row for each text of the batch, a norm for each position. Empty
            if the program has no embedding.
        unknown_value: what to say of a value that is not known, such as how to keep it; empty to say nothing.
        unknown_line: how to compute a loss so that the lines of its source are known.
        memory: the bytes that each scope keeps for the backward pass, also when the flow is folded or pruned; empty if
            that is not known.
        absent: tensors that were named for `viz.trace` and that no blame reaches.
    """

    loss: float
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    parameters: tuple[Parameter, ...]
    positions: tuple[tuple[float, ...], ...] = ()
    unknown_value: str = ""
    unknown_line: str = ""
    memory: tuple[Kept, ...] = ()
    absent: tuple[Absent, ...] = ()

    def fold(self, depth: int = 1, repeats: bool = True) -> BlameFlow:
        """A flow between modules: each call of a module `depth` names deep becomes one box.

        With `repeats`, pieces of the program that differ only in a number in their names, such as the blocks of a
        transformer or the steps of a recurrent cell, become one, and each node's `count` says how many it stands for.
        """
        nodes, edges = fold(self.nodes, self.edges, depth, repeats)
        return replace(self, nodes=nodes, edges=edges)

    def prune(self, keep: float = 0.95) -> BlameFlow:
        """Keep the largest edges until their norms add up to `keep` of all, and merge the rest in a node "other".

        Nothing is lost: the `count` of "other" is the number of values merged there, and those of its edges the number
        of contributions. The edges out of the loss are always kept, and with each edge a path from the loss to it.
        """
        nodes, edges = prune(self.nodes, self.edges, keep)
        return replace(self, nodes=nodes, edges=edges)

    def stages(self, depth: int = 1) -> list[Stage]:
        """Each module's share in the loss's first-order fall under a step of gradient descent; they add up to 1."""
        return stages(self.parameters, self.memory, depth)

    def text(self, depth: int = 2) -> str:
        """The stages as a tree with bars, with modules down to `depth`, and the bytes kept for the backward pass.

        A last line says where the gradient is first nan or infinite, if it is.
        """
        table = text.tree(self.loss, self.parameters, self.memory, depth)
        return table if self.first_nonfinite is None else f"{table}\n{text.trouble(self.first_nonfinite)}"

    @property
    def first_nonfinite(self) -> Node | None:
        """The node whose gradient is the first, going backward from the loss, with a nan or an infinite number.

        In a folded or pruned flow the box that holds it; None if all gradients are finite.
        """
        return first_nonfinite(self.nodes)

    def diagnose(self) -> list[Finding]:
        """What is wrong with the gradients, in sentences with numbers; empty if nothing was found.

        Numbers that are not finite, gradients that vanish or explode with depth, activations that let nothing pass, a
        loss of the wrong size, and what of `names=` is frozen or detached. The limits are constants of
        `viz/findings.py`. Raises ValueError for a folded or pruned flow.
        """
        return diagnose(self.loss, self.nodes, self.edges, self.absent)

    def readable(self, boxes: int = 40) -> BlameFlow:
        """The finest view with at most `boxes` boxes: this flow, a fold of it, or a fold that is pruned as well.

        A flow that is folded or pruned already is returned as it is.
        """
        if len(self.nodes) <= boxes or self._is_view:
            return self
        view = self
        for depth in range(max(len(node.scope) for node in self.nodes), 0, -1):
            view = self.fold(depth)
            if len(view.nodes) <= boxes:
                return view
        whole, keep = view, 1.0
        while len(view.nodes) > boxes and keep > _LEAST_KEPT:
            keep *= 0.7
            view = whole.prune(keep)
        return view

    @property
    def _is_view(self) -> bool:
        return any(node.op in ("module", "other") for node in self.nodes)

    def __repr__(self) -> str:
        unit = "boxes" if self._is_view else "values"
        return f"BlameFlow(loss {short(self.loss)}, {len(self.nodes):,} {unit}, {len(self.edges):,} edges)"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """For notebooks: a picture of `readable()`; for terminals, and without Graphviz, the tree."""
        bundle = {"text/plain": f"{self!r}\n{self.text()}"}
        with suppress(NoGraphviz, ValueError):  # no program, or no view is small enough
            bundle["image/svg+xml"] = self.readable().svg()
        return bundle

    def graph(self) -> Digraph:
        """The picture as a `graphviz.Digraph`, to which you may add before you render it; nodes are named by `id`."""
        share_program()
        return graph(self._picture())

    def dot(self) -> str:
        """The Graphviz source of the picture."""
        return self.graph().source

    def svg(self, path: str | Path | None = None) -> str:
        """The picture as SVG; also written to `path` if one is given.

        Raises ValueError for a picture too large to read, NoGraphviz if no program can draw it.
        """
        check_count(len(self.nodes), len(self.edges))  # before the work of planning a large picture
        drawing = image.svg(self._picture())
        if path is not None:
            Path(path).write_text(drawing, encoding="utf-8")
        return drawing

    def png(self, path: str | Path) -> None:
        """The picture as PNG, 144 dots per inch, written to `path`; raises what `svg` raises."""
        check_count(len(self.nodes), len(self.edges))
        Path(path).write_bytes(image.image(self._picture(), "png"))

    def pdf(self, path: str | Path) -> None:
        """The picture as PDF, written to `path`; raises what `svg` raises.

        Needs a Graphviz installed on the system: the one that comes as a wheel writes no PDF (NoGraphviz).
        """
        check_count(len(self.nodes), len(self.edges))
        Path(path).write_bytes(image.image(self._picture(), "pdf"))

    def html(self, path: str | Path | None = None) -> str:
        """The picture as one HTML file that works offline; also written to `path` if one is given.

        Modules open and close, the sweep can be followed step by step, and pointing at anything shows its numbers.
        """
        document = viewer.source(self.loss, self.nodes, self.edges, self.unknown_value)
        if path is not None:
            Path(path).write_text(document, encoding="utf-8")
        return document

    def _picture(self) -> Picture:
        return picture(self.loss, self.nodes, self.edges)

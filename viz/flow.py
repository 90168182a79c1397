"""BlameFlow: how much blame went where, as plain data.

For a loss L and a value x in its graph, dL/dx is the gradient of x, and it is the sum of what each edge into x
carried. An edge has a size, the norm of its contribution c, and a signed share <c, dL/dx> / |dL/dx|^2 in the
gradient it flows into.

The invariant: the shares into a node add up to 1 (they are nan where the gradient is zero and there is nothing
to share). A negative share is blame that another path cancelled. Folding keeps this true.

Data first, pixels last: `viz.trace` makes a flow, `fold` makes a coarser one, and the renderers only read.

Read next: `viz/trace.py`, `viz/fold.py`, `viz/dot.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from viz import dot, text
from viz.data import Edge, Node, Parameter
from viz.fold import fold
from viz.layout import render
from viz.stages import Stage, stages


@dataclass(frozen=True)
class BlameFlow:
    """The flow of blame from a loss.

    Fields:
        loss: the value of the loss.
        nodes: what blame runs through, from the loss back to what was made first.
        edges: how it runs, in the order in which the sweep ran the rules.
        parameters: every leaf in the order of first use, whatever was folded.
        positions: |dL/dx_t| of the embedded input x: a row for each text of the batch, a norm for each position. Empty
            where nothing was embedded.
    """

    loss: float
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    parameters: tuple[Parameter, ...]
    positions: tuple[tuple[float, ...], ...] = ()

    def fold(self, depth: int = 1) -> BlameFlow:
        """A flow between modules: each call of a module `depth` names deep becomes one box."""
        nodes, edges = fold(self.nodes, self.edges, depth)
        return replace(self, nodes=nodes, edges=edges)

    def stages(self, depth: int = 1) -> list[Stage]:
        """Each module's share of the loss's first-order fall under a step of gradient descent; they add up to 1."""
        return stages(self.parameters, depth)

    def text(self, depth: int = 2) -> str:
        """The stages as a table with bars."""
        return text.table(self.loss, self.stages(depth))

    def dot(self) -> str:
        """Graphviz source of the picture."""
        return dot.source(self.loss, self.nodes, self.edges)

    def svg(self, path: str | Path | None = None) -> str:
        """The picture as SVG; also written to `path` if one is given."""
        picture = render(self.dot(), "svg").decode()
        if path is not None:
            Path(path).write_text(picture, encoding="utf-8")
        return picture

    def png(self, path: str | Path) -> None:
        """The picture as PNG, written to `path`."""
        Path(path).write_bytes(render(self.dot(), "png"))

"""How large a drawing may be: one too large to read, or that Graphviz would need minutes for, is refused.

Graphviz's time grows with the square of the rows that all edges cross together, far more than with the number of boxes.
Measured on one core of a server:

    464 boxes,  511 edges across   679 rows     0.8 s       twelve blocks of a transformer, op by op
     88 boxes,  163 edges across 2,443 rows     1.8 s       a recurrent cell at 20 steps, far from its weights
    108 boxes,  203 edges across 3,803 rows     4.7 s       the same at 25 steps
    128 boxes,  243 edges across 5,463 rows     22 s        at 30 steps
    678 boxes, 1346 edges                       1.9 s       random sums and products
   1317 boxes, 2624 edges                       12 s

Read next: `viz/drawing/graph.py`, the drawing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from viz.data import Edge, Node

MOST_BOXES, MOST_EDGES, MOST_ROWS = 700, 1000, 3000


def check_count(boxes: int, edges: int) -> None:
    """Raise ValueError for a drawing with too many boxes or edges to read."""
    if boxes > MOST_BOXES or edges > MOST_EDGES:
        raise _too_large(f"{boxes:,} boxes and {edges:,} edges (at most {MOST_BOXES:,} and {MOST_EDGES:,})")


def check_length(nodes: Sequence[Node], edges: Sequence[Edge]) -> None:
    """Raise ValueError for a drawing whose edges cross too many rows in all."""
    row = rows(nodes, edges)
    crossed = sum(abs(row[edge.target] - row[edge.source]) for edge in edges)
    if crossed > MOST_ROWS:
        raise _too_large(f"{len(nodes):,} boxes, and edges that cross {crossed:,} rows (at most {MOST_ROWS:,})")


def _too_large(size: str) -> ValueError:
    return ValueError(
        f"this picture is too large to draw: {size}; make it coarser with fold(depth=...) or prune(keep=...), "
        "or use html()"
    )


def rows(nodes: Sequence[Node], edges: Sequence[Edge]) -> dict[str, int]:
    """The highest row possible for each node, by id: below all nodes that blame comes from; the loss has row 0."""
    sources: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        sources[edge.target].append(edge.source)
    row: dict[str, int] = {}
    for node in nodes:  # from the loss back; the source of an edge that leads back is not in `row` yet
        row[node.id] = max((row[source] + 1 for source in sources[node.id] if source in row), default=0)
    return row

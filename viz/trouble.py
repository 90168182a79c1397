"""trouble: where a nan or an infinite number first appears, going backward from the loss.

Blame reaches values from the youngest to the oldest, and the gradient of one is computed from those of younger ones. So
all gradients that the first one was computed from are finite: it is where the trouble starts.

Read next: `viz/depth.py`, how gradients change with depth.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from viz.data import Edge, Node


def first_nonfinite(nodes: Iterable[Node]) -> Node | None:
    """The node whose gradient is the first that is not finite, or the box that holds it; None if all are finite."""
    return next((node for node in nodes if node.trouble), None)


def sender(node: Node, nodes: Sequence[Node], edges: Sequence[Edge]) -> tuple[Node, Edge] | None:
    """The first contribution into a node that is not finite, and where it comes from.

    None if all contributions are finite, as where their sum leaves the range of floats.
    """
    by_id = {one.id: one for one in nodes}
    sent = (edge for edge in edges if edge.target == node.id and not math.isfinite(edge.norm))
    return next(((by_id[edge.source], edge) for edge in sent), None)


def first_nan_value(nodes: Sequence[Node]) -> Node | None:
    """The oldest node whose value is known to hold a nan."""
    return next((node for node in reversed(nodes) if node.value is not None and math.isnan(node.value.least)), None)

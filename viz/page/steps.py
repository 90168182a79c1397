"""steps: the reverse sweep in words and numbers, one contribution at a time.

The gradient that has arrived at the source, times the op's own derivative, is what goes on into the target, where all
contributions add up. Numbers are written out where there are few; else shapes and norms.

Read next: `viz/page/legend.py`, the legend.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from viz.data import Edge, Node
from viz.digits import short
from viz.figures import listed, norm_of, share_so_far
from viz.words import printable


class _Arrived:
    """The sum of the contributions to one node so far.

    Fields:
        count: of contributions.
        share: the sum of their shares.
        each: the sum of their numbers; None if these are unknown.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        self.count = 0
        self.share = 0.0
        self.each = None if node.gradient is None or node.gradient.each is None else [0.0] * len(node.gradient.each)

    def add(self, edge: Edge) -> None:
        self.count += 1
        self.share += edge.share
        known = self.each is not None and edge.each is not None
        self.each = [a + b for a, b in zip(self.each or (), edge.each or ())] if known else None

    def text(self, edge: Edge, label: str, of: int) -> str:
        """The sum so far, against the whole gradient; `edge` is the one that arrived last."""
        many = "the only contribution" if of == 1 else f"contribution {self.count:,} of {of:,}"
        node = self.node
        if self.each is not None and node.gradient is not None and node.gradient.each is not None:
            whole = listed(node.gradient.each, node.shape)
            return f"In {label} so far {listed(self.each, node.shape)} of {whole}: {many}."
        norm = "" if math.isnan(edge.gathered) else f" norm {short(edge.gathered)} of {short(node.norm)},"
        return f"In {label} so far{norm} {share_so_far(self.share, node)}: {many}."


def steps(nodes: Sequence[Node], edges: Sequence[Edge], labels: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The data of each step; `labels` are those of the nodes, by id.

    A step has the numbers of its source and target; three terms (gradient x derivative = contribution), each a text and
    a caption; its size and rule; and for the sum in the target so far a text, and its part of the whole, 0 to 1.
    """
    place = {node.id: number for number, node in enumerate(nodes)}
    arrived = {node.id: _Arrived(node) for node in nodes}
    of = Counter(edge.target for edge in edges)
    for edge in edges:
        source, target = nodes[place[edge.source]], nodes[place[edge.target]]
        so_far = arrived[edge.target]
        so_far.add(edge)
        yield {
            "source": place[edge.source],
            "target": place[edge.target],
            "terms": _terms(edge, source, target, labels),
            "size": _size_and_rule(edge),
            "arrived": so_far.text(edge, labels[edge.target], of[edge.target]),
            "part": 0.0 if math.isnan(so_far.share) else round(min(max(so_far.share, 0.0), 1.0), 4),
        }


def _size_and_rule(edge: Edge) -> str:
    """The norm of a contribution, and the rule that made it."""
    return norm_of(edge) + (f", by {printable(edge.rule)}" if edge.rule else "")


def _terms(edge: Edge, source: Node, target: Node, labels: Mapping[str, str]) -> list[tuple[str, str]]:
    """Gradient, derivative and contribution, each with a caption."""
    gradient = source.gradient.each if source.gradient else None
    hook = ", before its hook" if source.hooked else ""
    return [
        (_written(gradient, source, source.norm), f"gradient of {labels[edge.source]}{hook}"),
        (
            printable(edge.local) or f"d {printable(source.op)} / d {labels[edge.target]}",
            f"rule {printable(edge.rule)}" if edge.rule else "the op's derivative",
        ),
        (_written(edge.each, target, edge.norm), f"into {labels[edge.target]}"),
    ]


def _written(each: Sequence[float] | None, node: Node, norm: float) -> str:
    """An array of the node's shape: its numbers, or else its shape and norm."""
    return f"{node.shape} of norm {short(norm)}" if each is None else listed(each, node.shape)

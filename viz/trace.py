"""trace: watch one reverse sweep and write down what every edge carried.

A share needs the whole gradient of its target, which is the sum of the contributions, so those wait until the
sweep comes to the target: by then all of them have passed. Sums are taken in float64.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import Node as GraphNode
from engine import Tensor
from engine.backward import seed_for
from engine.recording import no_grad
from engine.sweeps import reverse_sweep
from viz.data import Edge, Node, Parameter
from viz.flow import BlameFlow


class NothingToTrace(ValueError):  # noqa: N818 (it reads as what it says)
    """The tensor has no graph, so no blame can flow from it."""


class _Watcher:
    """Collects contributions, and settles a node's account when the sweep has reached it."""

    def __init__(self) -> None:
        self.arriving: dict[GraphNode, list[tuple[GraphNode, Any]]] = {}
        self.gradients: dict[GraphNode, tuple[float, float]] = {}  # squared norm, mean square
        self.edges: list[tuple[GraphNode, GraphNode, float, float]] = []
        self.first_use: dict[GraphNode, GraphNode] = {}

    def observe(self, node: GraphNode, argument: int, parent: GraphNode, contribution: Any) -> None:
        self.settle(node)
        self.arriving.setdefault(parent, []).append((node, np.array(contribution, np.float64)))
        self.first_use[parent] = node  # the sweep goes back in time, so what stays is the oldest

    def settle(self, node: GraphNode) -> None:
        arrived = self.arriving.pop(node, None)
        if arrived is None:
            return
        gradient = sum(contribution for _, contribution in arrived)
        squared = float(np.vdot(gradient, gradient))
        self.gradients[node] = squared, squared / max(np.size(gradient), 1)
        for source, contribution in arrived:
            share = float(np.vdot(contribution, gradient)) / squared if squared > 0 else math.nan
            self.edges.append((source, node, float(np.linalg.norm(contribution)), share))


def trace(loss: Tensor) -> BlameFlow:
    """The flow of blame from `loss`, a tensor of one element, through everything it was computed from.

    One reverse sweep, no `backward()` needed before; `.grad` is untouched and the graph is kept, so
    `backward()` works after. Raises NothingToTrace if no input wanted a gradient, RuntimeError if the graph was
    freed by an earlier `backward()`.
    """
    if loss.node is None:
        raise NothingToTrace("trace: no blame can flow: no input requires a gradient, or it was made under no_grad")
    watcher = _Watcher()
    seed = seed_for(loss, None, "trace").array
    watcher.gradients[loss.node] = 1.0, 1.0
    with no_grad():
        reverse_sweep(loss.node, seed, retain_graph=True, observe=watcher.observe)
    for node in list(watcher.arriving):
        watcher.settle(node)
    return _as_data(watcher, loss.item())


def _as_data(watcher: _Watcher, loss: float) -> BlameFlow:
    oldest_first = sorted(watcher.gradients, key=lambda node: node.serial)
    ids = {node: f"n{number}" for number, node in enumerate(oldest_first)}
    leaves = [node for node in oldest_first if node.primitive is None and node in watcher.first_use]
    leaves.sort(key=lambda node: watcher.first_use[node].serial)
    is_leaf = set(leaves)  # a leaf belongs to the module that uses it first
    scopes = {node: (watcher.first_use[node] if node in is_leaf else node).scope for node in oldest_first}
    total = math.fsum(watcher.gradients[node][0] for node in leaves) or math.nan
    nodes = [
        Node(
            id=ids[node],
            op=node.op,
            name=node.name,
            scope=scopes[node],
            shape=node.shape,
            dtype=str(node.dtype),
            norm=math.sqrt(watcher.gradients[node][0]),
            rms=math.sqrt(watcher.gradients[node][1]),
            parameters=math.prod(node.shape) if node in is_leaf else 0,
            blame=watcher.gradients[node][0] / total if node in is_leaf else 0.0,
        )
        for node in reversed(oldest_first)
    ]
    edges = [Edge(ids[source], ids[target], norm, share) for source, target, norm, share in watcher.edges]
    parameters = [
        Parameter(scopes[node], node.name, math.prod(node.shape), watcher.gradients[node][0]) for node in leaves
    ]
    return BlameFlow(loss, tuple(nodes), tuple(edges), tuple(parameters))

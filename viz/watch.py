"""watch: what is recorded of every edge and every gradient during a sweep.

A share needs the whole gradient of its target, which is the sum of the contributions into it. So contributions are kept
until the sweep reaches the target: by then all of them have arrived. Sums are taken in float64.

Read next: `viz/names.py`, the user's names for tensors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from engine import Node as GraphNode
from engine import Primitive, describe
from engine.arrays import Array
from engine.explain import local_derivative
from viz.data import Numbers

MOST_ELEMENTS_LISTED = 16  # a larger array is only summarised
_IN_RANGE = 1e-280  # smaller squares lose digits to underflow


class Gradient(NamedTuple):
    """The norm, root mean square and elements of a gradient."""

    norm: float
    rms: float
    numbers: Numbers | None


class Watcher:
    """Collects contributions, and measures those into a node when the sweep reaches it.

    Fields:
        arriving: for each node that is not measured yet, the contributions so far, each with the number of its edge.
        edges: source, target and what is known of each edge, in the order of the sweep; `observe` adds them, `measure`
            completes them.
        gradients: the gradient of each measured node.
        positions: for the output of each embedding, the norm of the gradient at each position.
        first_use: for each node, the oldest node that used it.
    """

    def __init__(self) -> None:
        self.arriving: dict[GraphNode, list[tuple[int | None, Array]]] = {}
        self.edges: list[tuple[GraphNode, GraphNode, dict[str, Any]]] = []
        self.gradients: dict[GraphNode, Gradient] = {}
        self.positions: dict[GraphNode, Array] = {}
        self.first_use: dict[GraphNode, GraphNode] = {}

    def observe(self, node: GraphNode, argument: int, parent: GraphNode, contribution: Any) -> None:
        self.measure(node)
        assert node.primitive is not None
        self.arriving.setdefault(parent, []).append((len(self.edges), np.array(contribution, np.float64)))
        known = {
            "argument": argument,
            "rule": _rule(node.primitive, argument),
            "local": local_derivative(node, argument, parent),
        }
        self.edges.append((node, parent, known))
        self.first_use[parent] = node  # the sweep goes back in time, so the oldest comes last

    def measure(self, node: GraphNode) -> None:
        """Compute a node's gradient, and norm and share of each contribution, once all of them have arrived."""
        arrived = self.arriving.pop(node, None)
        if arrived is None:
            return
        gradient: Array = np.asarray(sum(contribution for _, contribution in arrived))
        norm = _norm(gradient)
        self.gradients[node] = Gradient(norm, norm / math.sqrt(max(np.size(gradient), 1)), numbers(gradient))
        if node.op == "embedding" and len(node.shape) > 1:
            self.positions[node] = np.linalg.norm(gradient, axis=-1)
        for number, known in zip((n for n, _ in arrived), _measured([c for _, c in arrived], gradient, norm)):
            if number is not None:
                self.edges[number][2].update(known)


def _measured(contributions: list[Array], gradient: Array, norm: float) -> Iterator[dict[str, Any]]:
    """The fields of an Edge that are computed from its contribution, for all contributions to one gradient."""
    gathered: Any = 0.0
    for contribution in contributions:
        each = _each(contribution)
        if len(contributions) == 1:  # the usual case: the contribution is the gradient
            yield {"norm": norm, "share": 1.0 if norm > 0 else math.nan, "gathered": norm, "each": each}
            return
        gathered = gathered + contribution
        yield {
            "norm": _norm(contribution),
            "share": _share(contribution, gradient, norm),
            "gathered": _norm(gathered),
            "each": each,
        }


def _norm(x: Array) -> float:
    """The 2-norm, also of elements whose squares would leave the range of floats."""
    squared = _dot(x, x)
    if _IN_RANGE < squared < math.inf:
        return math.sqrt(squared)
    largest = float(np.abs(x).max(initial=0.0))
    if not 0 < largest < math.inf:
        return largest
    with np.errstate(under="ignore"):
        x = x / largest
        return largest * math.sqrt(_dot(x, x))


def _share(contribution: Array, gradient: Array, norm: float) -> float:
    """<c, g> / |g|^2; nan where the gradient is zero."""
    if not norm > 0:
        return math.nan
    if norm * norm < _IN_RANGE or math.isinf(norm * norm):
        with np.errstate(all="ignore"):
            contribution, gradient = contribution / norm, gradient / norm
        return _dot(contribution, gradient)
    return _dot(contribution, gradient) / (norm * norm)


def _dot(x: Array, y: Array) -> float:
    """The inner product. Not by BLAS, whose threads wait for one another longer than this sum takes."""
    return float(np.einsum("i,i", np.ravel(x), np.ravel(y)))


@cache
def _rule(primitive: Primitive, argument: int) -> str:
    return describe.rule_text(primitive, argument)


def numbers(array: Any) -> Numbers | None:
    """The summary of an array; None for an empty one."""
    if not np.size(array):
        return None
    array = np.asarray(array, np.float64)
    if array.size == 1:
        value = array.item()
        return Numbers(value, 0.0, value, value, (value,))
    with np.errstate(all="ignore"):  # inf - inf, in the standard deviation
        return Numbers(float(array.mean()), float(array.std()), float(array.min()), float(array.max()), _each(array))


def _each(array: Array) -> tuple[float, ...] | None:
    return tuple(array.ravel().tolist()) if array.size <= MOST_ELEMENTS_LISTED else None

"""trace: observe one reverse sweep and record what every edge carried.

Read next: `viz/watch.py`, the observer of the sweep.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine import Node as GraphNode
from engine import Tensor, describe
from engine.arrays import Array
from engine.backward import seed_for
from engine.graph import oldest_first
from engine.recording import ScopeName, no_grad
from engine.sweeps import reverse_sweep
from engine.values import known_values
from viz.data import Edge, Node, Parameter
from viz.flow import BlameFlow
from viz.names import label, names_of
from viz.stages import shares_of
from viz.watch import Watcher, numbers


class NothingToTrace(ValueError):  # noqa: N818 (named for its cause)
    """The tensor has no graph, so no blame can flow from it."""


def trace(loss: Tensor, names: Mapping[str, Any] | None = None) -> BlameFlow:
    """The flow of blame from `loss`, a tensor of one element, through everything it was computed from.

    One reverse sweep, no `backward()` needed before; `.grad` is untouched and the graph is kept, so
    `backward()` works after.

    Args:
        loss: where blame starts.
        names: a dict of name and tensor, such as `locals()`; tensors inside lists, dicts and modules are found too. A
            name given with `Tensor(..., name=)` or by a module takes precedence; names that begin with _ are skipped.

    Raises NothingToTrace if no input requires a gradient, RuntimeError if the loss has more than one element, or if the
    graph was freed by an earlier `backward()`.
    """
    if not isinstance(loss, Tensor):
        raise TypeError(f"trace: give the loss as a Tensor, not {type(loss).__name__}")
    if loss.node is None:
        raise NothingToTrace("trace: no blame can flow: no input requires a gradient, or it was made under no_grad")
    if loss.size != 1:
        raise RuntimeError(f"trace: a tensor of shape {loss.shape} is no loss; reduce it to one number, as with .sum()")
    if names is not None and not isinstance(names, Mapping):
        raise TypeError(f"trace: names must be a dict of name and value, such as locals(), not {type(names).__name__}")
    watcher = Watcher()
    seed = seed_for(loss, None, "trace").array
    watcher.arriving[loss.node] = [(None, np.array(seed, np.float64))]
    with no_grad():
        reverse_sweep(loss.node, seed, retain_graph=True, observe=watcher.observe)
    for node in list(watcher.arriving):
        watcher.measure(node)
    values = {loss.node: loss.array, **known_values(watcher.gradients)}
    return _as_data(watcher, loss.item(), values, names_of(names or {}))


def _as_data(
    watcher: Watcher, loss: float, values: Mapping[GraphNode, Array], names: Mapping[GraphNode, str]
) -> BlameFlow:
    gradients = watcher.gradients
    ordered = oldest_first(gradients)
    ids = {node: f"n{number}" for number, node in enumerate(ordered)}
    leaves = [node for node in ordered if node.primitive is None]
    user = {node: watcher.first_use.get(node, node) for node in leaves}  # a loss that is a leaf has no user
    leaves.sort(key=lambda node: user[node].serial)
    scopes = {node: user.get(node, node).scope for node in ordered}  # a leaf has the scope of its first use
    calls = _calls(ordered, scopes)
    labels = {node: label(node, scopes[node], names) for node in ordered}
    shares = dict(zip(leaves, shares_of([gradients[node].norm for node in leaves]), strict=True))
    nodes = [
        Node(
            id=ids[node],
            op=node.op,
            name=labels[node],
            scope=scopes[node],
            shape=node.shape,
            dtype=str(node.dtype),
            norm=gradients[node].norm,
            rms=gradients[node].rms,
            parameters=math.prod(node.shape) if node in shares else 0,
            blame=shares.get(node, 0.0),
            formula="" if node.primitive is None else describe.formula(node.primitive),
            value=numbers(values[node]) if node in values else None,
            gradient=gradients[node].numbers,
            calls=calls[node],
            hooked=node.notes is not None and bool(node.notes.hooks),
        )
        for node in reversed(ordered)
    ]
    edges = [Edge(ids[source], ids[target], **known) for source, target, known in watcher.edges]
    parameters = [Parameter(scopes[node], labels[node], math.prod(node.shape), gradients[node].norm) for node in leaves]
    embedded = min(watcher.positions, key=lambda node: node.serial, default=None)
    positions = () if embedded is None else _rows(watcher.positions[embedded])
    return BlameFlow(loss, tuple(nodes), tuple(edges), tuple(parameters), positions)


def _calls(
    ordered: Sequence[GraphNode], scopes: Mapping[GraphNode, tuple[str, ...]]
) -> dict[GraphNode, tuple[int, ...]]:
    """For each node, the number of the call of each module on its path."""
    calls: dict[tuple[str, ...], dict[int, int]] = {}
    for node in ordered:
        for depth, name in enumerate(node.scope, 1):
            known = calls.setdefault(node.scope[:depth], {})
            known.setdefault(_number(name), len(known))
    return {
        node: tuple(calls[scope[:depth]][_number(name)] for depth, name in enumerate(scope, 1))
        for node, scope in scopes.items()
    }


def _number(name: str) -> int:
    return name.number if isinstance(name, ScopeName) else 0


def _rows(norms: Array) -> tuple[tuple[float, ...], ...]:
    """One row for each text of the batch."""
    return tuple(tuple(row) for row in norms.reshape(-1, norms.shape[-1]).tolist())

"""assemble: from the records of a backward pass to the plain data of a flow.

Read next: `viz/sources/names.py`, the user's names for tensors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from viz.data import Absent, Edge, Kept, Node, Parameter
from viz.sources.records import K, Recording, Value
from viz.sources.watch import Watcher
from viz.stages import shares_of


def first_uses(oldest_first: Sequence[K], watcher: Watcher[K, Any]) -> dict[K, K]:
    """For each value that something was computed from, the oldest value computed from it."""
    age = {key: place for place, key in enumerate(oldest_first)}
    uses: dict[K, K] = {}
    for edge in watcher.edges:
        known = uses.get(edge.target)
        if known is None or age[edge.source] < age[known]:
            uses[edge.target] = edge.source
    return uses


def assembled(
    loss: float,
    values: Sequence[Value[K]],
    watcher: Watcher[K, Any],
    embedded: K | None = None,
    unknown_value: str = "",
    unknown_line: str = "",
    absent: Sequence[Absent] = (),
) -> Recording:
    """The data of a flow.

    Args:
        loss: its value.
        values: oldest first, so the loss is last.
        watcher: has finished; it knows the gradient of each value.
        embedded: the output of the oldest embedding, whose gradient was measured by row.
        unknown_value: what to say of a value that is not known.
        unknown_line: how to compute a loss so that the lines of its source are known.
        absent: tensors that the user named and no blame reaches.
    """
    ids = {value.key: f"n{number}" for number, value in enumerate(values)}
    age = {value.key: number for number, value in enumerate(values)}
    uses = first_uses([*age], watcher)
    leaves = sorted(
        (value for value in values if value.is_leaf), key=lambda leaf: age[uses.get(leaf.key, leaf.key)]
    )  # a loss that is a leaf has no use
    gradients = watcher.gradients
    shares = dict(zip((leaf.key for leaf in leaves), shares_of([gradients[leaf.key].norm for leaf in leaves])))
    calls = _numbered(values)
    trouble = next((value.key for value in reversed(values) if not math.isfinite(gradients[value.key].norm)), None)
    nodes = tuple(
        Node(
            id=ids[value.key],
            op=value.op,
            name=value.name,
            scope=value.scope,
            shape=value.shape,
            dtype=value.dtype,
            norm=gradients[value.key].norm,
            rms=gradients[value.key].rms,
            parameters=math.prod(value.shape) if value.is_leaf else 0,
            blame=shares.get(value.key, 0.0),
            formula=value.formula,
            value=value.value,
            gradient=gradients[value.key].numbers,
            calls=calls[value.key],
            hooked=value.hooked,
            saved=value.saved,
            line=value.line,
            trouble=trouble is not None and value.key == trouble,
        )
        for value in reversed(values)
    )
    edges = tuple(
        Edge(
            ids[sent.source],
            ids[sent.target],
            argument=sent.argument,
            rule=sent.rule,
            local=sent.local,
            **contribution._asdict(),
        )
        for sent, contribution in watcher.measured_edges()
    )
    parameters = tuple(
        Parameter(leaf.scope, leaf.name, math.prod(leaf.shape), gradients[leaf.key].norm) for leaf in leaves
    )
    return Recording(
        loss,
        nodes,
        edges,
        parameters,
        () if embedded is None else gradients[embedded].rows,
        unknown_value,
        unknown_line,
        _memory(values),
        tuple(absent),
    )


def _memory(values: Sequence[Value[K]]) -> tuple[Kept, ...]:
    """The bytes that each scope keeps, in the order in which the scopes were first entered."""
    sums: dict[tuple[str, ...], int] = {}
    for value in values:
        if value.saved is not None and not value.is_leaf:
            sums[value.scope] = sums.get(value.scope, 0) + value.saved
    return tuple(Kept(scope, saved) for scope, saved in sums.items())


def _numbered(values: Sequence[Value[K]]) -> Mapping[K, tuple[int, ...]]:
    """The calls of each value, those of one module counted from 0 in the order of the recording."""
    known: dict[tuple[str, ...], dict[int, int]] = {}
    for value in values:
        if not value.is_leaf:
            for depth, number in enumerate(value.calls, 1):
                same = known.setdefault(value.scope[:depth], {})
                same.setdefault(number, len(same))
    return {
        value.key: tuple(
            known.get(value.scope[:depth], {}).get(number, 0) for depth, number in enumerate(value.calls, 1)
        )
        for value in values
    }

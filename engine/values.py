"""The values of a recorded graph that are still in memory.

A node does not hold its value; the tensor does, and may be gone. But some values can still be found: kept on purpose
(`keep_values`), saved for a rule, or held by the tensor that awaits the node's gradient. Nothing is computed again, and
a tensor that has been assigned since the graph was recorded is left out.

Read next: `engine/memory.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from engine import versions
from engine.arrays import Array
from engine.graph import Node


def known_values(nodes: Iterable[Node]) -> dict[Node, Array]:
    """The values that can still be found, by node, for these nodes and their parents."""
    found: dict[Node, Array] = {}

    def offer(owner: Node | None, value: Any, serial: int) -> None:
        """Take `value` as the value of `owner`, unless it was promoted, or assigned after this serial number."""
        if owner is None or owner in found or not isinstance(value, np.ndarray):
            return
        if value.shape == owner.shape and value.dtype == owner.dtype and not versions.assigned_since(value, serial):
            found[owner] = value

    for node in nodes:
        offer(node, None if node.notes is None else node.notes.value, node.serial)
        for owner, value in _saved(node):
            offer(owner, value, node.serial)
        for parent in node.parents:
            if parent is not None and parent.target is not None:
                offer(parent, parent.target.array, node.serial)
    return found


def _saved(node: Node) -> Iterable[tuple[Node | None, Any]]:
    """Pairs of a node and its value, from the values that `node` saved for its rules."""
    if node.plan is None or node.saved is None:
        return
    for owner, value in zip(node.plan.owners(node.parents, node), node.saved, strict=True):
        if isinstance(owner, tuple):  # all arguments of a variadic op
            yield from zip(owner, value, strict=True)
        else:
            yield owner, value

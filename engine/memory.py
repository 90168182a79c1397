"""memory: the bytes that a recorded graph keeps alive for the backward pass.

A node keeps the values that its rules read: arguments, its result, masks and indices. Many nodes keep the same memory,
as a view or as the very same array; it is counted once, for the oldest of them. A view keeps alive all memory of the
array it is a view of, so that is what counts. The arrays of leaves are left out if their tensors still exist:
parameters are in memory anyway.

The invariant: the bytes of all nodes add up to what a backward pass without `retain_graph` lets go, if nothing else
holds these arrays.

Read next: `engine/blas.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.graph import Node, oldest_first
from engine.versions import owner_of


def kept_bytes(nodes: Iterable[Node]) -> dict[Node, int]:
    """The bytes that each node keeps for the backward pass; see this module's docstring."""
    ordered = oldest_first(nodes)
    counted = {
        id(owner_of(node.target.array)) for node in ordered if node.primitive is None and node.target is not None
    }
    found = {}
    for node in ordered:
        owners = {id(owner): owner for owner in map(owner_of, _arrays(node.saved))}
        found[node] = sum(owner.nbytes for key, owner in owners.items() if key not in counted)
        counted.update(owners)
    return found


def _arrays(kept: Any) -> Iterator[Array]:
    """The arrays in what a node keeps: values, and tuples of them."""
    if isinstance(kept, np.ndarray):
        yield kept
    elif isinstance(kept, tuple):
        for one in kept:
            yield from _arrays(one)

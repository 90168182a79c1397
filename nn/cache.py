"""Cache: what attention keeps of a text that is read bit by bit, so that it need not read the beginning again.

    cache = nn.Cache()
    with engine.no_grad():
        logits = model(ids, cache=cache)               # the whole text so far
        logits = model(following, cache=cache)         # what comes next, and nothing before it

For each attention module it holds the keys and values of all positions read. A position's query looks at no later
position, so what was computed for it stays right. Who uses a cache says when a piece has been read (`advance`), because
all modules of a model must agree on where it begins.

Read next: `nn/reader.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.arrays import Array

_ROOM = 32  # positions there is room for at first


class Cache:
    """The keys and values of one text, or of several texts of one length.

    Fields:
        length: how many positions have been read.
    """

    def __init__(self) -> None:
        self.length = 0
        self._kept: dict[int, tuple[Any, list[Array]]] = {}  # by the id of a module, which is kept alive beside it

    def extended(self, module: Any, *new: Any) -> list[Array]:
        """The arrays kept for a module, with what it computed for the positions after `length`.

        Shapes: new (batch, heads, positions, channels), each; result (batch, heads, length + positions, channels).
        Raises RuntimeError where a gradient would be lost, ValueError for another batch than before.
        """
        if any(getattr(x, "requires_grad", False) for x in new):
            raise RuntimeError("Cache: a cache keeps no graph; call the model under engine.no_grad(), or without cache")
        arrays = [np.asarray(getattr(x, "array", x)) for x in new]
        end = self.length + arrays[0].shape[2]
        _, kept = self._kept.get(id(module), (module, [x[:, :, :0] for x in arrays]))
        if self.length and kept[0].shape[:2] != arrays[0].shape[:2]:
            raise ValueError(f"Cache: {len(arrays[0])} texts follow on {len(kept[0])}; make a new cache")
        kept = [_with_room(before, end) for before in kept]
        for before, x in zip(kept, arrays, strict=True):
            before[:, :, self.length : end] = x
        self._kept[id(module)] = module, kept
        return [before[:, :, :end] for before in kept]

    def advance(self, positions: int) -> None:
        """A piece of so many positions has been read by every module."""
        self.length += positions


def _with_room(x: Array, positions: int) -> Array:
    """The array, or if it has no room for so many positions, a copy with room for twice as many."""
    batch, heads, room, channels = x.shape
    if positions <= room:
        return x
    larger = np.empty((batch, heads, max(_ROOM, 2 * positions), channels), x.dtype)
    larger[:, :, :room] = x
    return larger

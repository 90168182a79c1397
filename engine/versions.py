"""Which memory was assigned after a node saved it.

Tensors are values: only a parameter's `assign` writes into an array that others may hold. A node that saved
this array, or any view of it, would then compute a wrong gradient, so the sweep checks it here first.

The check is cheap: `assign` draws a number from the same counter as the nodes. A node can be out of date only if
something was assigned *after* the node was made, which one comparison of two integers rules out in every ordinary
training step. Only where it does not are the saved arrays looked up, by the memory they live in: all views
of an array share one owner, so `w.T` saved by a product is found as well as `w`.

Read next: `engine/origins.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any
from weakref import finalize

import numpy as np

from engine.graph import next_serial

# For the memory at this id: how often it was assigned, and the serial numbers of the last few assignments.
_history: dict[int, tuple[int, deque[int]]] = {}
last_assigned = 0
_REMEMBERED = 8


def owner_of(array: Any) -> Any:
    """The array that owns the memory of a view; an array that is no view owns its own."""
    while isinstance(getattr(array, "base", None), np.ndarray):
        array = array.base
    return array


def bump(array: Any) -> None:
    """Note that `array` has just been written."""
    global last_assigned
    owner = owner_of(array)
    if id(owner) not in _history:
        _history[id(owner)] = (0, deque(maxlen=_REMEMBERED))
        finalize(owner, _history.pop, id(owner), None)
    times, recent = _history[id(owner)]
    last_assigned = next_serial()
    recent.append(last_assigned)
    _history[id(owner)] = (times + 1, recent)


def version(array: Any) -> int:
    """How often the memory of `array` has been assigned."""
    return _history.get(id(owner_of(array)), (0, ()))[0]


def assigned_since(array: Any, serial: int) -> int:
    """How often the memory of `array` has been assigned after that serial number; at most as many are remembered."""
    _, recent = _history.get(id(owner_of(array)), (0, ()))
    return sum(assigned > serial for assigned in recent)


def check(op: str, serial: int, saved: Iterable[Any]) -> None:
    """Raise RuntimeError if a value saved at that serial number has been assigned since.

    Needed only if `last_assigned` is greater than the serial number.
    """
    flat = [one for value in saved for one in (value if isinstance(value, tuple) else (value,))]
    for value in flat:
        later = assigned_since(value, serial)
        if later:
            times = version(value)
            raise RuntimeError(
                f"{op}: a value it saved for the backward pass has been assigned since "
                f"(saved at version {times - later}{' or before' * (later == _REMEMBERED)}, now version {times}); "
                "run backward before assign, or compute the loss again"
            )

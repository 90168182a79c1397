"""trace: the flow of blame of a loss, whoever computed it.

Read next: `viz/sources/__init__.py`, whose backward passes can be watched.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from viz.flow import BlameFlow
from viz.sources.records import Recording


def trace(loss: Any, *, names: Mapping[str, Any] | None = None, lines: bool = False) -> BlameFlow:
    """The flow of blame from `loss`, a tensor of one element, through everything it was computed from.

    One backward pass, no `backward()` needed before; `.grad` is untouched and the graph is kept, so `backward()` works
    after.

    Args:
        loss: where blame starts.
        names: a dict of name and tensor, such as `locals()`; tensors inside lists, dicts and modules are found too. A
            name given with `Tensor(..., name=)` or by a module takes precedence; names that begin with _ are skipped.
        lines: whether values must know the line of source that made them. They do if it was recorded, which is asked
            for where the loss is computed: `with engine.keep_lines():`.

    Raises NothingToTrace if no input requires a gradient, RuntimeError if the loss has more than one element, or if the
    graph was freed by an earlier `backward()`, ValueError if `lines` are asked for and none was recorded.
    """
    if names is not None and not isinstance(names, Mapping):
        raise TypeError(f"trace: names must be a dict of name and value, such as locals(), not {type(names).__name__}")
    recording = _recorded(loss, names or {})
    if lines and not any(node.line for node in recording.nodes):
        raise ValueError(f"trace: lines=True, and no line of source was recorded; {recording.unknown_line}")
    return BlameFlow(*recording)


def _recorded(loss: Any, names: Mapping[str, Any]) -> Recording:
    """The records of the source that the loss belongs to, which is imported now."""
    if _is_a(loss, "engine", "Tensor"):
        from viz.sources import engine

        return engine.record(loss, names)
    raise TypeError(f"trace: give the loss as a Tensor, not {type(loss).__name__}")


def _is_a(value: Any, module: str, name: str) -> bool:
    """Whether a value is of a class of a module; nothing is imported, because then no such value could exist."""
    return module in sys.modules and isinstance(value, getattr(sys.modules[module], name))

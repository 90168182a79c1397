"""trace: the flow of blame of a loss, whoever computed it.

Read next: `viz/scopes.py`, the modules of PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from viz.checks import is_a
from viz.flow import BlameFlow
from viz.sources.records import Recording


def trace(loss: Any, *, names: Mapping[str, Any] | None = None, model: Any = None, lines: bool = False) -> BlameFlow:
    """The flow of blame from `loss`, a tensor of one element, through everything it was computed from.

    One backward pass, no `backward()` needed before; `.grad` is untouched and the graph is kept, so `backward()` works
    after.

    Args:
        loss: where blame starts; a tensor of this project's engine, or of PyTorch.
        names: a dict of name and tensor, such as `locals()`; tensors inside lists, dicts and modules are found too. A
            name given with `Tensor(..., name=)` or by a module takes precedence; names that begin with _ are skipped.
        model: of PyTorch; gives parameters their names where the loss was computed outside of `viz.scopes`.
        lines: whether values must know the line of source that made them. They do if it was recorded, which is asked
            for where the loss is computed: `with engine.keep_lines():` or `with viz.scopes(model, lines=True):`.

    Raises NothingToTrace if no input requires a gradient, RuntimeError if the loss has more than one element, or if the
    graph was freed by an earlier `backward()`, ValueError if `lines` are asked for and none was recorded.
    """
    if names is not None and not isinstance(names, Mapping):
        raise TypeError(f"trace: names must be a dict of name and value, such as locals(), not {type(names).__name__}")
    recording = _recorded(loss, names or {}, model)
    if lines and not any(node.line for node in recording.nodes):
        raise ValueError(f"trace: lines=True, and no line of source was recorded; {recording.unknown_line}")
    return BlameFlow(*recording)


def _recorded(loss: Any, names: Mapping[str, Any], model: Any) -> Recording:
    """The records of the source that the loss belongs to, which is imported now."""
    if is_a(loss, "engine", "Tensor"):
        from viz.sources import engine

        return engine.record(loss, names)
    if is_a(loss, "torch", "Tensor"):
        from viz.sources import torch

        return torch.record(loss, names, model)
    several = ": trace one loss, such as the sum of several" if isinstance(loss, list | tuple | dict) else ""
    raise TypeError(f"trace: give the loss as a Tensor, not {type(loss).__name__}{several}")

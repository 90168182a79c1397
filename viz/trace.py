"""trace: the flow of blame of a loss, whoever computed it.

Read next: `viz/scopes.py`, the modules of PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from viz.checks import is_a
from viz.flow import BlameFlow
from viz.sources.records import Recording


def trace(
    loss: Any,
    *arguments: Any,
    names: Mapping[str, Any] | None = None,
    model: Any = None,
    lines: bool = False,
) -> BlameFlow:
    """The flow of blame from `loss`, a tensor of one element, through everything it was computed from.

    One backward pass, no `backward()` needed before; `.grad` is untouched and the graph is kept, so `backward()` works
    after.

    With JAX, `loss` is the function that computes it, and `arguments` are its arguments: blame flows to every array of
    floats in them, through dicts, lists and modules. What shall get no blame, such as data, is best put into the
    function: `viz.trace(lambda params: loss(params, batch), params)`.

    Args:
        loss: where blame starts; a tensor of this project's engine, a tensor of PyTorch, or a function of JAX.
        arguments: of the JAX function.
        names: a dict of name and tensor, such as `locals()`; tensors inside lists, dicts and modules are found too. A
            name given with `Tensor(..., name=)` or by a module takes precedence; names that begin with _ are skipped.
            Arguments of a JAX function have the names of its signature.
        model: of PyTorch; gives parameters their names where the loss was computed outside of `viz.scopes`.
        lines: whether values must know the line of source that made them. JAX knows it. Elsewhere it must have been
            recorded where the loss was computed: `with engine.keep_lines():` or `with viz.scopes(model, lines=True):`.

    Raises NothingToTrace if no input requires a gradient, RuntimeError if the loss has more than one element, or if the
    graph was freed by an earlier `backward()`, TypeError for a JAX function that returns anything but one float,
    ValueError if `lines` are asked for and none was recorded.
    """
    if names is not None and not isinstance(names, Mapping):
        raise TypeError(f"trace: names must be a dict of name and value, such as locals(), not {type(names).__name__}")
    if arguments and not callable(loss):
        raise TypeError(f"trace: arguments belong to a JAX function, and the loss is a {type(loss).__name__}")
    recording = _recorded(loss, arguments, names or {}, model, lines)
    if lines and not any(node.line for node in recording.nodes):
        raise ValueError(f"trace: lines=True, and no line of source was recorded; {recording.unknown_line}")
    return BlameFlow(*recording)


def _recorded(loss: Any, arguments: Sequence[Any], names: Mapping[str, Any], model: Any, lines: bool) -> Recording:
    """The records of the source that the loss belongs to, which is imported now."""
    if is_a(loss, "engine", "Tensor"):
        from viz.sources import engine

        return engine.record(loss, names)
    if is_a(loss, "torch", "Tensor"):
        from viz.sources import torch

        return torch.record(loss, names, model)
    if callable(loss) and arguments:
        if find_spec("jax") is None:
            raise TypeError("trace: a function and its arguments are traced with JAX, which is not installed")
        from viz.sources import jax

        return jax.record(loss, arguments, lines)
    raise TypeError(f"trace: give the loss as a Tensor, not {type(loss).__name__}{_way_out(loss)}")


def _way_out(loss: Any) -> str:
    if isinstance(loss, list | tuple | dict):
        return ": trace one loss, such as the sum of several"
    if callable(loss) or is_a(loss, "jax", "Array"):
        return "; with JAX, give the function that computes it, and the function's arguments"
    return ""

"""trace: the flow of blame of a loss, whoever computed it.

Read next: `viz/sources/__init__.py`, whose backward passes can be watched.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from viz.flow import BlameFlow
from viz.sources.records import Recording


def trace(loss: Any, *arguments: Any, names: Mapping[str, Any] | None = None, lines: bool = False) -> BlameFlow:
    """The flow of blame from `loss`, a tensor of one element, through everything it was computed from.

    One backward pass, no `backward()` needed before; `.grad` is untouched and the graph is kept, so `backward()` works
    after.

    With JAX, `loss` is the function that computes it, and `arguments` are its arguments: blame flows to every array of
    floats in them, through dicts, lists and modules. What shall get no blame, such as data, is best put into the
    function: `viz.trace(lambda params: loss(params, batch), params)`.

    Args:
        loss: where blame starts.
        arguments: of a JAX function.
        names: a dict of name and tensor, such as `locals()`; tensors inside lists, dicts and modules are found too. A
            name given with `Tensor(..., name=)` or by a module takes precedence; names that begin with _ are skipped.
            Arguments of a JAX function have the names of its signature.
        lines: whether to record the line of your source that made each value. So far for JAX.

    Raises NothingToTrace if no input requires a gradient, RuntimeError if the loss has more than one element, or if the
    graph was freed by an earlier `backward()`, TypeError for a JAX function that returns anything but one float.
    """
    if names is not None and not isinstance(names, Mapping):
        raise TypeError(f"trace: names must be a dict of name and value, such as locals(), not {type(names).__name__}")
    return BlameFlow(*_recorded(loss, arguments, names or {}, lines))


def _recorded(loss: Any, arguments: Sequence[Any], names: Mapping[str, Any], lines: bool) -> Recording:
    """The records of the source that the loss belongs to, which is imported now."""
    if callable(loss) and arguments:
        return _of_function(loss, arguments, lines)
    if arguments:
        raise TypeError(f"trace: arguments belong to a JAX function, and the loss is a {type(loss).__name__}")
    if _is_a(loss, "engine", "Tensor"):
        from viz.sources import engine

        return engine.record(loss, names)
    way_out = ""
    if _is_a(loss, "jax", "Array") or callable(loss):
        way_out = "; with JAX, give the function that computes it, and the function's arguments"
    raise TypeError(f"trace: give the loss as a Tensor, not {type(loss).__name__}{way_out}")


def _of_function(function: Callable[..., Any], arguments: Sequence[Any], lines: bool) -> Recording:
    if find_spec("jax") is None:
        raise TypeError("trace: a function and its arguments are traced with JAX, which is not installed")
    from viz.sources import jax

    return jax.record(function, arguments, lines)


def _is_a(value: Any, module: str, name: str) -> bool:
    """Whether a value is of a class of a module; nothing is imported, because then no such value could exist."""
    return module in sys.modules and isinstance(value, getattr(sys.modules[module], name))

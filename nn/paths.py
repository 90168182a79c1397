"""Paths: the one name of each module and each tensor of a model.

A module may be held under several names (`self.b = self.a`) and in several modules. Its path is the first one that a
walk through the model meets, depth first and in order of assignment. Parameters, saved states and the scopes of nodes
all ask here, so they agree.

The invariant: a module is walked once, however often it is held. A module that is held by one of its own parts has no
path, and is an error that names the cycle.

Read next: `nn/calls.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

Path = tuple[str, ...]  # one name for each call on the way; a list is never called: ("blocks.0", "attention")


class Holder(Protocol):
    """What is walked: a module.

    Fields:
        is_called: False for a list of modules, whose members have its name before their own.
    """

    is_called: bool

    def children(self) -> Iterator[tuple[str, Any]]:
        """Pairs of name and module."""

    def tensors(self) -> Iterator[tuple[str, Any]]:
        """Pairs of name and tensor."""


class Walk(NamedTuple):
    """A model's modules in order.

    Fields:
        modules: each once, with its path.
        path: the same by the `id` of the module, which `modules` keeps alive.
        again: every other path of a module that is held more than once, and its first one.
    """

    modules: list[tuple[Path, Any]]
    path: dict[int, Path]
    again: dict[Path, Path]


def walk(root: Holder, name: str = "") -> Walk:
    """All modules of a model, starting with the model itself under the path `name`.

    Raises ValueError if a module holds one that it is itself a part of.
    """
    found = Walk([], {}, {})
    _visit(root, (name,) if name else (), found, set())
    return found


def _visit(module: Holder, path: Path, found: Walk, above: set[int]) -> None:
    """Add a module and all below it; `above` are the ids of the modules that it is a part of."""
    own = id(module)
    if own in above:
        holder, root = type(module).__name__, found.modules[0]
        raise ValueError(
            f"{type(root[1]).__name__}: {dotted(path[len(root[0]) :])} is the {holder} that holds it, a cycle; "
            f"keep a weakref.ref to the {holder} instead, or give it to forward"
        )
    if own in found.path:
        found.again[path] = found.path[own]
        return
    found.path[own] = path
    above.add(own)
    found.modules.append((path, module))
    listed = path and not module.is_called
    for name, child in module.children():
        _visit(child, (*path[:-1], f"{path[-1]}.{name}") if listed else (*path, name), found, above)
    above.remove(own)


def named_tensors(root: Holder) -> tuple[dict[str, Any], dict[str, str]]:
    """Every tensor of a model by its path; and every other path that leads to one, with the first.

    Raises ValueError if two tensors have the same path.
    """
    found = walk(root)
    tensors: dict[str, Any] = {}
    again: dict[str, str] = {}
    first: dict[int, str] = {}
    for path, module in found.modules:
        for name, value in module.tensors():
            here = dotted(path, name)
            if here in tensors or here in again:
                raise ValueError(f"{type(root).__name__}: two tensors have the path {here}; rename one")
            if first.setdefault(id(value), here) == here:
                tensors[here] = value
            else:
                again[here] = first[id(value)]
    for other, path in found.again.items():
        start, instead = dotted(path, ""), dotted(other, "")
        for here in [here for here in (*tensors, *again) if here.startswith(start)]:
            again[instead + here.removeprefix(start)] = again.get(here, here)
    return tensors, again


def dotted(path: Path, *names: str) -> str:
    """A path, and names inside it, as text: `blocks.0.attention.query.weight`."""
    return ".".join((*path, *names))

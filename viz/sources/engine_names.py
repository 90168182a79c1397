"""engine_names: what the user's names say of the engine's tensors: what to call a node, and which tensors are absent.

Read next: `viz/sources/torch.py`, the second source.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from engine import Node, Tensor
from viz.data import Absent
from viz.sources.names import named


def names_of(names: Mapping[str, Any]) -> dict[Node, str]:
    """The name of each node whose tensor is found in `names`."""
    found: dict[Node, str] = {}
    for path, value in named(names):
        if isinstance(value, Tensor) and value.node is not None:
            found.setdefault(value.node, path)
    return found


def label(node: Node, scope: tuple[str, ...], names: Mapping[Node, str]) -> str | None:
    """A node's own name, or else the one found; a parameter outside all scopes gets its whole path."""
    found = names.get(node)
    if node.name and not scope and found and found.endswith(f".{node.name}"):
        return found
    return node.name or found


def absent(names: Mapping[str, Any], reached: Collection[Node]) -> Iterator[Absent]:
    """Leaves that the user named and the loss was not computed from, and modules whose tensors require no gradient.

    A module, list or dict of which the loss was computed from no part is another model, and left out. Variables that
    are tensors count only if there is no model: where there is one, they belong to something else.
    """
    alone = {name: value for name, value in names.items() if isinstance(value, Tensor)}
    models = {name: value for name, value in names.items() if name not in alone and _is_used({name: value}, reached)}
    known = set(reached)
    for path, leaf in _leaves(models or alone):
        if leaf.node is not None and leaf.node not in known:
            known.add(leaf.node)
            yield Absent(path, leaf.size, frozen=False)
    for name, model in models.items():
        for within, module in model.named_modules() if hasattr(model, "named_modules") else ():
            tensors = list(module.tensors())
            if not any(tensor.requires_grad for _, tensor in tensors):
                yield from (
                    Absent(_dotted(str(name), within, own), tensor.size, frozen=True) for own, tensor in tensors
                )


def _leaves(names: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """The leaves that are found in names, with the expressions that lead to them."""
    return ((path, one) for path, one in named(names) if isinstance(one, Tensor) and one.is_leaf)


def _is_used(names: Mapping[str, Any], reached: Collection[Node]) -> bool:
    return any(leaf.node in reached for _, leaf in _leaves(names))


def _dotted(*names: str) -> str:
    return ".".join(filter(None, names))

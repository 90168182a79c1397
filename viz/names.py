"""names: what the user calls the tensors of a graph, found in a dict such as `locals()`.

A tensor that has a variable of its own goes by that; then those inside lists, dicts and modules are looked for, and go
by the expression that leads to them (`layers[0]`, `weights['w']`, `model.head.weight`). The first name found stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import Node, Tensor, trees


def names_of(names: Mapping[str, Any]) -> dict[Node, str]:
    """The name of each node that some tensor among `names` leads to. What begins with _ is no name."""
    public = {str(name): value for name, value in names.items() if not str(name).startswith("_")}
    found: dict[Node, str] = {}
    for path, value in [*public.items(), *_inside(public)]:
        if isinstance(value, Tensor) and value.node is not None:
            found.setdefault(value.node, path)
    return found


def label(node: Node, scope: tuple[str, ...], names: Mapping[Node, str]) -> str | None:
    """What to call a node: its own name first; a parameter that no scope places goes by its whole path."""
    found = names.get(node)
    if node.name and not scope and found and found.endswith(f".{node.name}"):
        return found
    return node.name or found


def _inside(names: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Pairs of path and leaf, for all containers and modules."""
    pairs: list[tuple[str, Any]] = []
    for name, value in names.items():
        if isinstance(value, dict | list | tuple) or hasattr(value, "named_parameters"):
            try:
                pairs += [(leaf.path, leaf.value) for leaf in trees.leaves(value, name)]
            except (RecursionError, TypeError):  # it holds itself, or is a class of modules and not a module
                continue
    return pairs

"""names: the user's names for the tensors of a graph, found in a dict such as `locals()`.

A tensor that is a variable's value gets the variable's name. Then lists, dicts and modules are searched, and a tensor
in them gets the expression that leads to it (`layers[0]`, `weights['w']`, `model.head.weight`). The first name counts.

Read next: `viz/stages.py`, the share of each part of the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import Node, Tensor, trees


def names_of(names: Mapping[str, Any]) -> dict[Node, str]:
    """The name of each node whose tensor is found in `names`; variables that begin with _ are skipped."""
    public = {str(name): value for name, value in names.items() if not str(name).startswith("_")}
    found: dict[Node, str] = {}
    for path, value in [*public.items(), *_inside(public)]:
        if isinstance(value, Tensor) and value.node is not None:
            found.setdefault(value.node, path)
    return found


def label(node: Node, scope: tuple[str, ...], names: Mapping[Node, str]) -> str | None:
    """A node's own name, or else the one found; a parameter outside all scopes gets its whole path."""
    found = names.get(node)
    if node.name and not scope and found and found.endswith(f".{node.name}"):
        return found
    return node.name or found


def _inside(names: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Pairs of path and leaf, for everything inside containers and modules."""
    pairs: list[tuple[str, Any]] = []
    for name, value in names.items():
        if isinstance(value, dict | list | tuple) or hasattr(value, "named_parameters"):
            try:
                pairs += [(leaf.path, leaf.value) for leaf in trees.leaves(value, name)]
            except (RecursionError, TypeError):  # it contains itself, or is a class of modules
                continue
    return pairs

"""Trees: nested lists, tuples and dicts of arrays, and modules, as arguments of the functions to be differentiated.

A tree is taken apart into its leaves, and leaves are put together again into a tree of the same form. `None` is a tree
without leaves. A module (anything with `named_parameters`) is a tree of its parameters: a function is handed the module
itself, and gets its gradients as a dict from parameter names.

Read next: `engine/transforms.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class Leaf(NamedTuple):
    """A leaf, where it stands in its tree (`['w'][0]`), and whether it is a module's own parameter."""

    value: Any
    path: str = ""
    parameter: bool = False


def leaves(tree: Any, path: str = "") -> list[Leaf]:
    """All leaves in order. Parameters that want no gradient are none."""
    if tree is None:
        return []
    if isinstance(tree, dict):
        return [leaf for key, child in tree.items() for leaf in leaves(child, f"{path}[{key!r}]")]
    if isinstance(tree, list | tuple):
        return [leaf for key, child in enumerate(tree) for leaf in leaves(child, f"{path}[{key}]")]
    if hasattr(tree, "named_parameters"):
        return [Leaf(value, f"{path}.{name}", parameter=True) for name, value in _wanting(tree).items()]
    return [Leaf(tree, path)]


def rebuild(tree: Any, values: Iterator[Any], module: Callable[[Any, dict[str, Any]], Any]) -> Any:
    """A tree of the same form with other leaves; `module` makes what stands for a module with these new parameters."""
    if tree is None:
        return None
    if isinstance(tree, dict):
        return {key: rebuild(child, values, module) for key, child in tree.items()}
    if isinstance(tree, list | tuple):
        children = [rebuild(child, values, module) for child in tree]
        if hasattr(tree, "_fields"):
            return type(tree)(*children)  # a named tuple
        return children if isinstance(tree, list) else tuple(children)
    if hasattr(tree, "named_parameters"):
        return module(tree, {name: next(values) for name in _wanting(tree)})
    return next(values)


def same_form(tree: Any, values: list[Any]) -> Any:
    """A tree of the same form, a dict for each module."""
    return rebuild(tree, iter(values), lambda _, named: named)


def with_leaves(tree: Any, values: list[Any]) -> Any:
    """The tree with other leaves, modules left as they are."""
    return rebuild(tree, iter(values), lambda module, _: module)


def _wanting(module: Any) -> dict[str, Any]:
    return {name: value for name, value in module.named_parameters() if value.node is not None}

"""Trees: nested lists, tuples and dicts of arrays, and modules, as arguments of the functions to be differentiated.

`leaves` lists the arrays of a tree, `rebuild` makes a tree of the same form from other leaves. `None` is a tree without
leaves. A module (anything with `named_parameters`) is a tree whose leaves are its trainable parameters: a function
receives the module itself, and the gradients of the module are a dict by parameter name.

Read next: `engine/jacobians.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class Leaf(NamedTuple):
    """A leaf, its path in the tree (`['w'][0]`), and whether it is a parameter of a module."""

    value: Any
    path: str = ""
    parameter: bool = False


def leaves(tree: Any, path: str = "") -> list[Leaf]:
    """All leaves in order; of a module, the parameters that require a gradient."""
    if tree is None:
        return []
    if isinstance(tree, dict):
        return [leaf for key, child in tree.items() for leaf in leaves(child, f"{path}[{key!r}]")]
    if isinstance(tree, list | tuple):
        return [leaf for key, child in enumerate(tree) for leaf in leaves(child, f"{path}[{key}]")]
    if hasattr(tree, "named_parameters"):
        return [Leaf(value, f"{path}.{name}", parameter=True) for name, value in _trainable(tree).items()]
    return [Leaf(tree, path)]


def rebuild(tree: Any, values: Iterator[Any], module: Callable[[Any, dict[str, Any]], Any]) -> Any:
    """A tree of the same form, with `values` as its leaves.

    `module` is called for each module with a dict of its new parameters, and returns what takes the module's place.
    """
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
        return module(tree, {name: next(values) for name in _trainable(tree)})
    return next(values)


def same_form(tree: Any, values: list[Any]) -> Any:
    """A tree of the same form with these leaves, and a dict in place of each module."""
    return rebuild(tree, iter(values), lambda _, named: named)


def with_leaves(tree: Any, values: list[Any]) -> Any:
    """The tree with these leaves; a module stays the same object."""
    return rebuild(tree, iter(values), lambda module, _: module)


def _trainable(module: Any) -> dict[str, Any]:
    """The parameters of a module that require a gradient, by name."""
    return {name: value for name, value in module.named_parameters() if value.node is not None}

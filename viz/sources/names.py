"""names: the user's names for tensors, found in a dict such as `locals()`.

A tensor that is a variable's value gets the variable's name. Then lists, dicts and modules are searched, and a tensor
in them gets the expression that leads to it (`layers[0]`, `weights['w']`, `model.head.weight`). The first name counts.

Read next: `viz/sources/lines.py`, lines of source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def named(names: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Pairs of name and value: the variables first, then what is inside containers and modules.

    Variables that begin with _ are skipped. A module is anything with `named_parameters`.
    """
    public = {str(name): value for name, value in names.items() if not str(name).startswith("_")}
    yield from public.items()
    for name, value in public.items():
        yield from _inside(name, value, ())


def _inside(path: str, value: Any, around: tuple[int, ...]) -> Iterator[tuple[str, Any]]:
    """What is inside a container, with the expressions that lead there; a container inside itself is left out."""
    if id(value) in around:
        return
    if isinstance(value, dict):
        children = [(f"{path}[{key!r}]", child) for key, child in value.items()]
    elif isinstance(value, list | tuple):
        children = [(f"{path}[{key}]", child) for key, child in enumerate(value)]
    elif hasattr(value, "named_parameters") and not isinstance(value, type):
        yield from ((f"{path}.{name}", parameter) for name, parameter in value.named_parameters())
        return
    else:
        return
    for inner, child in children:
        yield inner, child
        yield from _inside(inner, child, (*around, id(value)))

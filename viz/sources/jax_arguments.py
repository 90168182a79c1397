"""The arguments of a JAX function: which arrays in them get blame, and what they are called.

Every array of floats in the arguments is a leaf, in dicts, lists, dataclasses and any other tree that JAX knows. All
else stays as it is: integers, functions, texts.

Read next: `viz/sources/jax_run.py`, how the function is run.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import keystr, tree_flatten_with_path, tree_unflatten

from viz.checks import NothingToTrace


class Leaf(NamedTuple):
    """An array of floats in the arguments.

    Fields:
        name: the expression that leads to it, `params['dense']['kernel']`.
        place: the keys on the way to it, without the last. The name of the argument is among them only where several
            arguments are trees.
    """

    name: str
    place: tuple[str, ...]
    array: Any


class Arguments:
    """The arguments of a call.

    Fields:
        leaves: in the order of the arguments.
    """

    def __init__(self, function: Callable[..., Any], arguments: Sequence[Any]) -> None:
        names = _names(function, arguments)
        found, self._tree = tree_flatten_with_path(tuple(arguments))
        self._all = [value for _, value in found]
        self._places = [place for place, (_, value) in enumerate(found) if _is_float(value)]
        paths = [found[place][0] for place in self._places]
        several = len({path[0].idx for path in paths if len(path) > 1}) > 1
        self.leaves = [
            _leaf(names[path[0].idx], path[1:], self._all[place], several)
            for place, path in zip(self._places, paths, strict=True)
        ]
        if not self.leaves:
            raise NothingToTrace("trace: no blame can flow: no argument of the function holds floats")

    def rebuilt(self, arrays: Sequence[Any]) -> Any:
        """The arguments, with other arrays for the leaves."""
        values = list(self._all)
        for place, array in zip(self._places, arrays, strict=True):
            values[place] = array
        return tree_unflatten(self._tree, values)


def _leaf(argument: str, path: Sequence[Any], value: Any, several: bool) -> Leaf:
    """The leaf at the end of a path in an argument; `several` says whether several arguments are trees."""
    name = argument + keystr(tuple(path))
    if isinstance(value, jax.core.Tracer):
        raise TypeError(f"trace: {name} has no value inside jit, grad or vmap; call trace outside of them")
    if jnp.issubdtype(jnp.result_type(value), jnp.complexfloating):
        raise TypeError(f"trace: {name} is complex, and blame flows to real numbers; give its parts")
    around = [argument] if path and several else []
    return Leaf(name, (*around, *map(_text, path[:-1])), jnp.asarray(value))


def _text(key: Any) -> str:
    """A key of a path without brackets and quotes."""
    return str(next(getattr(key, kind) for kind in ("name", "key", "idx") if hasattr(key, kind)))


def _is_float(value: Any) -> bool:
    """Whether a value is a number or an array with a gradient."""
    if not isinstance(value, float | complex | np.ndarray | np.generic | jax.Array):
        return False
    return bool(jnp.issubdtype(value.dtype if hasattr(value, "dtype") else type(value), jnp.inexact))


def _names(function: Callable[..., Any], arguments: Sequence[Any]) -> list[str]:
    """The name of each argument, by the signature of the function."""
    try:
        signature = inspect.signature(function)
    except ValueError:  # a function that is not written in Python
        return [f"arguments[{number}]" for number in range(len(arguments))]
    try:
        signature.bind(*arguments)
    except TypeError as error:
        name = getattr(function, "__name__", "the function")
        raise TypeError(f"trace: {name}{signature} does not fit the arguments after it: {error}") from None
    names: list[str] = []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            names += [f"{parameter.name}[{number}]" for number in range(len(arguments) - len(names))]
        elif parameter.kind is not parameter.KEYWORD_ONLY:
            names.append(parameter.name)
    return names

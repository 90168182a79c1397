"""Reader: a module that only reads, with plain arrays for parameters.

An op that is given arrays returns an array and records nothing (`engine/primitive.py`), so the `forward` of a module
runs on arrays as it stands. Where a call computes little, as for one character of a text, that takes half the time.

Read next: `nn/attention.py`.
"""

from __future__ import annotations

from typing import Any, TypeVar

from engine import Tensor
from nn.module import Module

M = TypeVar("M", bound=Module)


def reader(module: M) -> M:
    """A copy of a module, and of all below it, in which each tensor is a read-only array on the same memory.

    What is assigned to a parameter is seen by the copy; a parameter or module that is replaced is not.
    """
    return _read_only(module, {})


def _read_only(value: Any, made: dict[int, Any]) -> Any:
    """The same value with arrays in the place of tensors; `made` holds the copies of modules, by the id of each."""
    if isinstance(value, Tensor):
        return value.numpy()
    if isinstance(value, Module):
        if id(value) not in made:
            made[id(value)] = copy = object.__new__(type(value))
            vars(copy).update({name: _read_only(own, made) for name, own in vars(value).items()})
        return made[id(value)]
    if isinstance(value, list | tuple):
        return type(value)([_read_only(own, made) for own in value])
    if isinstance(value, dict):
        return {key: _read_only(own, made) for key, own in value.items()}
    return value

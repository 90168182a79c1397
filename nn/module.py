"""Module: parameters and submodules, found by looking at attributes.

The idea: a module is an ordinary object. A tensor or module assigned to an attribute belongs to it under that name,
also inside lists, tuples and dicts (`layers.0`), and calling a module opens a graph scope with its path, so that every
node remembers which part of the model recorded it. `viz` needs nothing else.

The invariant: every tensor and module has one name, its path of attributes (`blocks.0.attention.query.weight`), the
same in `named_parameters`, `state_dict`, `summary()` and in the pictures; of several paths it is the first.

Read next: `nn/paths.py`, which finds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from engine import Tensor
from engine.recording import stack
from nn.calls import call
from nn.paths import dotted, named_tensors, walk
from nn.state import checked
from nn.summary import table, tree


class Module:
    """Base of all layers: assign tensors and modules to attributes, write `forward`, call the object."""

    training: bool = True
    is_called: bool = True  # whether it has a `forward`, whose calls open a scope
    _name: str = ""  # in the module that it was assigned to last

    def __init_subclass__(cls) -> None:
        """Refuse modules and parameters that all objects of a class would share, and none would find."""
        for name, value in _held(vars(cls).items(), cls.__name__):
            if isinstance(value, Module) or value.requires_grad:
                raise TypeError(f"{cls.__name__}: {name} belongs to the class; assign it to self, in __init__")

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if stack.get().idle:  # no node is recorded, so nobody asks for a scope
            return self.forward(*args, **kwargs)
        return call(self, self._name, args, kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        for path, found in _held([(name, value)], type(self).__name__):
            if isinstance(found, Tensor):
                if found.name is None:
                    found.name = path
            elif not any(found is own for own in vars(self).values()):
                found.set_name(path)
        object.__setattr__(self, name, value)

    def set_name(self, name: str) -> None:
        """Set the name of the scope that a call opens while no module above this one is running."""
        object.__setattr__(self, "_name", name)

    # ---- submodules and parameters -----------------------------------------------------------------------------

    def children(self) -> Iterator[tuple[str, Module]]:
        """Pairs of name and submodule, in order of assignment."""
        found = _held(vars(self).items(), type(self).__name__)
        return ((name, value) for name, value in found if isinstance(value, Module))

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Pairs of name and tensor held by this module itself, not by its submodules."""
        found = _held(vars(self).items(), type(self).__name__)
        return ((name, value) for name, value in found if isinstance(value, Tensor))

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """This module and all below it, each once, with their paths."""
        return ((dotted(path), module) for path, module in walk(self).modules)

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Pairs of path and tensor that requires a gradient; a shared tensor appears once, under its first path."""
        tensors, _ = named_tensors(self)
        return ((path, value) for path, value in tensors.items() if value.requires_grad)

    def parameters(self) -> list[Tensor]:
        """Every tensor that requires a gradient, once."""
        return [value for _, value in self.named_parameters()]

    def zero_grad(self) -> None:
        """Set all gradients to None."""
        for parameter in self.parameters():
            parameter.zero_grad()

    # ---- modes -------------------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Module:
        """Switch this module and all below it to training (dropout on) or, with False, to evaluation."""
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        """Switch to evaluation: the same input gives the same output."""
        return self.train(False)

    # ---- saving and loading ------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """A copy of every tensor's value, by path."""
        tensors, _ = named_tensors(self)
        return {path: value.numpy().copy() for path, value in tensors.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Assign every tensor from `state`, or raise ValueError naming the first differences and assign none.

        A tensor with several paths may be given under any of them, or under more than one with equal values.
        """
        tensors, again = named_tensors(self)
        for path, array in checked("load_state_dict", tensors, state, again).items():
            tensors[path].assign(array)

    # ---- text --------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """The text in the parentheses of the tree representation."""
        return ""

    def __repr__(self) -> str:
        walk(self)  # a cycle would have no end
        children = [(name, repr(child)) for name, child in self.children()]
        return tree(type(self).__name__, self.extra_repr(), children)

    def summary(self) -> str:
        """A table of where the parameters live."""
        return table(self.named_parameters())


def _held(items: Iterable[tuple[Any, Any]], owner: str, within: tuple[Any, ...] = ()) -> list[tuple[str, Any]]:
    """The modules and tensors among some values, with their names, and those in lists, tuples and dicts (`name.0`)."""
    found: list[tuple[str, Any]] = []
    for name, value in items:
        if isinstance(value, _HELD):
            found.append((str(name), value))
        elif isinstance(value, _SEARCHED):
            if any(value is outer for outer in within):
                raise ValueError(f"{owner}: the {type(value).__name__} {name} contains itself")
            members = value.items() if isinstance(value, dict) else enumerate(value)
            found += [(f"{name}.{inside}", one) for inside, one in _held(members, owner, (*within, value))]
        elif isinstance(value, _UNORDERED) and any(isinstance(member, _HELD) for member in value):
            raise TypeError(f"{owner}: {name} is a set, whose members have no order and so no names; make it a list")
    return found


_HELD, _SEARCHED, _UNORDERED = (Module, Tensor), (list, tuple, dict), (set, frozenset)

"""Module: parameters and submodules, found by looking at attributes.

The idea: a module is an ordinary object. A tensor or module assigned to an attribute belongs to it under that name, and
calling a module opens a graph scope with its name, so that every node remembers which part of the model recorded it.
`viz` needs nothing else.

The invariant: names are paths of attributes (`blocks.0.attention.query.weight`), the same in `named_parameters`,
`state_dict`, `repr`, `summary()` and in the pictures.

Read next: `nn/summary.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from engine import Tensor, scope
from nn.summary import table, tree


class Module:
    """Base of all layers: assign tensors and modules to attributes, write `forward`, call the object."""

    training: bool = True
    _name: str = ""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self._name:
            return self.forward(*args, **kwargs)
        with scope(self._name):
            return self.forward(*args, **kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Module):
            value.set_name(name)
        elif isinstance(value, Tensor) and value.name is None:
            value.name = name
        object.__setattr__(self, name, value)

    def set_name(self, name: str) -> None:
        """Set the name of the scope that a call opens: the attribute of the parent that holds this module."""
        object.__setattr__(self, "_name", name)

    # ---- submodules and parameters -----------------------------------------------------------------------------

    def children(self) -> Iterator[tuple[str, Module]]:
        """Pairs of name and submodule, in order of assignment."""
        return ((name, value) for name, value in vars(self).items() if isinstance(value, Module))

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Pairs of name and tensor held by this module itself, not by its submodules."""
        return ((name, value) for name, value in vars(self).items() if isinstance(value, Tensor))

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all below it, with their paths."""
        yield prefix, self
        for name, child in self.children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def _named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        for path, module in self.named_modules():
            for name, value in module.tensors():
                yield (f"{path}.{name}" if path else name), value

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Pairs of path and tensor that requires a gradient; a shared tensor appears once, under its first path."""
        seen: set[int] = set()
        for path, value in self._named_tensors():
            if value.requires_grad and id(value) not in seen:
                seen.add(id(value))
                yield path, value

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
        return {path: value.numpy().copy() for path, value in self._named_tensors()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Assign every tensor from `state`, or raise ValueError naming the first differences and assign none."""
        mine = dict(self._named_tensors())
        shapes = {path: np.shape(value) for path, value in state.items()}
        wrong = [f"missing {path}" for path in mine if path not in shapes]
        wrong += [f"unexpected {path}" for path in shapes if path not in mine]
        wrong += [
            f"{path} has shape {shapes[path]}, the model needs {value.shape}"
            for path, value in mine.items()
            if path in shapes and shapes[path] != value.shape
        ]
        if wrong:
            more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
            raise ValueError(f"load_state_dict: {'; '.join(wrong[:3])}{more}")
        for path, value in mine.items():
            value.assign(state[path])

    # ---- text --------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """The text in the parentheses of the tree representation."""
        return ""

    def __repr__(self) -> str:
        children = [(name, repr(child)) for name, child in self.children()]
        return tree(type(self).__name__, self.extra_repr(), children)

    def summary(self) -> str:
        """A table of where the parameters live."""
        return table(self.named_parameters())


class ModuleList(Module):
    """Modules held by number: `blocks.0`, `blocks.1`, ... The list itself cannot be called."""

    def __init__(self, modules: Iterable[Module]) -> None:
        for number, module in enumerate(modules):
            setattr(self, str(number), module)

    def set_name(self, name: str) -> None:
        super().set_name(name)
        for number, child in self.children():
            child.set_name(f"{name}.{number}")  # the list is never called and opens no scope, so its members include it

    def __iter__(self) -> Iterator[Module]:
        return (child for _, child in self.children())

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    def __getitem__(self, index: int) -> Module:
        return list(self)[index]


class Sequential(Module):
    """Modules applied one after another."""

    def __init__(self, *modules: Module) -> None:
        for number, module in enumerate(modules):
            setattr(self, str(number), module)

    def forward(self, x: Any) -> Any:
        for _, child in self.children():
            x = child(x)
        return x

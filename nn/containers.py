"""Containers: modules that hold others in order.

Read next: `nn/init.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from engine import Tensor
from nn.module import Module


class ModuleList(Module):
    """Modules held by number: `blocks.0`, `blocks.1`, ... The list itself cannot be called."""

    is_called = False  # it opens no scope, so the names of its members begin with its own

    def __init__(self, modules: Iterable[Module]) -> None:
        _hold(self, modules)

    def set_name(self, name: str) -> None:
        super().set_name(name)
        for number, child in self.children():
            child.set_name(f"{name}.{number}")

    def __iter__(self) -> Iterator[Module]:
        return (child for _, child in self.children())

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    def __getitem__(self, index: int) -> Module:
        return list(self)[index]


class Sequential(Module):
    """Modules applied one after another."""

    def __init__(self, *modules: Module) -> None:
        _hold(self, modules)

    def forward(self, x: Any) -> Any:
        for _, child in self.children():
            x = child(x)
        return x


def _hold(container: Module, modules: Any) -> None:
    """Assign modules to attributes by number. TypeError for anything that is not a module."""
    if isinstance(modules, Tensor) or not isinstance(modules, Iterable):
        raise TypeError(f"{type(container).__name__}: give a list of modules, not {type(modules).__name__}")
    for number, module in enumerate(modules):
        if not isinstance(module, Module):
            raise TypeError(
                f"{type(container).__name__}: number {number} must be a module, such as nn.GELU(), "
                f"not {getattr(module, '__name__', type(module).__name__)}"
            )
        setattr(container, str(number), module)

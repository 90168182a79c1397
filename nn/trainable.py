"""Lists of parameters, as optimizers and clipping are given them.

Any iterable will do. It is read once and kept as a list, for a generator is empty the second time. What would make a
step do something else than it says (nothing to train, a parameter twice, a tensor that gets no gradient) is an error.

Read next: `nn/optim/__init__.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine import Tensor


def items(owner: str, given: Any) -> list[Any]:
    """What an iterable holds, at least one thing; a single tensor is a list of one."""
    if isinstance(given, Tensor):
        return [given]
    if hasattr(given, "named_parameters"):
        raise TypeError(f"{owner}: give the module's parameters, model.parameters(), not the module")
    if isinstance(given, set | frozenset | Mapping | str) or not isinstance(given, Iterable):
        raise TypeError(f"{owner}: parameters must be a list of tensors or of groups, not {type(given).__name__}")
    found = list(given)
    if not found:
        raise ValueError(f"{owner}: no parameters were given (a generator that was used before is empty)")
    return found


def tensors(owner: str, given: Any) -> list[Tensor]:
    """The tensors of an iterable, at least one, and each once."""
    found = items(owner, given)
    for p in found:
        if not isinstance(p, Tensor):
            raise TypeError(f"{owner}: parameters must be tensors, such as model.parameters(), not {type(p).__name__}")
    once(owner, found)
    return found


def leaves(owner: str, given: Any) -> list[Tensor]:
    """The tensors of an iterable, all of them made by the user and with a gradient to come."""
    found = tensors(owner, given)
    for p in found:
        if not p.is_leaf or not p.requires_grad:
            raise TypeError(f"{owner}: can only optimize leaf tensors with requires_grad, not {described(p)}")
    return found


def once(owner: str, parameters: list[Tensor]) -> None:
    """Raise ValueError if a tensor is in the list twice."""
    seen: set[int] = set()
    for p in parameters:
        if id(p) in seen:
            raise ValueError(f"{owner}: {described(p)} is given twice")
        seen.add(id(p))


def described(p: Tensor) -> str:
    """A tensor in a message: its name if it has one, and its shape."""
    made = f" made by {p.node.op}" if p.node is not None and not p.is_leaf else ""
    return f"the tensor {p.name or ''}".rstrip() + f"{made} of shape {p.shape}"

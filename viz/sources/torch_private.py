"""What PyTorch's graph tells only by private names, all of which are in this file.

A node of PyTorch's graph is the backward function of an operation, in `Tensor.grad_fn`. These functions were tried with
PyTorch 2.4 and later; tests/viz/pytorch/test_private.py says which of them a new version breaks.

Read next: `viz/sources/torch_measures.py`, norms and shares where a tensor lives.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import torch

_LEAF = "torch::autograd::AccumulateGrad"


def is_leaf(node: Any) -> bool:
    """Whether a node stands for a tensor that no operation made."""
    return node.name() == _LEAF


def next_sequence_number() -> int:
    """The number that the next node made on this thread will get."""
    return torch._C._autograd._get_sequence_nr()


def sequence_number(node: Any) -> int:
    """A node's number: it is larger than those of all nodes made before on the same thread. A leaf has the largest."""
    return node._sequence_nr()


def results(node: Any) -> int | None:
    """The number of results of the operation; None where PyTorch does not tell, as before version 2.5."""
    return len(node._input_metadata) if hasattr(node, "_input_metadata") else None


def tells_what_is_saved() -> bool:
    """Whether this version of PyTorch shows what a node keeps without unpacking it."""
    return hasattr(torch._C._autograd.SavedTensor, "data")


def unit_cotangents(node: Any) -> Iterator[torch.Tensor]:
    """For each element of the first result, the cotangent that is 1 there and 0 elsewhere."""
    result = node._input_metadata[0]
    for unit in torch.eye(math.prod(result.shape), dtype=result.dtype, device=result.device):
        yield unit.reshape(result.shape)


def saved_tensors(node: Any) -> Iterator[torch.Tensor]:
    """The tensors that a node keeps for its backward pass, as they are kept: no unpacking, so no checkpoint runs."""
    for _, kept in _kept(node):
        packed = getattr(kept, "data", None)
        if isinstance(packed, torch.Tensor):
            yield packed


def small_saved_tensors(node: Any, most: int) -> Iterator[tuple[Any, torch.Tensor]]:
    """Pairs of a node and its value, for the saved tensors of at most `most` elements that no hook packs.

    A tensor that was changed in place since is left out. A leaf's value comes with None as its node.
    """
    for name, kept in _kept(node):
        packed = getattr(kept, "data", None)
        if isinstance(packed, torch.Tensor) and packed.numel() <= most and kept.unpack_hook is None:
            try:
                tensor = getattr(node, name.replace("_raw", "", 1))
            except (RuntimeError, AttributeError):  # changed in place since; a Function of the user, without such names
                continue
            if isinstance(tensor, torch.Tensor):
                yield (node if name == "_raw_saved_result" else tensor.grad_fn), tensor.detach()


def _kept(node: Any) -> Iterator[tuple[str, Any]]:
    """The saved tensors of a node, packed, each with the name of the attribute that holds it."""
    kind: Any = type(node)
    for name in _names(kind):
        try:
            held = getattr(node, name)
        except RuntimeError:  # freed by an earlier backward
            continue
        for kept in held if isinstance(held, list | tuple) else [held]:
            yield name, kept


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(name for name in dir(kind) if name.startswith("_raw_saved"))


def can_be_run_alone(node: Any) -> bool:
    """Whether a node is one of PyTorch's own operations and keeps its tensors as they are: to run it has no effects."""
    return callable(node) and node.name()[-1].isdigit() and all(kept.unpack_hook is None for _, kept in _kept(node))


def is_whole(tensor: torch.Tensor) -> bool:
    """Whether a tensor can be asked anything. PyTorch up to 2.4 leaves some behind without their memory."""
    try:
        return isinstance(tensor.requires_grad, bool)
    except RuntimeError:
        return False


def has_hook(tensor: torch.Tensor) -> bool:
    """Whether the user registered a hook on the gradient of a tensor."""
    return bool(tensor._backward_hooks)


def recorded_traceback(node: Any) -> list[str]:
    """The lines of code that made a node, outermost first, if anomaly mode was on then."""
    return node.metadata.get("traceback_", [])

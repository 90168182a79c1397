"""`Tensor.backward`: one reverse sweep, then every gradient is added to the `.grad` of its tensor.

The invariant: nothing is written before the sweep has succeeded, so an error leaves every `.grad` as it was; and what
is written shares memory with nothing else.

Read next: `engine/half.py`.
"""

from __future__ import annotations

from _thread import allocate_lock  # threading's Lock, which is slow to load
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from engine import ops
from engine.recording import enable_grad
from engine.sweeps import reverse_sweep
from engine.tensor import Tensor, wrap

_accumulating = allocate_lock()  # two threads may share parameters


def backward(tensor: Tensor, gradient: Any, *, retain_graph: bool, create_graph: bool) -> None:
    """Sweep, then add each gradient to the `.grad` of its tensor."""
    seed = seed_for(tensor, gradient, "backward")
    assert tensor.node is not None
    with enable_grad() if create_graph else nullcontext():
        results = reverse_sweep(
            tensor.node, seed if create_graph else seed.array, create_graph=create_graph, retain_graph=retain_graph
        )
        with _accumulating:
            for node, g in results.items():
                target = node.target
                if target is None:
                    continue
                if target.grad is not None:
                    g = g + (target.grad if create_graph else target.grad.array)
                array, of_g = (g.array, g.node) if create_graph else (g, None)
                target.grad = wrap(np.array(array), of_g)  # a copy: g may be shared


def gradients(output: Tensor, inputs: Sequence[Tensor], gradient: Any = None) -> list[Any]:
    """The gradient of `output` in each input as an array, without touching any `.grad`; zeros where none arrives."""
    seed = seed_for(output, gradient, "gradients")
    assert output.node is not None
    found = reverse_sweep(output.node, seed.array, {x.node for x in inputs if x.node is not None})
    return [np.zeros_like(x.array) if x.node not in found else found[x.node] for x in inputs]


def seed_for(tensor: Tensor, gradient: Any, caller: str) -> Tensor:
    """The cotangent that a sweep from a tensor starts with. RuntimeError where there is no graph to sweep.

    `caller` is the name of the function to be named in a message.
    """
    if tensor.node is None:
        raise RuntimeError(f"{caller}: no graph leads here: no input requires a gradient, or it was made under no_grad")
    return cotangent_for(tensor, gradient, caller)


def cotangent_for(tensor: Tensor, gradient: Any, caller: str) -> Tensor:
    """The given cotangent (or tangent), checked to fit the tensor; 1 by default, for a tensor of one element.

    Raises RuntimeError where there is no single number to differentiate, ValueError for another shape.
    """
    if gradient is None:
        if tensor.array.size != 1:
            raise RuntimeError(
                f"{caller}: a tensor of shape {tensor.shape} is no loss; give it a gradient, or reduce it to one number"
            )
        return wrap(np.ones_like(tensor.array), None)
    if not isinstance(gradient, Tensor):
        gradient = Tensor(gradient, dtype=tensor.dtype)
    if gradient.shape != tensor.shape:
        raise ValueError(f"{caller}: gradient of shape {gradient.shape} given for a tensor of shape {tensor.shape}")
    return gradient if gradient.dtype == tensor.dtype else ops.astype(gradient, dtype=tensor.dtype)

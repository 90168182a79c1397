"""What an op's rules claim: its gradient and its derivative at one point, by sweeps of the engine over one call.

Read next: `engine/testing/laws.py`, which hold these claims against the truth and against one another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.graph import between
from engine.primitive import Primitive
from engine.recording import changed
from engine.sweeps import forward_sweep, reverse_sweep
from engine.tensor import Array, Tensor, wrap

Function = Callable[..., Any]


def differentiable(primitive: Primitive, arrays: Sequence[Any]) -> list[int]:
    """The positions of the arguments that have a derivative."""
    plan = primitive.plan(False, len(arrays), (1 << len(arrays)) - 1)
    ruled = set(range(len(arrays))) if plan.joint else {argument for argument, _ in plan.pulls}
    return [
        k for k, array in enumerate(arrays) if k in ruled and isinstance(array, np.ndarray) and array.dtype.kind == "f"
    ]


def inputs_of(arrays: Sequence[Any], wanted: Sequence[int]) -> list[Any]:
    """The arguments of a call: tensors that want a gradient in some places, arrays in the others."""
    return [Tensor(a, requires_grad=True) if k in wanted else a for k, a in enumerate(arrays)]


def pull_back(
    function: Function, arrays: Sequence[Any], wanted: Sequence[int], g: Array, **sweep: Any
) -> dict[int, Any]:
    """Our own gradient of <g, function(arrays)> in each wanted argument."""
    inputs = inputs_of(arrays, wanted)
    out = function(*inputs)
    if out.node is None:
        return {k: np.zeros_like(arrays[k]) for k in wanted}
    seed = wrap(g, None) if sweep.get("create_graph") else g
    found = reverse_sweep(out.node, seed, **sweep)
    return {k: found.get(inputs[k].node, np.zeros_like(arrays[k])) for k in wanted}


def push_forward(function: Function, arrays: Sequence[Any], tangents: dict[int, Any]) -> Any:
    """Our own derivative of function(arrays) in the direction of the tangents."""
    inputs = inputs_of(arrays, list(tangents))
    with changed(forward=True):
        out = function(*inputs)
    if out.node is None:
        return np.zeros_like(out.array)
    directions = {inputs[k].node: t for k, t in tangents.items()}
    found = forward_sweep(between(out.node, directions), directions)
    return found.get(out.node, np.zeros_like(out.array))

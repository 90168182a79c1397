"""The derivative of one small operation of PyTorch, as text: its backward function is run for each unit cotangent.

Read next: `viz/sources/jax.py`, the third source.
"""

from __future__ import annotations

from typing import Any

import torch

from viz.sources.derivative import derivative, is_small
from viz.sources.torch_graph import Kinds, Route
from viz.sources.torch_private import can_be_run_alone, results, unit_cotangents


def local_derivative(node: Any, argument: int, route: Route, kinds: Kinds) -> str:
    """The derivative of a node in one argument, through the views on the way; empty if it is large, or not known.

    A function of the user is not run: it may do more than compute.
    """
    if results(node) != 1:
        return ""
    (shape, dtype), (inputs, its_dtype) = kinds[node][0], kinds[route.target][route.result]
    real = dtype.is_floating_point and its_dtype.is_floating_point
    if not real or not is_small(inputs, shape) or not all(map(can_be_run_alone, [node, *route.views])):
        return ""
    with torch.no_grad():
        pulled = [_pulled(node, unit, argument, route) for unit in unit_cotangents(node)]
    return derivative(pulled, inputs, shape)


def _pulled(node: Any, unit: torch.Tensor, argument: int, route: Route) -> Any:
    """What a cotangent of the node comes to at the end of a route."""
    found = _as_tuple(node(unit))[argument]
    for view in route.views:
        found = _as_tuple(view(found))[0]
    return found.to(torch.float64).cpu().numpy()


def _as_tuple(sent: Any) -> tuple[Any, ...]:
    return sent if isinstance(sent, tuple) else (sent,)

"""Jacobians and Hessians, built row by row (reverse) or column by column (forward) from one evaluation.

A reverse sweep computes J^T g and a forward sweep J t. With a unit array for g or t (zeros and a single 1), the result
is one row or one column of J.

Read next: `engine/explain.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from engine import ops
from engine.arrays import Array
from engine.graph import Node
from engine.tensor import Tensor, wrap
from engine.transforms import Argnums, Evaluation, Function, grad_or_zeros, owned, positions


def jacobian(f: Function, argnums: Argnums = 0, *, mode: str = "reverse") -> Function:
    """A function that returns the derivative of every element of f's result in every element of its arguments.

    Shape: result shape + argument shape, in the form of the argument (a tuple of Jacobians if `argnums` is a tuple).
    `mode` is "reverse", one sweep per element of the result, or "forward", one sweep per element of the arguments.
    Raises ValueError for another mode, TypeError if f does not return one tensor.
    """
    if mode not in ("reverse", "forward"):
        raise ValueError(f'jacobian: mode must be "reverse" or "forward", not {mode!r}')

    def matrix(*args: Any, **keywords: Any) -> Any:
        run = Evaluation(
            "jacobian", f, args, keywords, positions("jacobian", argnums, len(args)), forward=mode == "forward"
        )
        if len(run.results) != 1:
            raise TypeError(f"jacobian: the function must return one tensor, not {len(run.results)}")
        found = _by_rows(run) if mode == "reverse" else _by_columns(run)
        matrices = run.like_inputs(found, lambda _, x: ops.zeros(run.results[0].shape + x.shape, dtype=x.dtype))
        return matrices[0] if isinstance(argnums, int) else tuple(matrices)

    return matrix


def hessian(f: Function, argnums: Argnums = 0) -> Function:
    """A function that returns the second derivatives of f, the forward Jacobian of its gradient. f returns one number.

    Shape: argument shape + argument shape; with a tuple of `argnums`, a tuple of tuples.
    """
    if isinstance(argnums, int):
        return jacobian(grad_or_zeros(f, argnums), argnums, mode="forward")
    rows = [jacobian(grad_or_zeros(f, k), argnums, mode="forward") for k in argnums]
    return lambda *args: tuple(row(*args) for row in rows)


def unit_arrays(shape: tuple[int, ...], dtype: Any) -> Iterator[Array]:
    """For each element of a shape, an array of zeros with a 1 in its place."""
    for k in range(math.prod(shape)):
        unit = np.zeros(shape, dtype)
        unit.flat[k] = 1
        yield unit


def _unit_tensors(x: Tensor) -> Iterator[Tensor]:
    return (wrap(unit, None) for unit in unit_arrays(x.shape, x.dtype))


def _by_rows(run: Evaluation) -> dict[Node, Any]:
    (result,) = run.results
    sweeps = [run.pull([unit], retain_graph=True) for unit in _unit_tensors(result)]
    return {
        node: _joined([owned(found.get(node), x) for found in sweeps], 0, result.shape + x.shape)
        for node, x in run.by_node().items()
        if any(node in found for found in sweeps)
    }


def _by_columns(run: Evaluation) -> dict[Node, Any]:
    (result,) = run.results
    return {
        node: _joined([run.push({node: unit})[0] for unit in _unit_tensors(x)], -1, result.shape + x.shape)
        for node, x in run.by_node().items()
        if x.size
    }


def _joined(pieces: list[Tensor], axis: int, shape: tuple[int, ...]) -> Tensor:
    return ops.reshape(ops.stack(pieces, axis=axis), shape=shape)

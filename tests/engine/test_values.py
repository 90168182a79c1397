"""What is still known of the values in a graph: kept ones, saved ones, those of living tensors; never a stale one."""

from __future__ import annotations

import numpy as np
import pytest

import engine
from engine import Tensor
from engine.graph import Node, reachable
from engine.values import known_values


def known(loss: Tensor) -> dict[str, float]:
    assert loss.node is not None
    return {node.op if node.name is None else node.name: value.item() for node, value in find(loss).items()}


def find(loss: Tensor) -> dict[Node, np.ndarray]:
    assert loss.node is not None
    return known_values(reachable(loss.node))


def test_without_asking_only_saved_and_living_values_are_known() -> None:
    x = Tensor(3.0, requires_grad=True, name="x")
    loss = engine.sin(-(x * 2.0))  # sin saves what negative made; nothing saves the product or the result
    assert known(loss) == {"x": 3.0, "negative": -6.0}


def test_a_value_is_found_among_the_arguments_of_an_op_of_any_number_of_them() -> None:
    x = Tensor([3.0], requires_grad=True, name="x")
    y = engine.exp(x)  # saves its own result
    loss = engine.concat([y, y]).sum()
    assert known(loss) == {"x": 3.0, "exp": pytest.approx(np.exp(3.0))}


def test_kept_values_are_all_known_and_the_engine_computes_the_same() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    with engine.keep_values():
        y = -(x + 1.0)
        loss = engine.where(y.array < -2, y * 3.0, y).sum()
    values = {node.op: value.tolist() for node, value in find(loss).items()}
    assert values == {
        "leaf": [1.0, 2.0],
        "add": [2.0, 3.0],
        "negative": [-2.0, -3.0],
        "multiply": [-6.0, -9.0],
        "where": [-2.0, -9.0],
        "sum": -11.0,
    }
    loss.backward()
    assert x.grad is not None
    assert x.grad.numpy().tolist() == [-1.0, -3.0]


def test_values_are_kept_inside_transforms_checkpoints_and_decorated_functions() -> None:
    @engine.keep_values()
    def f(x: Tensor) -> Tensor:
        return engine.checkpoint(lambda y: (y * y).sum())(x + 1.0)

    x = Tensor([1.0, 2.0], requires_grad=True)
    assert {node.op for node in find(f(x))} >= {"leaf", "add"}
    outside = engine.negative(x)
    assert outside.node is not None
    assert outside.node.notes is None
    assert engine.grad(f)(x).numpy().tolist() == [4.0, 6.0]


def test_a_parameter_assigned_since_is_not_known_any_more() -> None:
    w = Tensor(2.0, requires_grad=True, name="w")
    loss = -w
    assert known(loss) == {"w": 2.0}
    w.assign(5.0)
    assert known(loss) == {}

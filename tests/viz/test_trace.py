"""trace: edges in the order of the sweep, values and gradients, names from variables, containers and modules."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import engine
import nn
import viz
from engine import Tensor


def labels(flow: viz.BlameFlow) -> list[str]:
    return [node.label for node in flow.nodes]


def test_edges_stand_in_the_order_of_the_sweep_and_gather_up_to_the_gradient() -> None:
    x = Tensor([1.0, -2.0], requires_grad=True)
    y = engine.tanh(x)
    flow = viz.trace((y * y + y - x).sum())
    by_id = {node.id: node for node in flow.nodes}
    places = [int(edge.source[1:]) for edge in flow.edges]
    assert places == sorted(places, reverse=True)
    arrived: dict[str, np.ndarray] = {}
    for edge in flow.edges:
        assert edge.each is not None
        arrived[edge.target] = arrived.get(edge.target, 0) + np.array(edge.each)
        assert edge.gathered == pytest.approx(np.linalg.norm(arrived[edge.target]))
        assert edge.norm == pytest.approx(np.linalg.norm(edge.each))
    for target, total in arrived.items():
        gradient = by_id[target].gradient
        assert gradient is not None
        assert gradient.each == pytest.approx(total.tolist())


def test_an_edge_tells_its_argument_its_rule_and_its_local_derivative() -> None:
    a = Tensor(2.0, requires_grad=True, name="a")
    b = Tensor(-3.0, requires_grad=True, name="b")
    flow = viz.trace(a * b)
    told = [(edge.target, edge.argument, edge.rule, edge.local, edge.each) for edge in flow.edges]
    assert told == [("n0", 0, "g * y", "-3", (-3.0,)), ("n1", 1, "g * x", "2", (2.0,))]
    assert flow.nodes[0].formula == "Elementwise product; d(xy) = y dx + x dy."


def test_large_arrays_are_summarised_and_small_ones_told_number_by_number() -> None:
    x = Tensor(np.arange(30.0), requires_grad=True)
    head = x[:3]
    flow = viz.trace((head * 2.0).sum() + (x * 0.0).sum())
    leaf, part = flow.nodes[-1], next(node for node in flow.nodes if node.op == "getitem")
    assert leaf.value == viz.Numbers(14.5, float(np.arange(30.0).std()), 0.0, 29.0, None, zeros=1 / 30)
    assert leaf.gradient is not None
    assert leaf.gradient.each is None
    assert leaf.gradient.greatest == 2.0
    assert part.gradient == viz.Numbers(2.0, 0.0, 2.0, 2.0, (2.0, 2.0, 2.0), zeros=0.0)
    assert all(edge.local == "" for edge in flow.edges if edge.target == leaf.id)


def test_values_are_shown_where_known_and_everywhere_when_kept() -> None:
    x = Tensor(1.0, requires_grad=True)
    without = viz.trace(-(x + 1.0) + 5.0)
    assert [node.value is not None for node in without.nodes] == [True, False, False, True]
    with engine.keep_values():
        kept = viz.trace(-(x + 1.0) + 5.0)
    assert [node.value and node.value.each for node in kept.nodes] == [(3.0,), (-2.0,), (2.0,), (1.0,)]


def test_empty_arrays_and_infinite_values_are_traced() -> None:
    empty = Tensor(np.zeros((0, 3)), requires_grad=True)
    flow = viz.trace((empty * 2.0).sum())
    assert flow.nodes[-1].gradient is None
    assert math.isnan(next(edge.share for edge in flow.edges if edge.target == "n0"))
    x = Tensor([np.inf, 1.0], requires_grad=True)
    flow = viz.trace((x * x).sum())
    assert flow.nodes[-1].norm == math.inf


def test_names_come_from_variables_containers_and_modules() -> None:
    a, b = Tensor(2.0, requires_grad=True), Tensor(3.0, requires_grad=True, name="given")
    weights = {"w": Tensor(1.0, requires_grad=True), "more": [Tensor(4.0, requires_grad=True)]}
    _hidden = Tensor(5.0, requires_grad=True)
    product = a * b * weights["w"]
    loss = product * weights["more"][0] * _hidden  # type: ignore[index]
    names = labels(viz.trace(loss, names=locals()))
    expected = ["loss", "multiply", "product", "multiply", "leaf", "weights['more'][0]", "weights['w']", "given", "a"]
    assert names == expected
    assert labels(viz.trace(loss))[:2] == ["multiply", "multiply"]


def test_a_layer_of_ones_own_is_named_by_its_variable_and_a_module_by_its_scope() -> None:
    layer = nn.Linear(2, 2)
    x = Tensor(np.ones((1, 2), np.float32), requires_grad=True)
    flow = viz.trace(layer(x).sum(), names=locals())
    assert {node.label for node in flow.nodes if node.op == "leaf"} == {"layer.weight", "layer.bias", "x"}
    model = nn.Sequential(nn.Linear(2, 2))
    flow = viz.trace(model(x).sum(), names=locals())
    assert {(node.scope, node.label) for node in flow.nodes if node.op == "leaf"} == {
        (("0",), "weight"),
        (("0",), "bias"),
        (("0",), "x"),
    }


def test_names_may_hold_anything_even_themselves() -> None:
    x = Tensor(2.0, requires_grad=True)
    circle: list[Any] = [x]
    circle.append(circle)
    names = {"circle": circle, "kind": nn.Linear, "number": 3, "text": "x", "array": np.ones(3), "x": x}
    assert labels(viz.trace(x * 2.0, names=names)) == ["multiply", "x"]


def test_a_double_backward_graph_can_be_traced() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    (x * x * x).sum().backward(create_graph=True)
    assert x.grad is not None
    flow = viz.trace((x.grad * x.grad).sum())
    leaf = flow.nodes[-1]
    assert leaf.gradient is not None
    assert leaf.gradient.each == pytest.approx([36.0, 288.0])  # d(9 x^4) = 36 x^3


def test_positions_are_the_norms_at_the_embedded_input() -> None:
    table = Tensor(np.ones((4, 3)), requires_grad=True)
    x = engine.embedding(np.array([[0, 1, 2], [3, 0, 0]]), table)
    flow = viz.trace((x * np.array([[[1.0], [2.0], [0.0]], [[0.0], [0.0], [-1.0]]])).sum())
    assert np.array(flow.positions) == pytest.approx(np.sqrt(3) * np.array([[1, 2, 0], [0, 0, 1]]))
    assert flow.fold().positions == flow.positions
    assert viz.trace(table.sum()).positions == ()


def test_what_is_no_tensor_is_refused() -> None:
    with pytest.raises(TypeError, match="give the loss as a Tensor, not float"):
        viz.trace(1.0)


def test_what_cannot_be_asked_for_is_refused_by_name() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"^trace: a tensor of shape \(2,\) is no loss; reduce it to one number"):
        viz.trace(x * x)
    with pytest.raises(
        TypeError, match=r"^trace: names must be a dict of name and value, such as locals\(\), not int$"
    ):
        viz.trace(x.sum(), names=3)  # type: ignore[arg-type]
    flow = viz.trace((x * x).sum(), names={1: x})  # type: ignore[dict-item]
    assert flow.nodes[-1].name == "1"
    with pytest.raises(TypeError, match=r"^fold: depth must be a whole number, not '2'$"):
        flow.fold("2")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^stages: depth must be a whole number, not 1\.5$"):
        flow.stages(1.5)  # type: ignore[arg-type]


def test_a_freed_graph_says_what_to_do() -> None:
    x = Tensor(2.0, requires_grad=True)
    loss = x * x
    loss.backward()
    with pytest.raises(RuntimeError, match="retain_graph"):
        viz.trace(loss)

"""Gradients at the ends of the range of floats, and beyond: only zero is shown as zero, and no share is invented."""

from __future__ import annotations

import math

import numpy as np
import pytest

import engine
import viz
from engine import Tensor
from tests.viz.modules import assert_sound


def scaled(by: float) -> viz.BlameFlow:
    """A flow of two modules and a sum, all gradients in which are multiples of `by`."""
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True, name="x")
    w = Tensor(np.array([3.0, -1.0]), requires_grad=True, name="w")
    y = x
    for name in ("f.0", "f.1"):
        with engine.scope(name):
            y = y * w + y
    with engine.scope("g"):
        y = y + y * 0.5
    return viz.trace((y * by).sum())


@pytest.mark.parametrize("by", [1e-200, 1e-300, 1e200])
def test_norms_and_shares_do_not_depend_on_the_size_of_the_gradients(by: float) -> None:
    flow, plain = scaled(by), scaled(1.0)
    unmerged = [(flow.fold(repeats=False), plain.fold(repeats=False))]
    assert_sound(flow.prune(0.5), flow)
    for seen, same in [(flow, plain), (flow.fold(), plain.fold()), *unmerged]:
        assert_sound(seen, flow)
        for small, one in zip(seen.nodes[2:], same.nodes[2:], strict=True):
            assert (small.norm / by, small.rms / by) == pytest.approx((one.norm, one.rms))
            assert small.blame == pytest.approx(one.blame)
        into = [(e.source, e.target) for e in same.edges]
        assert [(e.source, e.target) for e in seen.edges] == into
        assert [e.share for e in seen.edges] == pytest.approx([e.share for e in same.edges])
    assert [s.share for s in flow.stages()] == pytest.approx([s.share for s in plain.stages()])
    assert [s.norm / by for s in flow.stages()] == pytest.approx([s.norm for s in plain.stages()])


def test_an_infinite_gradient_leaves_nothing_to_share() -> None:
    x = Tensor([0.0, 1.0], requires_grad=True, name="x")
    w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    flow = viz.trace((engine.sqrt(x) * w).sum())
    assert [math.isnan(stage.share) for stage in flow.stages()] == [True, True]
    assert [math.isnan(node.blame) for node in flow.nodes if node.op == "leaf"] == [True, True]
    assert [stage.norm for stage in flow.stages()] == [math.inf, 1.0]


def test_a_loss_that_is_a_leaf_has_all_the_blame() -> None:
    (stage,) = viz.trace(Tensor(2.0, requires_grad=True, name="level")).stages()
    assert stage == viz.Stage("level", 1.0, 1.0, 1)


def test_a_gradient_is_told_as_it_arrives_and_that_a_hook_comes_after() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    y = x * 3.0
    y.register_hook(lambda g: g * 10.0)
    flow = viz.trace((y * y).sum(), names={"y": y})
    told = {node.label: (node.norm, node.hooked) for node in flow.nodes}
    assert told["y"][0] == pytest.approx(math.hypot(6, 12))
    assert told["x"][0] == pytest.approx(math.hypot(180, 360))
    assert [label for label, (_, hooked) in told.items() if hooked] == ["y"]


def test_the_tree_tells_gradients_of_any_size() -> None:
    x = Tensor(np.array([3.0, 4.0]), requires_grad=True, name="x")
    y = x * 1.0
    for _ in range(200):
        y = y * 0.1
    (line,) = (line for line in viz.trace(y.sum()).text().splitlines() if line.startswith("x "))
    assert "100.00%" in line
    assert "1.41e-200" in line


def test_flows_of_the_same_program_are_equal_also_where_something_is_not_a_number() -> None:
    def flow(value: float) -> viz.BlameFlow:
        x = Tensor(np.array([0.0, value]), requires_grad=True, name="x")
        return viz.trace((x * 0.0).sum() * np.nan)

    assert math.isnan(flow(1.0).loss)
    assert flow(1.0) == flow(1.0)
    assert flow(1.0) != flow(2.0)
    assert hash(flow(1.0).edges[0]) == hash(flow(1.0).edges[0])
    assert flow(1.0).stages() == flow(1.0).stages()
    assert flow(1.0).nodes[0] != flow(1.0).edges[0]

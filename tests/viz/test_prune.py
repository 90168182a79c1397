"""Pruning: the largest contributions stay, the rest goes into "other", and nothing is lost."""

from __future__ import annotations

import html
import math
from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import engine
import viz
from engine import Tensor
from engine.testing.programs import Program, calls
from tests.viz.modules import Step, assert_sound, bodies, loss_of
from tests.viz.pages import a_gpt
from viz.drawing.picture import picture

keeps = st.one_of(st.floats(0.01, 1), st.sampled_from([0.5, 1.0, 1e-9]))
depths = st.integers(1, 3)


def norms(flow: viz.BlameFlow) -> list[float]:
    """The norms of all edges that a pruning kept."""
    return [edge.norm for edge in flow.edges if "other" not in (edge.source, edge.target)]


def assert_counted(flow: viz.BlameFlow, before: viz.BlameFlow) -> None:
    assert sum(node.count for node in flow.nodes) == sum(node.count for node in before.nodes)
    assert sum(edge.count for edge in flow.edges) == sum(edge.count for edge in before.edges)
    assert flow.nodes[0] == before.nodes[0]
    kept = {edge for edge in flow.edges if "other" not in (edge.source, edge.target)}
    assert kept <= set(before.edges)
    assert {node for node in flow.nodes if node.op != "other"} <= set(before.nodes)
    ends = [(edge.source, edge.target) for edge in flow.edges if edge not in kept]
    assert len(set(ends)) == len(ends)  # one edge each way


@given(bodies, keeps)
def test_pruning_conserves_everything(body: tuple[Step, ...], keep: float) -> None:
    traced = viz.trace(loss_of(body))
    pruned = traced.prune(keep)
    assert_sound(pruned, traced)
    assert_counted(pruned, traced)


@given(calls(), keeps)
def test_pruning_any_graph_conserves_everything(call: tuple[Program, tuple[Any, ...]], keep: float) -> None:
    program, arrays = call
    traced = viz.trace(engine.sum(program(*[Tensor(a, requires_grad=True) for a in arrays])))
    pruned = traced.prune(keep)
    assert_sound(pruned, traced)
    assert_counted(pruned, traced)


@given(bodies, keeps, keeps, depths, st.booleans())
def test_in_whatever_order_one_folds_and_prunes(
    body: tuple[Step, ...], keep: float, again: float, depth: int, repeats: bool
) -> None:
    traced = viz.trace(loss_of(body))
    folded, pruned = traced.fold(depth, repeats), traced.prune(keep)
    assert_sound(folded.prune(keep), traced)
    assert_counted(folded.prune(keep), folded)
    assert_sound(pruned.fold(depth, repeats), traced)
    assert_sound(pruned.fold(depth, repeats).prune(again), traced)
    assert_sound(pruned.prune(again), traced)
    assert_counted(pruned.prune(again), pruned)
    assert sum(node.op == "other" for node in pruned.prune(again).nodes) <= 1


@given(bodies, keeps)
def test_the_largest_edges_are_kept_and_what_leads_to_them(body: tuple[Step, ...], keep: float) -> None:
    traced = viz.trace(loss_of(body))
    pruned = traced.prune(keep)
    assert math.fsum(norms(pruned)) >= keep * math.fsum(norms(traced)) * (1 - 1e-9)
    kept = [edge for edge in pruned.edges if "other" not in (edge.source, edge.target)]
    going_on = {edge.source for edge in kept}
    ends = [edge.norm for edge in kept if edge.source != traced.nodes[0].id and edge.target not in going_on]
    assert max((edge.norm for edge in set(traced.edges) - set(kept)), default=0.0) <= min(ends, default=math.inf)


def cut_off(flow: viz.BlameFlow) -> set[str]:
    """The ids of the nodes that no path of kept edges leads to from the loss; "other" is no part of a path."""
    reached, waiting = set[str](), [flow.nodes[0].id]
    onward = defaultdict(list)
    for edge in flow.edges:
        if "other" not in (edge.source, edge.target):
            onward[edge.source].append(edge.target)
    while waiting:
        node = waiting.pop()
        if node not in reached:
            reached.add(node)
            waiting += onward[node]
    return {node.id for node in flow.nodes if node.op != "other"} - reached


@given(bodies, keeps, depths, st.booleans())
def test_32_pruning_keeps_a_path_from_the_loss_to_all_that_it_keeps(
    body: tuple[Step, ...], keep: float, depth: int, repeats: bool
) -> None:
    traced = viz.trace(loss_of(body))
    assert cut_off(traced.prune(keep)) == set()
    assert cut_off(traced.fold(depth, repeats).prune(keep)) == set()


@pytest.mark.parametrize("layers", [12, pytest.param(24, marks=pytest.mark.deep)])
@pytest.mark.parametrize("keep", [0.95, 0.9, 0.8, 0.5])
def test_32_every_pruning_of_a_deep_transformer_is_drawn(layers: int, keep: float) -> None:
    flow = a_gpt(layers).prune(keep)
    assert cut_off(flow) == set()
    assert flow.svg().count('class="node"') == len(flow.nodes) + 1  # and the legend


def test_32_a_box_says_what_comes_from_other_where_arrows_would_be_too_many() -> None:
    flow = a_gpt(12).prune(0.9)
    drawing = picture(flow.loss, flow.nodes, flow.edges)
    assert all("other" not in (arrow.edge.source, arrow.edge.target) for arrow in drawing.arrows)
    edges = [edge for edge in flow.edges if edge.source == "other" != edge.target and not math.isnan(edge.share)]
    assert drawing.from_other.keys() == {edge.target for edge in edges}
    svg = html.unescape(flow.svg())
    assert all(f">{text} from other<" in svg for text in drawing.from_other.values())
    assert "share of what was pruned" in svg
    assert "from other" not in a_gpt().fold(1).prune(0.5).svg()


@given(bodies, keeps)
def test_a_node_is_pruned_only_if_no_edge_of_it_is_kept(body: tuple[Step, ...], keep: float) -> None:
    pruned = viz.trace(loss_of(body)).prune(keep)
    kept = [edge for edge in pruned.edges if "other" not in (edge.source, edge.target)]
    touched = {end for edge in kept for end in (edge.source, edge.target)}
    assert {node.id for node in pruned.nodes[1:]} - {"other"} <= touched


@given(bodies, st.booleans())
def test_keeping_all_loses_nothing(body: tuple[Step, ...], fold: bool) -> None:
    flow = viz.trace(loss_of(body))
    flow = flow.fold() if fold else flow
    assert flow.prune(1) == flow


@given(bodies, keeps)
def test_the_same_program_prunes_to_the_same_flow(body: tuple[Step, ...], keep: float) -> None:
    assert repr(viz.trace(loss_of(body)).prune(keep)) == repr(viz.trace(loss_of(body)).prune(keep))  # nan != nan


def test_by_hand() -> None:
    a, b, c = (Tensor([1.0, 1.0], requires_grad=True, name=name) for name in "abc")
    flow = viz.trace((a * 100.0 + b * 3.0 + c * -4.0 + a * -1.0).sum())
    pruned = flow.prune(0.85)
    other = next(node for node in pruned.nodes if node.op == "other")
    pruned_ids = {node.id for node in flow.nodes} - {node.id for node in pruned.nodes}
    names = {node.id: node.label for node in flow.nodes} | {"other": "other"}
    assert sorted(names[end] for end in pruned_ids) == ["b", "c"] + ["multiply"] * 3
    assert other.count == 5
    squares = [2.0] * 3 + [18.0, 32.0]  # three gradients of ones, b's and c's
    assert other.norm == pytest.approx(math.sqrt(sum(squares)))
    assert other.rms == pytest.approx(math.sqrt(sum(squares) / 10))
    assert other.parameters == 4
    assert other.blame == pytest.approx((18 + 32) / (18 + 32 + 2 * 99**2))
    edges = {(names[e.source], names[e.target]): e for e in pruned.edges}
    assert edges["multiply", "a"].share == pytest.approx(100 / 99)
    assert edges["other", "a"].share == pytest.approx(-1 / 99)
    assert [e.share for e in pruned.edges if e.target == "other" != e.source] == pytest.approx([2 / sum(squares)] * 3)
    assert edges["other", "other"].share == pytest.approx(1 - 6 / sum(squares))
    assert edges["other", "other"].count == 2
    ways = [(names[e.source], names[e.target]) for e in pruned.edges[:5]]
    assert ways == [("sum", "add"), ("add", "add"), ("add", "add"), ("add", "multiply"), ("multiply", "a")]
    assert len(pruned.edges) == 10


@given(bodies, keeps, st.booleans())
def test_edges_out_of_the_loss_are_kept(body: tuple[Step, ...], keep: float, fold: bool) -> None:
    flow = viz.trace(loss_of(body))
    flow = flow.fold() if fold else flow
    edges = [edge for edge in flow.edges if edge.source == flow.nodes[0].id]
    assert edges == [edge for edge in flow.prune(keep).edges if edge.source == flow.nodes[0].id][: len(edges)]


def test_what_goes_out_of_the_loss_is_kept_though_it_is_small() -> None:
    x = Tensor(np.full(4, 1e6), requires_grad=True)
    pruned = viz.trace(engine.square(x * 1.0).sum()).prune(0.5)
    assert [node.op for node in pruned.nodes] == ["sum", "square", "multiply", "other"]
    assert [(edge.source, edge.target) for edge in pruned.edges] == [("n3", "n2"), ("n2", "n1"), ("n1", "other")]
    pruned = viz.trace((engine.square(x) * 0.0).sum()).prune(0.5)
    assert [node.op for node in pruned.nodes] == ["sum", "multiply", "other"]


def test_where_only_edges_are_pruned_other_is_empty_and_still_there() -> None:
    x = Tensor([1.0], requires_grad=True, name="x")
    flow = viz.trace((x * 100.0 + x).sum())
    pruned = flow.prune(0.98)
    other = pruned.nodes[-1]
    assert (other.op, other.count, other.norm, other.rms) == ("other", 0, 0.0, 0.0)
    assert {(e.target, e.count) for e in pruned.edges if e.source == "other"} == {("n0", 1)}
    assert "other" in pruned.svg()


def test_what_overflowed_is_kept_and_weighs_nothing() -> None:
    x, y = (Tensor(np.ones(2), requires_grad=True, name=name) for name in "xy")
    flow = viz.trace((x * 100.0 + y).sum())
    flow = replace(flow, edges=(replace(flow.edges[0], norm=math.inf), *flow.edges[1:]))
    labels = {node.id: node.label for node in flow.nodes}
    left_out = set(flow.edges) - set(flow.prune(0.9).edges)
    assert [(labels[edge.source], labels[edge.target]) for edge in left_out] == [("add", "y")]


def test_the_size_of_a_gradient_of_zero_is_that_of_all_it_stands_for() -> None:
    flow = viz.trace((Tensor(np.ones(2), requires_grad=True) * 1e-9 + Tensor(1.0, requires_grad=True)).sum())
    idle = replace(flow.nodes[-1], id="idle", count=3, norm=0.0, rms=0.0)
    flow = replace(flow, nodes=(*flow.nodes, idle))
    small = flow.nodes[-2].norm
    other = flow.prune(0.99).nodes[-1]
    assert other.count == 4
    assert other.rms == pytest.approx(math.sqrt(small**2 / (2 + 3 * 2)))


@pytest.mark.parametrize("keep", [0, -1, 1.5, math.nan, math.inf])
def test_a_fraction_outside_0_to_1_is_refused(keep: float) -> None:
    with pytest.raises(ValueError, match=rf"^prune: keep must be above 0 and at most 1, not {keep}$"):
        viz.trace(Tensor([1.0], requires_grad=True).sum()).prune(keep)


def test_what_leads_back_and_what_was_pruned_is_drawn() -> None:
    block = Step("module", "blocks.", (Step("module", "f", (Step("weight"), Step("tanh")), residual=True),), 4)
    flow = viz.trace(loss_of([block])).fold(2)
    order = {node.id: place for place, node in enumerate(flow.nodes)}
    assert any(order[edge.source] > order[edge.target] for edge in flow.edges)
    for drawn in (flow, flow.prune(0.5), flow.prune(1e-9)):
        assert drawn.svg().count('class="node"') == len(drawn.nodes) + 1  # and the legend

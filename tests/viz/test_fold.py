"""Folding: shares, parameters and blame are conserved, and what repeats is drawn once."""

from __future__ import annotations

import math
from collections import Counter
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
from gpt.model import GPT, GPTConfig
from tests.viz.modules import Step, assert_sound, bodies, boxes, loss_of

depths = st.integers(1, 4)


def a_gpt_loss(layers: int, ignored: int = 0) -> Tensor:
    engine.random.seed(0)
    model = GPT(GPTConfig(vocab_size=7, block_size=8, n_layer=layers, n_head=2, n_embd=4))
    ids = np.arange(16).reshape(2, 8) % 7
    labels = ids.copy()
    labels[0, :ignored] = -100
    loss: Tensor = model.loss(ids, labels)
    return loss


# ---- laws ------------------------------------------------------------------------------------------------------------


@given(bodies, depths, st.booleans())
def test_folding_conserves_everything(body: tuple[Step, ...], depth: int, repeats: bool) -> None:
    traced = viz.trace(loss_of(body))
    assert_sound(traced, traced)
    assert_sound(traced.fold(depth, repeats), traced)


@given(calls(), depths, st.booleans())
def test_folding_any_graph_conserves_everything(
    call: tuple[Program, tuple[Any, ...]], depth: int, repeats: bool
) -> None:
    program, arrays = call
    tensors = [Tensor(a, requires_grad=True) for a in arrays]
    with engine.scope("early"):
        middle = engine.sum(replace(program, steps=program.steps[: len(program.steps) // 2])(*tensors))
    with engine.scope("late"), engine.scope("inner"):
        loss = engine.sum(program(*tensors)) * middle
    traced = viz.trace(loss)
    assert_sound(traced.fold(depth, repeats), traced)


@given(bodies, depths)
def test_without_repeats_every_call_is_a_box_and_no_edge_leads_back(body: tuple[Step, ...], depth: int) -> None:
    flow = viz.trace(loss_of(body)).fold(depth, repeats=False)
    order = {node.id: place for place, node in enumerate(flow.nodes)}
    assert all(edge.source == edge.target or order[edge.source] < order[edge.target] for edge in flow.edges)
    calls = Counter((node.scope, node.calls) for node in flow.nodes if node.op == "module")
    assert set(calls.values()) <= {1}


@given(bodies, depths)
def test_counts_add_up_to_what_there_is_without_repeats(body: tuple[Step, ...], depth: int) -> None:
    traced = viz.trace(loss_of(body))
    folded, unrolled = traced.fold(depth), traced.fold(depth, repeats=False)
    counted = sum(node.count for node in folded.nodes if node.op != "leaf")
    assert counted == sum(node.op != "leaf" for node in unrolled.nodes)
    assert {node.id for node in folded.nodes} <= {node.id for node in traced.nodes}


@given(bodies, depths, st.booleans())
def test_the_same_program_folds_to_the_same_flow(body: tuple[Step, ...], depth: int, repeats: bool) -> None:
    first, second = (viz.trace(loss_of(body)).fold(depth, repeats) for _ in range(2))
    assert repr(first) == repr(second)  # nan != nan


# ---- what is shown ---------------------------------------------------------------------------------------------------


def test_twelve_blocks_are_one_box_and_their_parts_are_drawn_once() -> None:
    traced = viz.trace(a_gpt_loss(12))
    assert boxes(traced.fold(1)) == [
        ("head", 1), ("norm", 1), ("blocks.0-11", 12), ("positions", 1), ("embedding", 1)
    ]  # fmt: skip
    fine = traced.fold(2)
    parts = ["feed_forward", "feed_forward_norm", "attention", "attention_norm"]
    assert [box for box in boxes(fine) if box[1] > 1] == [(f"blocks.0-11.{part}", 12) for part in parts]
    assert [(n.scope, n.count) for n in fine.nodes if n.op == "add"] == [(("blocks.0-11",), 12)] * 2
    order = {node.id: place for place, node in enumerate(fine.nodes)}
    labels = {node.id: node.label for node in fine.nodes}
    back = [(labels[e.source], labels[e.target]) for e in fine.edges if order[e.source] > order[e.target]]
    assert back == [("add", "add"), ("attention_norm", "add")]  # from each block to the one before it


def test_every_call_of_a_transformers_modules_is_a_box() -> None:
    traced = viz.trace(a_gpt_loss(2))
    flow = traced.fold(2, repeats=False)
    block = ["feed_forward", "feed_forward_norm", "attention", "attention_norm"]
    blocks = [f"blocks.{number}.{part}" for number in (1, 0) for part in block]
    assert [name for name, _ in boxes(flow)] == ["head", "norm", *blocks, "positions", "embedding"]
    additions = [node.id for node in flow.nodes if node.op == "add"]
    assert [sum(edge.target == node for edge in flow.edges) for node in additions] == [1, 2, 2, 2]
    coarse = boxes(traced.fold(1, repeats=False))
    assert [name for name, _ in coarse] == ["head", "norm", "blocks.1", "blocks.0", "positions", "embedding"]


def test_a_block_that_does_one_op_more_stays_apart() -> None:
    flow = viz.trace(a_gpt_loss(12, ignored=3)).fold(1)
    assert [box for box in boxes(flow) if "blocks" in box[0]] == [("blocks.11", 1), ("blocks.0-10", 11)]


# ---- numbers, by hand ------------------------------------------------------------------------------------------------


def test_shares_into_a_box_are_taken_over_all_its_doors() -> None:
    x = Tensor([2.0], requires_grad=True, name="x")
    with engine.scope("f"):
        a = x * 2.0  # dL/da = 3 - 1 = 2: from g, and from h inside
        b = x * 5.0  # dL/db = 4
    with engine.scope("g"):
        c = a * 3.0 + b * 4.0
    loss = (c - a).sum()
    flow = viz.trace(loss).fold(1)
    box = {node.label: node for node in flow.nodes}
    assert box["f"].norm == pytest.approx(math.sqrt(2**2 + 4**2))
    assert box["f"].rms == pytest.approx(math.sqrt((2**2 + 4**2) / 2))
    into = {(e.source, e.target): e for e in flow.edges}
    from_g, from_minus = into[box["g"].id, box["f"].id], into[box["subtract"].id, box["f"].id]
    assert [from_g.share, from_minus.share] == pytest.approx([(3 * 2 + 4 * 4) / 20, -1 * 2 / 20])
    assert [from_g.norm, from_minus.norm] == pytest.approx([5, 1])
    assert [from_g.count, from_minus.count] == [2, 1]


def test_what_a_door_of_a_repeated_box_gets_from_the_next_one_comes_from_the_box_itself() -> None:
    x = Tensor([1.0], requires_grad=True, name="x")
    with engine.scope("f.0"):
        a = x * 2.0  # dL/da = 3 by f.1 and 10 by the last op
    with engine.scope("f.1"):
        b = a * 3.0
    flow = viz.trace((a * 10.0 + b).sum()).fold(1)
    box = {node.label: node for node in flow.nodes}["f.0-1"]
    assert box.norm == pytest.approx(math.sqrt(13**2 + 1**2))
    shares = {edge.source: edge.share for edge in flow.edges if edge.target == box.id}
    assert shares[box.id] == pytest.approx(3 * 13 / 170)
    assert sorted(shares.values()) == pytest.approx([1 / 170, 39 / 170, 130 / 170])


def test_what_stands_for_itself_is_left_as_it_was() -> None:
    x = Tensor([2.0], requires_grad=True, name="x")
    with engine.scope("f"):
        y = x * 2.0
    traced = viz.trace((engine.exp(y) * engine.tanh(x)).sum())
    folded = traced.fold(1)
    assert [node for node in folded.nodes if node.op != "module"] == [n for n in traced.nodes if n.id != "n1"]
    assert [edge for edge in folded.edges if "n1" not in (edge.source, edge.target)] == [
        edge for edge in traced.edges if "n1" not in (edge.source, edge.target)
    ]


# ---- refused flows, and the numbers of calls -------------------------------------------------------------------------


def test_a_folded_flow_is_not_folded_again() -> None:
    traced = viz.trace(a_gpt_loss(2))
    with pytest.raises(ValueError, match=r"^fold: this flow is folded already; fold the flow it was made from$"):
        traced.fold(2).fold(1)
    with pytest.raises(ValueError, match=r"^fold: depth must be at least 1, not 0$"):
        traced.fold(0)


def test_calls_are_counted_by_module() -> None:
    x: Any = Tensor([1.0], requires_grad=True)
    for _ in range(2):
        with engine.scope("f"):
            for _ in range(2):
                with engine.scope("g"):
                    x = engine.tanh(engine.tanh(x))
            x = x * 2.0
    flow = viz.trace(x.sum())
    seen = [node.calls for node in reversed(flow.nodes) if node.op == "tanh"]
    assert seen == [(0, 0), (0, 0), (0, 1), (0, 1), (1, 2), (1, 2), (1, 3), (1, 3)]
    assert [node.calls for node in reversed(flow.nodes) if node.op == "multiply"] == [(0,), (1,)]
    assert flow.nodes[-1].calls == (0, 0)  # x, of the call that uses it first

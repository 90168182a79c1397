"""Comparisons: which nodes and edges correspond, their numbers, and the tables and pictures."""

from __future__ import annotations

import html
import itertools
import json
import math
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import engine
import nn
import viz
from engine import Tensor
from gpt.model import GPT, GPTConfig
from tests.viz.modules import Step, bodies, loss_of
from viz.colors import LogScale
from viz.digits import short
from viz.drawing.layout import render


class Block(nn.Module):
    def __init__(self, residual: bool) -> None:
        self.inner, self.residual = nn.Linear(16, 16), residual

    def forward(self, x: Any) -> Any:
        out = engine.tanh(self.inner(x))
        return x + out if self.residual else out


class Stack(nn.Module):
    def __init__(self, residual: bool) -> None:
        self.blocks = nn.ModuleList(Block(residual) for _ in range(12))

    def forward(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        return x


def a_stack(residual: bool) -> viz.BlameFlow:
    engine.random.seed(0)
    x = np.ones((4, 16), np.float32)
    return viz.trace(engine.mean(engine.square(Stack(residual)(x) - 1.0))).fold(1, repeats=False)


def a_gpt(norm: str, labels: Sequence[int] = (1, 2, 3, 4)) -> viz.BlameFlow:
    engine.random.seed(0)
    model = GPT(GPTConfig(vocab_size=5, block_size=4, n_layer=2, n_head=1, n_embd=4, norm=norm))
    return viz.trace(model.loss(np.array([[0, 1, 2, 3]]), np.array([labels]))).fold(2, repeats=False)


@given(bodies, st.integers(0, 3), st.booleans())
def test_a_flow_compared_with_itself_has_not_changed(body: tuple[Step, ...], depth: int, repeats: bool) -> None:
    flow = viz.trace(loss_of(body))
    flow = flow.fold(depth, repeats) if depth else flow
    same = viz.compare(flow, flow)
    assert [row.a for row in same.boxes] == [row.b for row in same.boxes] == list(flow.nodes)
    assert [row.a for row in same.edges] == [row.b for row in same.edges] == list(flow.edges)
    assert [row.name for row in same.stages] == [stage.name for stage in reversed(flow.stages())]
    for row in same.boxes:
        assert row.only_in == ""
        assert row.ratio == 1 or row.rms == (0, 0)
    assert all(row.change == 0 or math.isnan(row.change) for row in same.stages)


@given(bodies, bodies)
def test_every_box_and_edge_of_both_is_in_one_row(one: tuple[Step, ...], other: tuple[Step, ...]) -> None:
    first = Step("module", "first", (Step("weight"),))
    a, b = (viz.trace(loss_of([first, *body])).fold(1) for body in (one, other))
    both = viz.compare(a, b)
    assert [row.a.id for row in both.boxes if row.a] == [node.id for node in a.nodes]
    assert sorted(row.b.id for row in both.boxes if row.b) == sorted(node.id for node in b.nodes)
    assert [id(row.a) for row in both.edges if row.a] == [id(edge) for edge in a.edges]
    assert {id(row.b) for row in both.edges if row.b} == {id(edge) for edge in b.edges}
    if not any(math.isnan(stage.share) for flow in (a, b) for stage in flow.stages()):
        assert sum(row.change for row in both.stages) == pytest.approx(0, abs=1e-9)
    ends_b = {node.id: row.name for row in both.boxes for node in [row.b] if node}
    for row in both.edges:
        if row.b:
            assert row.name == f"{ends_b[row.b.source]} -> {ends_b[row.b.target]}"


def test_gradients_reach_the_first_of_twelve_blocks_only_by_the_residual_stream() -> None:
    both = viz.compare(a_stack(residual=False), a_stack(residual=True), names=("plain", "residual"))
    blocks = {row.name: row for row in both.boxes if row.name.startswith("blocks.")}
    assert list(blocks) == [f"blocks.{number}" for number in reversed(range(12))]
    plain, residual = zip(*(row.rms for row in blocks.values()), strict=True)
    assert plain[-1] < 0.01 * plain[0]  # each block shrinks it
    assert residual[-1] > residual[0]
    assert blocks["blocks.0"].ratio > 100
    ratios = [row.ratio for row in blocks.values()]
    assert ratios == sorted(ratios)
    longest = "█" * 14
    assert f"│{longest}" in both.text().splitlines()[-15]
    assert f"{longest}│" in viz.compare(both.b, both.a).text().splitlines()[-15]


def test_before_and_after_training_everything_has_its_like() -> None:
    engine.random.seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    x = np.ones((2, 3), np.float32)

    def flow() -> viz.BlameFlow:
        return viz.trace(nn.losses.cross_entropy(model(x), [0, 1])).fold(1)

    before, optimizer = flow(), nn.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        nn.losses.cross_entropy(model(x), [0, 1]).backward()
        optimizer.step()
    both = viz.compare(before, flow(), names=("before", "after"))
    assert [(row.name, row.only_in) for row in both.boxes] == [("loss", ""), ("2", ""), ("1", ""), ("0", "")]
    assert both.boxes[1].rms[0] == before.nodes[1].rms != both.boxes[1].rms[1]


def test_pre_against_post_norm() -> None:
    both = viz.compare(a_gpt("pre"), a_gpt("post", labels=(1, 2, -100, 4)), names=("pre", "post"))
    only = {row.name: row.only_in for row in both.boxes if row.only_in}
    assert only == {"norm": "a", "blocks.1.getitem": "b"}
    names = {row.name for row in both.boxes}
    assert {"blocks.0.add", "blocks.0.add #2", "blocks.0.attention", "embedding.weight"} <= names
    assert [row.name for row in both.stages] == ["norm", "blocks.1", "blocks.0", "positions", "embedding"]
    missing = next(row for row in both.stages if row.name == "norm")
    assert missing.only_in == "a"
    assert missing.change == -missing.share[0]
    one_way = [row.name for row in both.edges if row.only_in == "a"]
    assert "loss -> head" not in one_way
    assert "head -> norm" in one_way


def test_what_only_the_second_has_stands_where_it_stands_there() -> None:
    def flow(*names: str) -> viz.BlameFlow:
        return viz.trace(loss_of([Step("module", name, (Step("weight"),)) for name in names])).fold(1)

    both = viz.compare(flow("f", "h"), flow("e", "f", "g", "h", "i"))
    assert [row.name for row in both.boxes] == ["loss", "i", "h", "g", "f", "e"]


def test_losses_that_differ_are_the_same_box() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    both = viz.compare(viz.trace(x.sum()), viz.trace(engine.square(x).mean()))
    assert [(row.name, row.only_in) for row in both.boxes] == [("loss", ""), ("square", "b"), ("x", "")]
    assert both.boxes[2].rms == pytest.approx((1, math.sqrt(2.5)))
    assert both.boxes[2].ratio == pytest.approx(math.sqrt(2.5))


def test_a_gradient_of_zero() -> None:
    def flow(factor: float) -> viz.BlameFlow:
        x = Tensor([1.0, 2.0], requires_grad=True, name="x")
        return viz.trace((x * factor).sum())

    def ratio(a: float, b: float) -> float:
        return viz.compare(flow(a), flow(b)).boxes[-1].ratio

    assert ratio(2, 0) == 0
    assert ratio(0, 2) == math.inf
    assert math.isnan(ratio(0, 0))
    assert viz.compare(flow(0), flow(2)).text().count("│" + "█" * 14) == 1
    assert viz.compare(flow(2), flow(0)).text().count("█" * 14 + "│") == 1


@pytest.mark.parametrize("names", [(), ("a",), ("a", "b", "c")])
def test_two_flows_have_two_names(names: Any) -> None:
    flow = viz.trace(Tensor(1.0, requires_grad=True) * 2.0)
    with pytest.raises(ValueError, match=r"^compare: give two names, not [^\n]*$"):
        viz.compare(flow, flow, names)


def test_flows_with_nothing_in_common_are_not_compared() -> None:
    with pytest.raises(ValueError, match=r"^compare: the flows have no box in common; [^\n]*$"):
        viz.compare(viz.trace(loss_of([Step("tanh")])).fold(1), a_stack(residual=True))


def test_the_tables_show_every_row_and_no_control_character() -> None:
    both = viz.compare(a_gpt("pre"), a_gpt("post"), names=("pre\x1b[31m", "post"))
    lines = both.text().splitlines()
    gap = lines.index("")
    assert lines[0].split()[:4] == ["rms", "of", "the", "gradient"]
    assert [line.split("  ")[0] for line in lines[2:gap]] == [row.name for row in both.boxes[1:]]
    assert [line.split()[0] for line in lines[gap + 2 :]] == [row.name for row in both.stages]
    assert "\x1b" not in both.text()
    assert r"pre\x1b[31m" in lines[0]
    assert len({line.index("│") for line in lines[:gap] if "│" in line}) == 1


# ---- pictures --------------------------------------------------------------------------------------------------------


def modules(*names: str) -> viz.BlameFlow:
    return viz.trace(loss_of([Step("module", name, (Step("weight"), Step("tanh"))) for name in names])).fold(1)


def layout(both: viz.Comparison) -> dict[str, tuple[float, float]]:
    """Where Graphviz puts each node."""
    drawn = json.loads(render(both.dot(), "json0"))["objects"]
    places = ((one["name"], map(float, one["pos"].split(","))) for one in drawn if "pos" in one)
    return {name: (x, y) for name, (x, y) in places}


def test_the_picture_shows_both_with_one_legend(tmp_path: Path) -> None:
    both = viz.compare(a_stack(residual=False), a_stack(residual=True), names=("plain", "residual"))
    drawing = both.svg(tmp_path / "both.svg")
    assert (tmp_path / "both.svg").read_text(encoding="utf-8") == drawing
    assert drawing.count('class="node"') == len(both.a.nodes) + len(both.b.nodes) + 1
    shown = [element.text for element in ET.fromstring(drawing).iter() if element.tag.endswith("}text")]
    assert shown.count("plain") == shown.count("residual") == 1
    assert shown.count("mean · grad 1") == 2
    assert f"gradient ×{short(both.boxes[-1].ratio, 3)}" in shown
    both.png(tmp_path / "both.png")
    assert (tmp_path / "both.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("names", [("a", "b"), ("pre", "post"), ("same", "same"), ("", "")])
def test_the_first_stands_to_the_left_and_what_is_the_same_beside_it(names: tuple[str, str]) -> None:
    both = viz.compare(modules("f", "g", "h"), modules("f", "g", "more", "h"), names=names)
    place = layout(both)
    left, right = ([x for name, (x, _) in place.items() if name.startswith(side)] for side in ("a_", "b_"))
    assert max(left) < min(right)
    for row in both.boxes:
        if row.a and row.b:
            assert place[f"a_{row.a.id}"][1] == place[f"b_{row.b.id}"][1]


def test_where_the_order_differs_blame_runs_down_all_the_same() -> None:
    both = viz.compare(modules("f", "g"), modules("g", "f"))
    place = layout(both)
    for side, flow in (("a_", both.a), ("b_", both.b)):
        for edge in flow.edges:
            assert place[side + edge.source][1] > place[side + edge.target][1]


def test_the_scale_holds_the_gradients_of_both() -> None:
    both = viz.compare(a_stack(residual=False), a_stack(residual=True))
    fills = dict(re.findall(r'^\s*([ab]_n\d+) \[.*fillcolor="(#\w+)"', both.dot(), re.MULTILINE))
    scale = LogScale.of(node.rms for flow in (both.a, both.b) for node in flow.nodes[1:])
    for side, flow in (("a_", both.a), ("b_", both.b)):
        for node in flow.nodes[1:]:
            assert fills[side + node.id] == scale.color(node.rms)


def test_widths_are_held_against_the_widest_edge_of_both() -> None:
    def widths(both: viz.Comparison) -> tuple[float, float]:
        found = re.findall(r"^\s*([ab])_\w+ -> .*penwidth=([0-9.]+)", both.dot(), re.MULTILINE)
        a, b = (max(float(width) for of, width in found if of == side) for side in "ab")
        return a, b

    one, other = a_stack(residual=False), a_stack(residual=True)
    a, b = widths(viz.compare(one, other))
    assert a < b
    assert widths(viz.compare(other, one)) == (b, a)


def test_what_changed_most_is_marked() -> None:
    both = viz.compare(a_stack(residual=False), a_stack(residual=True))
    marked = re.findall(r"^\s*([ab]_n\d+) \[.*penwidth=4 ", both.dot(), re.MULTILINE)
    largest = math.log(both.boxes[-1].ratio)
    most = [row for row in both.boxes[1:] if math.log(row.ratio) >= 0.75 * largest]
    assert [row.name for row in most] == ["blocks.2", "blocks.1", "blocks.0"]
    ids = {id_ for row in most if row.a and row.b for id_ in (f"a_{row.a.id}", f"b_{row.b.id}")}
    assert sorted(marked) == sorted(ids)
    assert "penwidth=4 " not in viz.compare(both.a, both.a).dot()


def test_gradients_that_no_float_can_divide_are_drawn() -> None:
    def flow(factor: float) -> viz.BlameFlow:
        x = Tensor(np.ones(2), requires_grad=True, name="x")
        return viz.trace((engine.tanh(x) * factor).sum())

    for a, b, said in ((1e-150, 1e150, "1e300"), (1e150, 1e-150, "1e-300"), (0, 1.0, "inf"), (1.0, 0, "0")):
        assert f"gradient ×{said}<" in html.unescape(viz.compare(flow(a), flow(b)).svg())


def test_flows_in_another_order_folded_or_pruned_otherwise_are_drawn() -> None:
    traced = viz.trace(loss_of([Step("module", "blocks.", (Step("weight"), Step("tanh")), 4, residual=True)]))
    flows = [modules("g", "f"), traced, traced.fold(1), traced.fold(1, repeats=False).prune(0.6), traced.prune(0.7)]
    for flow in flows[1:]:
        for other in flows[1:]:
            both = viz.compare(flow, other)
            assert both.svg().count('class="node"') == len(flow.nodes) + len(other.nodes) + 1
    assert viz.compare(modules("f", "g"), flows[0]).svg()
    assert f"{traced.prune(0.7).nodes[-1].count} values" in viz.compare(traced.fold(1).prune(0.6), flows[-1]).svg()


@pytest.mark.parametrize("name", ['"];x[', r"\N", "<b>x</b>", "</script>", "\u202eabc", "&amp;"])
def test_hostile_names_are_shown_and_not_obeyed(name: str) -> None:
    harmless, hostile = (
        viz.compare(modules(inner, "g"), modules(inner, "h", "g"), names=(one, "b")).svg()
        for inner, one in (("x", "x"), (name, name))
    )
    tags = [[element.tag for element in ET.fromstring(svg).iter()] for svg in (harmless, hostile)]
    assert tags[0] == tags[1]


def test_a_notebook_shows_the_pictures_or_without_graphviz_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    both = viz.compare(modules("f"), modules("f", "g"))
    assert both._repr_mimebundle_() == {"text/plain": both.text(), "image/svg+xml": both.svg()}
    monkeypatch.setattr(shutil, "which", lambda *args, **kwargs: None)
    assert both._repr_mimebundle_() == {"text/plain": both.text()}


def nearly(flow: viz.BlameFlow, by: float) -> viz.BlameFlow:
    """The flow with all its numbers off by this fraction, up and down in turn."""
    factors = itertools.cycle([1 + by, 1 - by])
    return replace(
        flow,
        nodes=tuple(replace(node, rms=node.rms * next(factors)) for node in flow.nodes),
        parameters=tuple(replace(parameter, norm=parameter.norm * next(factors)) for parameter in flow.parameters),
    )


@pytest.mark.parametrize("by", [0.0, 1e-7, 1e-5])
def test_33_flows_that_differ_by_rounding_only_draw_nothing(by: float) -> None:
    flow = a_gpt("pre")
    both = viz.compare(flow, nearly(flow, by))
    text = both.text()
    assert not set("█▌▐│×+") & set(text)
    assert text.count("=") == len(both.boxes) - 1 + len(both.stages)
    assert "gradient ×" not in both.svg().replace(f"gradient ×: times its root mean square in {both.names[0]}", "")


def test_33_a_small_change_has_a_small_bar() -> None:
    flow = a_gpt("pre")
    text = viz.compare(flow, nearly(flow, 0.01)).text().partition("share of the blame")[0]
    assert "×1.01" in text
    assert "█" * 3 not in text, "14 columns are a factor of 1.1 at least"


def test_33_two_gradients_that_are_zero_but_for_rounding_have_no_ratio() -> None:
    def flow(noise: float) -> viz.BlameFlow:
        x, y = (Tensor(np.ones(2), requires_grad=True, name=name) for name in "xy")
        return viz.trace((x * 2.0 + y * noise).sum())

    both = viz.compare(flow(1e-9), flow(7e-9))
    assert next(row for row in both.boxes if row.name == "y").ratio == pytest.approx(7)
    assert "×7" not in both.text()
    assert not set("█▌▐") & set(both.text())
    assert "gradient ×7" not in both.svg()
    assert "×7e8" in viz.compare(flow(1e-9), flow(0.7)).text(), "zero before, and not after"

"""One figure, one rule: a page, a picture, the tree and a comparison say the same of the same thing."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import engine
import viz
from engine import Tensor
from tests.viz import modules
from tests.viz.drawn import things
from tests.viz.pages import a_gpt
from tests.viz.views import data_of, on_page, on_picture
from viz import figures
from viz.digits import form, forms, percent, percents
from viz.drawing.picture import picture
from viz.page import viewer
from viz.page.shell import asset
from viz.strokes import width

JS = Path(viewer.__file__).parent / "js"


def an_expression() -> viz.BlameFlow:
    """Every op that has a symbol, at numbers, with a part that cancels."""
    with engine.keep_values():
        a = Tensor(-4.0, requires_grad=True, name="a")
        b = Tensor(2.0, requires_grad=True, name="b")
        c = a + b
        loss = (c * b - c) / 3.0 + b**3
    return viz.trace(loss, names={"c": c})


def with_nothing_to_share() -> viz.BlameFlow:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    return viz.trace((x * 0.0 + engine.exp(x) * 0.0).sum())


def not_finite() -> viz.BlameFlow:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    with np.errstate(all="ignore"):
        return viz.trace((engine.exp(x) * float("nan") + x).sum())


FLAT: dict[str, Callable[[], viz.BlameFlow]] = {
    "expression": an_expression,
    "nothing to share": with_nothing_to_share,
    "not finite": not_finite,
    "pruned": lambda: a_gpt().fold(2, repeats=False).prune(0.9),
    "folded": lambda: a_gpt(3).fold(1, repeats=False),
}


@pytest.mark.parametrize("name", FLAT)
def test_a_page_of_a_flow_without_open_modules_says_what_its_picture_says(name: str) -> None:
    flow = FLAT[name]()
    assert on_page(flow, flow) == on_picture(flow)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_page_opened_so_deep_says_what_the_picture_of_that_fold_says(depth: int) -> None:
    flow = a_gpt()
    folded = flow.fold(depth, repeats=False)
    assert on_page(flow, folded) == on_picture(folded)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(modules.bodies)
def test_the_page_of_any_program_has_the_shares_of_its_folds(steps: Any) -> None:
    flow = viz.trace(modules.loss_of(steps))
    for depth in (1, 2):
        folded = flow.fold(depth, repeats=False)
        drawn = picture(folded.loss, folded.nodes, folded.edges)
        labels = {(a.edge.source, a.edge.target): figures.at_edge(a.percent, a.edge) for a in drawn.arrows}
        shown = on_page(flow, folded)
        assert {ends: text for ends, (text, _) in shown.labels.items()} == labels
        for id_, share in drawn.blame.items():
            assert not share or f"{share} of the blame" in shown.boxes[id_]
        for id_, share in drawn.inside.items():
            assert any(line.startswith(f"{share} ") for line in shown.boxes[id_])


def test_colours_and_widths_of_a_flat_flow_are_those_of_its_picture() -> None:
    flow = an_expression()
    drawn, data = picture(flow.loss, flow.nodes, flow.edges), data_of(flow.html())
    for node, value in zip(flow.nodes, data["values"], strict=True):
        fill, ink = figures.fill(node, drawn.scale, node.id in drawn.losses)
        assert (value["fill"], value["ink"]) == (fill, ink)
    wide = {(flow.nodes[e["source"]].id, flow.nodes[e["target"]].id): e["width"] for e in data["edges"]}
    for arrow in drawn.arrows:
        assert wide[arrow.edge.source, arrow.edge.target] == round(width(arrow.edge, drawn.largest), 2)


def test_the_panel_says_of_the_blame_what_the_tree_says() -> None:
    flow = a_gpt()
    rows = [line.split() for line in flow.text(1).splitlines()]
    shares = {row[0]: row[1] for row in rows if row[0].startswith("blocks")}
    facts = {call["path"]: dict(call["facts"]) for call in data_of(flow.html())["calls"]}
    assert shares == {path: facts[path]["blame"].split(",")[0] for path in ("blocks.0", "blocks.1")}


def test_a_tooltip_says_what_the_panel_says() -> None:
    flow = an_expression()
    tooltips = "\n".join(thing.tooltip for thing in things(flow.svg()))
    for node, value in zip(flow.nodes, data_of(flow.html())["values"], strict=True):
        for name, text in figures.facts(node):
            assert [name, text] in value["facts"]
            assert f"{name}: {text}" in tooltips
    for edge in data_of(flow.html())["edges"]:
        assert f"contribution: {edge['size']}\nshare: {edge['exact']}" in tooltips


def test_a_share_has_one_text_at_each_number_of_decimals() -> None:
    assert [percent(share) for share in (0.5, -0.123456, 1e-6, -1e-6, 0.0, 1e6)] == [
        "50.00%",
        "-12.35%",
        "<0.01%",
        "-<0.01%",
        "0%",
        "1e8%",
    ]
    assert percent(float("nan")) == "–"
    assert [forms(share)[form([90, 10])] for share in (0.9, 0.1)] == percents([0.9, 0.1]) == ["90%", "10%"]


def test_the_program_of_the_page_rounds_no_number_for_a_text_and_has_no_colours() -> None:
    for path in sorted(JS.iterdir()):
        program = re.sub(r"/\*.*?\*/|//.*", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        program = program.replace("`${threshold.value}%`", "")  # the reader's own number
        found = re.findall(r"toFixed|toPrecision|toExponential|Intl|sqrt|\* 100\b|%`|#[0-9a-fA-F]{3,6}\b|rgb", program)
        assert found == [], path.name


def test_the_page_chooses_the_form_of_percentages_as_python_does(browser: Any) -> None:
    random.seed(0)
    groups: list[list[float]] = [
        [],
        [1.0],
        [1 / 3] * 3,
        [0.995, 0.005],
        [1.004, -0.004],
        [1.5, -0.5],
        [0.5, 0.25, 0.25],
    ]
    for _ in range(3000):
        weights = [random.choice((random.gauss(0, 1), random.random(), random.random() ** 9)) for _ in range(9)]
        cut = weights[: random.randint(1, 9)]
        whole = sum(cut)
        groups.append([weight / whole for weight in cut])
        hundredths = sorted(random.sample(range(101), 3))
        groups.append([(b - a) / 100 for a, b in zip([0, *hundredths], [*hundredths, 100], strict=True)])
    wholes = [[forms(share)[2] for share in group] for group in groups]
    page = browser.new_page()
    chosen = page.evaluate(f"groups => {{ {asset('js/shares.js')}; return groups.map(form); }}", wholes)
    page.close()
    assert chosen == [form(group) for group in wholes]
    assert 0 < sum(chosen) < len(chosen)
    for group, at in zip(groups, chosen, strict=True):
        assert [forms(share)[at] for share in group] == percents(group)

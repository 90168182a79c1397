"""The page of a flow in a browser, used as a reader uses it: by mouse and by keyboard alone.

Needs `pip install playwright` and a Chromium on the system; without them these tests are skipped.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import engine
import nn
import viz
from engine import Tensor
from tests.viz.pages import ARIA_LABELS, CROSSINGS, Open, a_gpt
from tests.viz.test_figures import an_expression
from tests.viz.views import on_picture
from viz.words import printable

HOSTILE = ['"];x[', r"\N", "<b>x</b>", "</script>", "a\x00b\x1b[31m", "\u202eabc", "&amp;", "é→中"]


def a_sum() -> viz.BlameFlow:
    """x * x + x at 3, small enough for every number to be shown."""
    x = Tensor(3.0, requires_grad=True, name="x")
    with engine.keep_values():
        return viz.trace(x * x + x)


def box(page: Any, label: str) -> Any:
    """The box or the header of the frame of this name."""
    return page.locator(f'[role=treeitem][aria-label^="{label}:"]').first


def labels(page: Any) -> list[str]:
    return [text.split(":")[0] for text in page.locator("[role=treeitem]").evaluate_all(ARIA_LABELS)]


SHARES = """() => [...document.querySelectorAll('#graph .label')].map(label => {
    const edge = document.querySelector(`.edge[data-key="${label.dataset.edge}"]`);
    return [label.dataset.edge, label.textContent, edge.getAttribute('class')];
})"""


def shares(page: Any) -> dict[str, dict[str, float]]:
    """For each target the shares written beside the edges into it, by source."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for key, text, kind in page.evaluate(SHARES):
        source, target = key.split(">")
        percent = float(re.sub(r"[<%]", "", text))
        assert ("cancels" in kind) == (percent < 0)
        found[target][source] = percent / 100
    return found


def test_a_transformer_opens_folded_as_the_flow_folds_and_shares_are_those_of_the_fold(show: Open) -> None:
    flow = a_gpt()
    page = show(flow)
    folded = flow.fold(2, repeats=False)
    boxes = [".".join([*node.scope, *([] if node.op == "module" else [node.label])]) for node in folded.nodes]
    frames = ["blocks.0", "blocks.1"]
    assert sorted(labels(page)) == sorted([f"loss {flow.loss:.4g}", *boxes[1:], *frames])
    drawn = on_picture(folded)
    texts = page.locator("#graph .label").all_text_contents()
    assert sorted(texts) == sorted(text for text, _ in drawn.labels.values() if text)
    lines = [part for text in page.locator(".box .small").all_text_contents() for part in text.split(" · ")]
    assert sorted(lines) == sorted(line for _, *below in drawn.boxes.values() for line in below)
    assert [sum(group.values()) for group in shares(page).values()] == pytest.approx([1] * 5, abs=0.002)


def test_modules_open_and_close_by_mouse_and_shares_add_up_at_every_depth(show: Open) -> None:
    page = show(a_gpt())
    assert box(page, "blocks.0.attention").get_attribute("aria-expanded") == "false"
    page.click("#collapse")
    assert "blocks.0.attention" not in labels(page)
    box(page, "blocks.0").click()
    assert box(page, "blocks.0").get_attribute("aria-expanded") == "true"
    box(page, "blocks.0.attention").click()
    assert "blocks.0.attention.scaled_dot_product_attention" in labels(page)
    box(page, "blocks.0").click()
    assert "blocks.0.attention" not in labels(page)
    page.click("#expand")
    assert page.locator(".box.call").count() == 0
    assert page.locator(".box").count() == len(a_gpt().nodes)
    totals = [sum(group.values()) for group in shares(page).values()]
    assert totals == pytest.approx([1] * len(totals), abs=0.03)
    assert len(totals) > 5


def a_long_recurrence() -> viz.BlameFlow:
    """Edges over many rows: the same leaves are used in every step, and the first value again in the last."""
    first = state = engine.sin(Tensor([0.5, -1.0], requires_grad=True, name="start"))
    weight = Tensor([0.9, 1.1], requires_grad=True, name="weight")
    for _ in range(20):
        state = engine.tanh(state * weight) + weight
    return viz.trace((state * first).sum())


@pytest.mark.parametrize("flow", [a_gpt, a_long_recurrence, an_expression], ids=lambda flow: flow.__name__)
def test_no_edge_runs_through_a_box_and_no_label_lies_on_one(flow: Callable[[], viz.BlameFlow], show: Open) -> None:
    page = show(flow())
    for button in ("#collapse", "#expand"):
        page.click(button)
        assert page.evaluate(CROSSINGS) == []
        labels = page.locator("#graph .label")
        crowded = page.locator("#graph .label.crowded").count()
        assert crowded <= 0.5 * labels.count(), "labels without a free place are shown at the pointer only"


def test_the_panel_tells_what_the_pointer_is_over_and_leads_on(show: Open) -> None:
    page = show(a_sum())
    panel = page.locator("#panel")
    assert "loss 12" in panel.inner_text()
    box(page, "multiply").hover()
    twice = "norm 3, by g * y; norm 3, by g * x"
    for part in ("Elementwise product", "() float32", "value\n9", "gradient\n1", "norm 1, by g", twice, "85.71%"):
        assert part in panel.inner_text(), part
    page.locator("#panel button", has_text="x").first.click()
    assert panel.locator("h2").inner_text() == "x"
    assert "value\n3\ngradient\n7" in panel.inner_text()
    assert "blame\n100.00%, in 1 parameter" in panel.inner_text()


def test_steps_show_the_chain_rule_by_key_by_button_and_by_slider(show: Open) -> None:
    page = show(a_sum())
    told, spoken = page.locator("#equation"), page.locator("#spoken")
    page.keyboard.press("ArrowRight")
    assert page.locator("#step-count").inner_text() == "step 1 of 4"
    assert page.locator(".edge.current").count() == 1
    assert page.locator(".edge.future").count() + page.locator(".edge:not(.future)").count() == 3
    for _ in range(3):
        page.click("#forward")
    assert told.inner_text().split("\n") == ["1", "gradient of multiply", "×", "3", "rule g * x", "=", "3", "into x"]
    assert "In x so far 7 of 7" in page.locator("#so-far").inner_text()
    assert "gradient of multiply, 1, times 3 is 3" in spoken.inner_text()
    page.locator("#step").fill("2")
    assert page.locator("#step-count").inner_text() == "step 2 of 4"
    assert page.locator(".box.into:not(.future)").count() == page.locator(".box.from:not(.future)").count() == 1
    page.keyboard.press("Home")
    assert page.locator(".future, .current, .into").count() == 0
    assert page.locator("#step-count").inner_text() == "4 steps"
    page.keyboard.press("End")
    assert page.locator(".future").count() == 0
    page.keyboard.press("Home")
    page.locator("#graph .box").first.focus()
    page.keyboard.press(" ")
    page.locator("#step-count", has_text="step 1").wait_for()
    page.keyboard.press(" ")
    assert page.locator("#play").get_attribute("aria-pressed") == "false"


def test_stepping_into_a_closed_module_marks_its_box_or_opens_it_on_the_way(show: Open) -> None:
    page = show(a_gpt())
    page.click("#collapse")
    page.keyboard.press("ArrowRight")
    assert page.locator(".box.into").get_attribute("aria-label").startswith("head: module")
    assert "norm" in page.locator("#equation").inner_text()
    page.check("#open-on-the-way")
    page.keyboard.press("ArrowRight")
    assert page.locator(".box.from").get_attribute("aria-label").startswith("head.linear: linear")


def test_search_goes_from_hit_to_hit_and_opens_what_hides_them(show: Open) -> None:
    page = show(a_gpt())
    page.click("#collapse")
    page.keyboard.press("/")
    page.keyboard.type("query.weight")
    assert page.locator("#found").inner_text() == "2 found"
    page.keyboard.press("Enter")
    assert page.locator(".found-now").get_attribute("aria-label").startswith("blocks.1.attention.query.weight: leaf")
    page.keyboard.press("Enter")
    assert page.locator("#panel .path").inner_text() == "blocks.0.attention.query.weight"
    page.keyboard.press("Enter")
    assert page.locator("#found").inner_text() == "1 of 2"
    page.keyboard.press("Shift+Enter")
    assert page.locator("#found").inner_text() == "2 of 2"
    assert page.locator(".found-now").is_visible()
    page.locator("#search").fill("no such thing")
    assert page.locator("#found").inner_text() == "nothing found"


def test_the_threshold_hides_small_contributions_and_says_how_much_that_is(show: Open) -> None:
    flow = a_sum()
    page = show(flow)
    assert page.locator("#hidden").inner_text() == "none hidden"
    page.locator("#threshold").fill("50")
    norms = {"add>multiply": 1.0, "add>x": 1.0, "multiply>x": 18**0.5}  # two contributions of 3 in one edge
    part = 2 / sum(norms.values())
    assert page.locator("#hidden").inner_text() == "2 of 3 hidden, of the sum of norms: "
    full, hidden = (float(page.locator(f"#hidden rect.{kind}").get_attribute("width")) for kind in ("whole", "adds"))
    assert hidden / full == pytest.approx(part)
    assert page.locator(".edge.small-one").count() == 2
    page.locator("#threshold").fill("0")
    assert page.locator(".edge.small-one").count() == 0


def test_the_theme_follows_the_system_until_it_is_switched(show: Open) -> None:
    page = show(a_sum())
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.click("#theme")
    assert page.locator("#theme").get_attribute("aria-pressed") == "true"
    assert page.evaluate(paper) != light
    page.click("#theme")
    assert page.evaluate(paper) == light


def test_everything_can_be_done_by_keyboard_alone(show: Open) -> None:
    page = show(a_gpt())
    focused = "document.activeElement.id || document.activeElement.getAttribute('aria-label')"
    seen = []
    for _ in range(18):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(focused))
    for name in ("search", "expand", "collapse", "theme", "fit", "threshold", "back", "play", "forward", "step"):
        assert name in seen, name
    assert sum((name or "").startswith("loss") for name in seen) == 1, "the graph is one stop"
    page.locator("#collapse").press("Enter")
    page.locator("[role=treeitem][tabindex='0']").focus()
    while not page.evaluate(focused).startswith("blocks.1:"):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.evaluate(focused).startswith("blocks.1:")
    assert box(page, "blocks.1").get_attribute("aria-expanded") == "true"
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused).startswith("blocks.1.add:")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    assert box(page, "blocks.1").get_attribute("aria-expanded") == "false"
    outline = "getComputedStyle(document.activeElement.querySelector('.body')).strokeWidth"
    assert page.evaluate(outline) == "3.5px", "focus can be seen"


def test_the_picture_zooms_by_wheel_and_button_pans_by_drag_and_fits(show: Open) -> None:
    page = show(a_gpt())
    where = "document.getElementById('world').getAttribute('transform')"
    fitted = page.evaluate(where)
    page.mouse.move(300, 300)
    page.mouse.wheel(0, -200)
    page.click("#farther")
    zoomed = page.evaluate(where)
    assert zoomed != fitted
    opened = labels(page)
    page.mouse.move(60, 600)
    page.mouse.down()
    page.mouse.move(120, 500, steps=3)
    page.mouse.up()
    assert page.evaluate(where).split("scale")[1] == zoomed.split("scale")[1]
    assert page.evaluate(where) != zoomed
    assert labels(page) == opened, "a drag is no click"
    page.click("#fit")
    assert page.evaluate(where) == fitted


def test_hostile_names_are_shown_literally_and_nothing_in_them_runs(show: Open) -> None:
    total: Any = 0.0
    for name in HOSTILE:
        x = Tensor([1.0, 2.0], requires_grad=True, name=name)
        with engine.scope(name):
            total = total + (engine.exp(x) * x).sum()
    page = show(viz.trace(total))
    page.click("#expand")
    shown = page.locator("#graph text").all_text_contents()
    for name in HOSTILE:
        assert printable(name) in shown
    page.locator("#search").fill("<b>x</b>.<b>x</b>")
    page.keyboard.press("Enter")
    assert page.locator("#panel h2").inner_text() == "<b>x</b>"
    tags = page.evaluate("[...new Set([...document.body.querySelectorAll('*')].map(e => e.localName))]")
    assert not {"x", "img", "iframe", "a"} & set(tags)
    assert page.locator("#graph b, #panel b").count() == 0


def test_a_derivative_of_a_derivative_and_a_layer_of_ones_own_open_without_trouble(show: Open) -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Linear(2, 2)

        def forward(self, x: Any) -> Any:
            return x + engine.tanh(self.inner(x))

    x = Tensor([[1.0, -2.0]], requires_grad=True, name="x")
    loss = (nn.Sequential(Own(), Own())(x) ** 2).sum()
    loss.backward(create_graph=True)
    assert x.grad is not None
    for flow in (viz.trace((x.grad * x.grad).sum()), viz.trace(loss), viz.trace(loss).fold(1), viz.trace(x.sum())):
        page = show(flow)
        page.click("#expand")
        page.keyboard.press("End")
        assert page.locator(".box").count() == len(flow.nodes)
        page.close()


def test_a_gradient_of_zero_is_drawn_and_said_to_have_no_shares(show: Open) -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    page = show(viz.trace((x * 0.0 + x * 0.0).sum()))
    box(page, "x").hover()
    assert page.locator("#panel .share").first.inner_text() == "–"
    page.keyboard.press("End")
    assert "In x so far [0, 0] of [0, 0]" in page.locator("#so-far").inner_text()


def test_what_is_not_finite_is_said_to_be_so_and_never_hidden(show: Open) -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    with np.errstate(all="ignore"):
        page = show(viz.trace((x * float("nan") + x * 3.0).sum()))
    assert "loss nan" in page.locator("#summary").inner_text()
    box(page, "x").hover()
    assert "norm nan" in page.locator("#panel").inner_text()
    page.locator("#threshold").fill("50")
    assert page.locator("#hidden").inner_text().startswith("3 of 5 hidden"), "3 of norm 1.4, none of norm nan or 4.2"
    page.locator("#step").press("End")
    assert "In x so far [nan, nan] of [nan, nan]" in page.locator("#so-far").inner_text()

"""The page of a flow that was folded or pruned before, or that holds what is odd, in a browser."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import engine
import viz
from engine import Tensor
from tests.viz.pages import ARIA_LABELS, CROSSINGS, Open, a_gpt
from viz import strokes
from viz.digits import short


@pytest.mark.parametrize("keep", [0.5, 0.8])
def test_boxes_that_are_reached_by_ways_back_only_stand_in_the_order_of_the_sweep(keep: float, show: Open) -> None:
    """After pruning, what led to a block may be in "other", which stands behind it."""
    flow = a_gpt(layers=6).prune(keep).fold(1)
    page = show(flow)
    assert page.evaluate(CROSSINGS) == []
    places = {
        name.split(":")[0]: page.locator(f'[aria-label="{name}"]').bounding_box()
        for name in page.locator("[role=treeitem]").evaluate_all(ARIA_LABELS)
    }
    spine = [node.label for node in flow.nodes if node.op == "module"]
    tops = [places[name]["y"] for name in [f"loss {flow.loss:.4g}", *spine]]
    assert all(above + 20 < below for above, below in itertools.pairwise(tops))


def test_nothing_reaches_beyond_a_narrow_window(show: Open) -> None:
    page = show(a_gpt())
    for width in (340, 420, 800):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        for name in ("play", "open-on-the-way", "theme", "legend"):
            edge = page.evaluate(f"document.getElementById('{name}').getBoundingClientRect().right")
            assert edge <= width, (name, width)


def test_numbers_are_written_as_everywhere_else(show: Open) -> None:
    numbers = [285.04, 12345.6, 8_997_000.0, 3.0, 0.000123456, 1.23456e-5, -1.5e-9, 99999.9, 0.0, 1003.4, 5e-324, 1e300]
    x = Tensor(np.array(numbers), requires_grad=True, name="x")
    page = show(viz.trace((x * 0.0).sum() + 8_997_000.0 * Tensor(1.0, requires_grad=True)))
    assert "loss 8.997e6" in page.locator("#summary").inner_text()
    assert page.locator("#panel h2").inner_text() == "loss 8.997e6"
    page.locator('[role=treeitem][aria-label^="x:"]').hover()
    written = ", ".join(map(short, numbers))
    assert f"[{written}]" in page.locator("#panel").inner_text()


def test_an_infinite_number_is_told_and_added_up_as_one(show: Open) -> None:
    x = Tensor([0.0, 1.0], requires_grad=True, name="x")
    page = show(viz.trace((engine.sqrt(x) * 2.0).sum()))
    page.locator("#step").press("End")
    assert "In x so far [inf, 1] of [inf, 1]" in page.locator("#so-far").inner_text()
    into_x = page.locator(".edge .line").evaluate_all("lines => lines.map(line => +line.getAttribute('stroke-width'))")
    assert (into_x.count(strokes.DOTTED), into_x.count(strokes.WIDEST)) == (1, 1), "that into x, the largest finite one"
    assert page.locator(".edge.broken .dotted").count() == page.locator(".box .second").count() == 1


def test_a_step_out_of_a_value_with_a_hook_says_that_the_hook_comes_between(show: Open) -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    y = x * 3.0
    y.register_hook(lambda g: g * 10.0)
    page = show(viz.trace((y * y).sum(), names={"y": y}))
    page.locator("#step").press("End")
    shown = page.locator("#equation").inner_text().split("\n")
    assert shown[:2] == ["[6, 12]", "gradient of y, before its hook"]
    assert "[180, 360]" in shown
    page.locator('[role=treeitem][aria-label^="y:"]').hover()
    assert "sees this gradient, and may change what goes on" in page.locator("#panel").inner_text()


def test_a_view_counts_boxes_and_a_flow_values(show: Open) -> None:
    def said(flow: viz.BlameFlow) -> str:
        page = show(flow)
        return str(page.locator("#summary").inner_text()).partition(" · ")[2]

    leaf = viz.trace(Tensor(2.0, requires_grad=True))
    assert said(leaf) == "1 value, 0 contributions"
    flow = viz.trace(a_module_alone())
    assert said(flow) == "2 values, 1 contribution"
    assert said(flow.fold()) == "1 box, 0 edges"


def a_module_alone() -> Tensor:
    with engine.scope("all"):
        return Tensor([1.0, 2.0], requires_grad=True).sum()


def a_recurrence(steps: int) -> viz.BlameFlow:
    """One weight that is used at every step, so that the last of its edges are as long as the picture."""
    weight = state = Tensor([0.9, 1.1], requires_grad=True, name="weight")
    for _ in range(steps):
        state = engine.tanh(state * weight)
    return viz.trace(state.sum())


IN_SIGHT = """() => ['.box.from', '.box.into', '.edge.current .line'].map(name => {
    const [all, one] = ['#graph', name].map(found => document.querySelector(found).getBoundingClientRect());
    return all.left <= one.left && one.right <= all.right && all.top <= one.top && one.bottom <= all.bottom;
})"""


@pytest.mark.parametrize("steps", [5, 60, 200])
def test_34_camera_and_panel_show_the_step_whatever_the_size(steps: int, show: Open) -> None:
    page = show(a_recurrence(steps))
    count = len(a_recurrence(steps).edges)
    for width, height in ((1400, 1600), (500, 700)):
        page.set_viewport_size({"width": width, "height": height})
        for step in {1, 2, count // 2, count // 2 + 1, count - 1, count}:
            page.locator("#step").fill(str(step))
            assert page.evaluate(IN_SIGHT) == [True] * 3, (step, width)
            ends = [
                page.locator(f".box.{end}").get_attribute("aria-label").partition(":")[0] for end in ("from", "into")
            ]
            assert page.locator("#panel h2").inner_text().split(" → ") == ends
    page.set_viewport_size({"width": 900, "height": 500})
    page.wait_for_timeout(100)
    assert page.evaluate(IN_SIGHT) == [True] * 3, "the window has become smaller"
    page.locator("#graph").hover(position={"x": 2, "y": 2})
    assert " → " in page.locator("#panel h2").inner_text()
    page.locator(".box.from").click()
    assert " → " not in page.locator("#panel h2").inner_text(), "what was chosen since"


def test_34_the_camera_arrives_though_steps_come_faster_than_it_moves(show: Open) -> None:
    page = show(a_recurrence(100))
    page.emulate_media(reduced_motion="no-preference")
    for step in (150, 20, 21, 150, 151):
        page.locator("#step").fill(str(step))
        page.wait_for_timeout(30)
    page.wait_for_timeout(500)
    assert page.evaluate(IN_SIGHT) == [True] * 3


def test_34_a_step_inside_a_closed_module_shows_the_module(show: Open) -> None:
    page = show(a_gpt(6))
    page.click("#collapse")
    page.locator("#step").fill("60")
    name = page.locator(".box.from").get_attribute("aria-label").partition(":")[0]
    assert page.locator(".box.from.into").count() == 1
    assert page.locator("#panel h2").inner_text() == name

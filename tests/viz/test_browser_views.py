"""The page of a flow that was folded or pruned before, or that holds what is odd, in a browser."""

from __future__ import annotations

import itertools

import pytest

from tests.viz.pages import ARIA_LABELS, CROSSINGS, Open, a_gpt


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

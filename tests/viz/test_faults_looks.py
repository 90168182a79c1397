"""Page and picture look alike: the loss, leaves, the scale of colours, and what is said of nan and infinity."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

import engine
import viz
from engine import Tensor
from tests.viz.test_figures import an_expression, not_finite
from tests.viz.views import data_of
from viz.colors import INK, PALE
from viz.drawing.picture import picture
from viz.figures import NOT_FINITE
from viz.strokes import BROKEN


def an_overflow() -> viz.BlameFlow:
    """A gradient that is infinite, in an array too large to be listed."""
    x = Tensor(np.zeros(30), requires_grad=True, name="x")
    with np.errstate(all="ignore"):
        return viz.trace((engine.sqrt(x) + x).sum())


def test_37_loss_and_leaf_look_alike_on_page_and_picture_and_all_share_one_scale() -> None:
    flow = an_expression()
    document, drawn = flow.html(), flow.svg()
    scale = picture(flow.loss, flow.nodes, flow.edges).scale
    for place, (node, value) in enumerate(zip(flow.nodes, data_of(document)["values"], strict=True)):
        color = PALE if place == 0 else scale.color(node.rms)
        assert value["fill"] == color
        assert f'fill="{color}"' in group_of(drawn, node.id)
        if node.op == "leaf":
            assert f'stroke="{INK}" stroke-width="1.8"' in group_of(drawn, node.id)
            assert "<polygon" in group_of(drawn, node.id), "square, as draw.js draws it"
    assert ".leaf .body { stroke: var(--ink); stroke-width: 1.8; }" in document
    assert '"leaf" ? 0 : 6' in document


def group_of(svg: str, id_: str) -> str:
    """The source of a node in a picture."""
    return next(group for group in svg.split('class="node"') if f"<title>{id_}</title>" in group)


@pytest.mark.parametrize("size", [1e-6, 1e-3])
def test_37_the_gradient_of_the_loss_does_not_stretch_the_scale(size: float) -> None:
    x = Tensor(np.ones(4), requires_grad=True, name="x")
    flow = viz.trace((x * size * x).sum() * size)
    sizes = [node.rms for node in flow.nodes[1:]]
    for text in (
        json.dumps(data_of(flow.html())["legend"]["scale"]),
        flow.svg().partition("fill: root mean square")[2],
    ):
        assert max(sizes) < 0.1
        assert '"1"' not in text
        assert ">1<" not in text


@pytest.mark.parametrize("flow", [not_finite, an_overflow], ids=lambda flow: flow.__name__)
def test_38_nan_and_infinity_are_said_on_the_page_as_in_the_picture(flow: Callable[[], viz.BlameFlow]) -> None:
    traced = flow()
    data, drawn = data_of(traced.html()), traced.svg()
    legend = [*data["legend"]["notes"], *(meaning for *_, meaning in data["legend"]["strokes"])]
    for line in (NOT_FINITE, BROKEN.meaning):
        assert line in legend
        assert line in drawn
    said = "none, the gradient has nan or infinite numbers"
    assert said in [edge["told"] for edge in data["edges"]]
    assert f"share: {said}" in drawn
    assert any(value.get("broken") for value in data["values"])
    assert "–" not in json.dumps([data["values"], data["steps"]], ensure_ascii=False)

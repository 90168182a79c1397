"""What a notebook and a prompt show of a flow."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest

import engine
import viz
from engine import Tensor
from tests.viz.test_pictures import a_gpt, an_expression


def test_a_flow_is_named_in_one_line() -> None:
    flow = an_expression()
    assert re.fullmatch(r"BlameFlow\(loss -?[\d.]+, \d+ values, \d+ edges\)", repr(flow))
    assert re.fullmatch(r"BlameFlow\(loss [\d.]+, \d+ boxes, \d+ edges\)", repr(a_gpt().fold(1)))


def test_the_view_is_the_finest_that_can_be_read() -> None:
    small, large = an_expression(), a_gpt(3)
    assert small.readable() is small
    for boxes in (8, 12, 40):
        view = large.readable(boxes)
        assert len(view.nodes) <= boxes
        depth = next(depth for depth in range(1, 9) if large.fold(depth) == view)
        assert len(large.fold(depth + 1).nodes) > boxes or large.fold(depth + 1) == view
    folded = large.fold(2, repeats=False)
    assert folded.readable(3) is folded  # chosen already


def test_where_no_fold_is_small_enough_the_coarsest_is_pruned() -> None:
    x = Tensor(1.0, requires_grad=True)
    for _ in range(50):
        x = engine.sin(x)
    with engine.scope("f"):
        y = engine.sin(engine.cos(x))
    flow = viz.trace(y)
    view = flow.readable(10)
    assert len(view.nodes) <= 10
    assert view.nodes[0] == flow.fold(1).nodes[0]
    assert view.nodes[-1].op == "other"


def test_a_notebook_shows_the_picture_of_the_view_and_a_terminal_the_tree() -> None:
    flow = a_gpt()
    shown = flow._repr_mimebundle_()
    assert shown == {"text/plain": f"{flow!r}\n{flow.text()}", "image/svg+xml": flow.readable().svg()}
    assert flow._repr_mimebundle_(include=None, exclude=None) == shown


def test_without_graphviz_there_is_the_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *args, **kwargs: None)
    assert list(an_expression()._repr_mimebundle_()) == ["text/plain"]


def test_a_large_flow_without_modules_is_pruned_until_it_can_be_read() -> None:
    x = y = Tensor(np.linspace(0.1, 1.0, 4), requires_grad=True)
    for k in range(300):
        y = y + engine.sin(x * (k + 1.0))
    flow = viz.trace(y.sum())
    view = flow.readable()
    assert len(view.nodes) <= 40
    assert {node.op for node in view.nodes} >= {"other"}
    assert sum(node.count for node in view.nodes) == len(flow.nodes)
    assert "image/svg+xml" in flow._repr_mimebundle_()

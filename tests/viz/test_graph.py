"""The `graphviz.Digraph` of a picture: users may add to it and render it themselves, whatever the names in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import graphviz
import pytest
from graphviz.backend import dot_command

import engine
import viz
from engine import Tensor
from tests.viz.drawn import Thing, things
from tests.viz.test_names import HOSTILE
from viz.drawing import layout
from viz.words import printable, shortened


@pytest.fixture(autouse=True)
def _package_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """`graph()` may tell the package where the program is: undo that after each test."""
    monkeypatch.setattr(dot_command, "DOT_BINARY", dot_command.DOT_BINARY)


def a_flow(name: str = "x") -> viz.BlameFlow:
    x = Tensor([1.0, 2.0], requires_grad=True, name=name)
    with engine.scope(name):
        y = engine.exp(x)
    return viz.trace(y.sum())


def a_comparison(name: str = "x") -> viz.Comparison:
    return viz.compare(a_flow(name), a_flow(name), names=(name, "b"))


Make = Callable[[], viz.BlameFlow | viz.Comparison]


def nodes_of(svg: str) -> dict[str, Thing]:
    return {thing.title: thing for thing in things(svg) if thing.kind == "node"}


@pytest.mark.parametrize("make", [a_flow, a_comparison])
def test_a_user_extends_the_graph_and_renders_it(make: Make, tmp_path: Path) -> None:
    shown = make()
    graph = shown.graph()
    assert isinstance(graph, graphviz.Digraph)
    leaf = next(name for name in nodes_of(shown.svg()) if name.endswith("n0"))
    graph.node("note", "where it all comes from", shape="note")
    graph.edge("note", leaf, style="dotted")
    drawn = nodes_of(graph.pipe("svg", encoding="utf-8"))
    assert drawn.keys() == nodes_of(shown.svg()).keys() | {"note"}
    assert [text for text, *_ in drawn["note"].texts] == ["where it all comes from"]
    assert Path(graph.render(directory=tmp_path, format="png")).read_bytes().startswith(b"\x89PNG")
    assert "note" not in shown.dot()  # every call makes a new graph


def test_the_package_draws_with_a_program_that_is_not_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    program = layout.program()
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(layout, "program", lambda: program)
    assert "<svg" in a_flow().graph().pipe("svg", encoding="utf-8")


def test_a_program_on_the_path_is_left_to_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *args, **kwargs: "/usr/bin/dot")
    before = dot_command.DOT_BINARY
    a_flow().graph()
    assert before == dot_command.DOT_BINARY


def test_without_any_program_there_is_still_a_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *args, **kwargs: None)
    assert a_flow().graph().source == a_flow().dot()


@pytest.mark.parametrize("make", [a_flow, a_comparison])
def test_the_source_is_that_of_the_graph_and_always_the_same(make: Make) -> None:
    assert make().graph().source == make().dot() == make().dot()
    assert make().dot().startswith('digraph "blame for a loss of ')


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_hostile_names_are_quoted_in_the_graph(name: str) -> None:
    shown = shortened(printable(name), 30)
    for made, expected in ((a_flow(name), ["n0", "n1", "n2"]), (a_comparison(name), None)):
        graph = made.graph()
        graph.node("note", "added")
        drawn = things(graph.pipe("svg", encoding="utf-8"))
        titles = [thing.title for thing in drawn if thing.kind == "node" and thing.title != "note"]
        assert sorted(titles) == (expected or [f"{side}_n{k}" for side in "ab" for k in range(3)])
        texts = [text.replace("\xa0", " ") for thing in drawn for text, *_ in thing.texts]
        assert texts.count(shown) == (2 if expected else 5)  # leaves, frames of scopes, the frame of the flow
        leaf = next(thing for thing in drawn if thing.title.endswith("n0"))
        assert printable(name) in leaf.tooltip.replace("\xa0", " ")

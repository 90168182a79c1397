"""The page of a flow: it holds what the flow holds, runs only its own program, and obeys no name in it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter, defaultdict
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

import engine
import nn
import viz
from engine import Tensor
from engine.testing.programs import Program, calls
from tests.viz.views import data_of
from viz.page import viewer
from viz.page.calls import tree_of_calls
from viz.words import printable

HOSTILE = ['"];x[', r"\N", "<b>x</b>", "</script>", "<!--<script>", "a\x00b\x1b[31m", "\u202eabc", "&amp;", "é→中"]
FOLDER = Path(viewer.__file__).parent


class Elements(HTMLParser):
    """All elements with their attributes, and the text of each program and style."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.inside: str | None = None
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.inside = tag if tag in ("script", "style") and "type" not in dict(attrs) else None

    def handle_endtag(self, tag: str) -> None:
        self.inside = None

    def handle_data(self, data: str) -> None:
        if self.inside is not None:
            self.texts.append((self.inside, data))


def a_flow(name: str = "x") -> viz.BlameFlow:
    x = Tensor([1.0, 2.0], requires_grad=True, name=name)
    with engine.scope(name):
        y = engine.exp(x) * x
    return viz.trace(y.sum())


def nested(program: Program, arrays: tuple[Any, ...]) -> viz.BlameFlow:
    tensors = [Tensor(a, requires_grad=True) for a in arrays]
    with engine.scope("early"):
        middle = engine.sum(program(*tensors))
    with engine.scope("late"):
        with engine.scope("inner"):
            again = engine.sum(program(*tensors))
        return viz.trace(engine.exp(again * 1e-3) * middle)


def test_a_page_is_written_and_holds_every_value_edge_and_share(tmp_path: Path) -> None:
    flow = a_flow()
    document = flow.html(tmp_path / "f.html")
    assert document == (tmp_path / "f.html").read_text(encoding="utf-8")
    data = data_of(document)
    assert [value["id"] for value in data["values"]] == [node.id for node in flow.nodes]
    ends = [(flow.nodes[step["source"]].id, flow.nodes[step["target"]].id) for step in data["steps"]]
    assert ends == [(edge.source, edge.target) for edge in flow.edges]
    joined = sorted(step for edge in data["edges"] for step in edge["steps"] if not edge["target"] >= len(flow.nodes))
    assert set(joined) == set(range(len(flow.edges)))
    assert data["values"][0]["label"] == data["values"][0]["head"] == "loss 17.5"
    assert flow.edges[0].rule != ""
    assert flow.edges[0].rule in data["steps"][0]["size"]


@given(calls())
def test_a_closed_call_has_the_size_of_the_box_it_folds_to(call: tuple[Program, tuple[Any, ...]]) -> None:
    flow = nested(*call)
    tree, _ = tree_of_calls(flow.nodes, flow.edges)
    for depth in (1, 2):
        for box in flow.fold(depth, repeats=False).nodes:
            if box.op == "module":
                assert box in [call.box for call in tree]


def test_a_module_called_twice_is_two_calls_and_a_shared_leaf_stands_outside_of_both() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            self.f, self.g = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x: Any) -> Any:
            return self.f(self.g(self.f(x)))

    flow = viz.trace(Twice()(Tensor([[1.0, 1.0]])).sum())
    tree, home = tree_of_calls(flow.nodes, flow.edges)
    assert [call.path for call in tree] == [("f",), ("g",), ("f",)]
    assert [call.box.parameters for call in tree] == [0, 6, 0]
    assert Counter(home[node.id] for node in flow.nodes if node.op == "leaf") == {None: 2, 1: 2}


def test_a_folded_flow_makes_a_page_too() -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), nn.Linear(2, 1))
    flow = viz.trace(model(Tensor([[1.0, 2.0]])).sum())
    data = data_of(flow.fold(2, repeats=False).html())
    assert [call["path"] for call in data["calls"]] == ["0"]
    assert [value["path"] for value in data["values"]][1:] == ["1", "0.1", "0.0"]
    shares: dict[int, float] = defaultdict(float)
    for edge in data["edges"]:
        if max(edge["source"], edge["target"]) < len(data["values"]):
            shares[edge["target"]] += edge["share"]
    assert list(shares.values()) == pytest.approx([1.0] * len(shares))


def test_the_policy_allows_exactly_the_programs_and_styles_in_the_page() -> None:
    elements = Elements(a_flow().html())
    policy = next(a["content"] for _, a in elements.found if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        texts = [text for kind, text in elements.texts if kind == tag]
        hashes = [f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in texts]
        match = re.search(rf"{rule} ([^;]*);", policy)
        assert match is not None
        assert match[1].split() == hashes
    assert policy.startswith("default-src 'none'")


def test_a_page_refers_to_nothing_outside_and_marks_up_no_handler_or_style() -> None:
    for _, attributes in Elements(a_flow().html()).found:
        assert not {"src", "href", "style", "srcset", "action"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
def test_hostile_names_add_no_element_and_are_told_literally(name: str) -> None:
    harmless, hostile = (Elements(a_flow(which).html()) for which in ("x", name))
    assert [tag for tag, _ in harmless.found] == [tag for tag, _ in hostile.found]
    data = data_of(a_flow(name).html())
    assert data["values"][-1]["label"] == printable(name)
    assert data["calls"][0]["label"] == printable(name)


def test_one_gradient_that_is_nearly_zero_does_not_use_up_the_colours() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = Tensor([1.0, 3.0], requires_grad=True)
    scale = data_of(viz.trace((x * 0.5 + y * 1e-30).sum()).html())["legend"]["scale"]
    assert [text for text, *_ in scale] == ["0.1", "1"]


def test_every_file_of_the_program_is_in_the_page_is_short_and_sets_text_as_text() -> None:
    assert {f"{name}.js" for name in viewer.PROGRAM} == {path.name for path in (FOLDER / "js").iterdir()}
    for path in [*(FOLDER / "js").iterdir(), FOLDER / "viewer.css"]:
        text = path.read_text(encoding="utf-8")
        assert text.startswith("/* "), f"{path.name} begins with its idea"
        assert len(text.splitlines()) <= 250, path.name
        assert [line for line in text.splitlines() if len(line) > 120] == [], path.name
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|\bhttps?://(?!www\.w3\.org)", text
        )


def test_two_calls_of_one_module_in_a_row_are_two_calls_as_in_a_fold() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            self.f = nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.f(self.f(x))

    flow = viz.trace(Twice()(Tensor([[1.0, 2.0]])).sum())
    tree, _ = tree_of_calls(flow.nodes, flow.edges)
    boxes = [node for node in flow.fold(1, repeats=False).nodes if node.op == "module"]
    assert [call.path for call in tree] == [box.scope for box in boxes] == [("f",), ("f",)]

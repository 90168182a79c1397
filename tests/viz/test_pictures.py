"""Pictures: they show what the data says, the spine is straight, and no label stands on anything else."""

from __future__ import annotations

import re
import struct
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engine
import nn
import viz
from engine import Tensor
from gpt.model import GPT, GPTConfig
from tests.test_docs import ROOT, run_snippets
from tests.viz.drawn import Thing, overlaps, things
from viz.digits import short
from viz.drawing.picture import picture


def a_gpt(blocks: int = 2, **config: Any) -> viz.BlameFlow:
    engine.random.seed(1)
    model = GPT(GPTConfig(vocab_size=7, block_size=6, n_layer=blocks, n_head=2, n_embd=4, **config))
    ids = np.array([[0, 1, 2, 3, 4]])
    return viz.trace(model.loss(ids, (ids + 1) % 7))


def an_expression() -> viz.BlameFlow:
    with engine.keep_values():
        a = Tensor(-4.0, requires_grad=True, name="a")
        b = Tensor(2.0, requires_grad=True, name="b")
        c = a + b
        d = a * b + b**3
        e = c * engine.relu(d - c) - d / 4.0
        loss = e * e + c
    return viz.trace(loss, names={"e": e})


class Recurrent(nn.Module):
    def __init__(self) -> None:
        engine.random.seed(0)
        self.cell, self.head = nn.Linear(2, 2), nn.Linear(2, 1)

    def forward(self, x: Any) -> Any:
        for _ in range(5):
            x = engine.tanh(self.cell(x) + x)
        return self.head(x)


def recurrent() -> viz.BlameFlow:
    return viz.trace(Recurrent()(Tensor(np.ones((1, 2), np.float32))).sum())


def cancelling() -> viz.BlameFlow:
    x = Tensor([1.0, 2.0, -1.0], requires_grad=True, name="x")
    y = engine.exp(x)
    return viz.trace((y * 3.0 - y - engine.sin(y)).sum())


def twice_differentiated() -> viz.BlameFlow:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    (engine.tanh(x) * x).sum().backward(create_graph=True)
    assert x.grad is not None
    return viz.trace((x.grad * x.grad).sum())


FLOWS: dict[str, Callable[[], viz.BlameFlow]] = {
    "expression": an_expression,
    "gpt, ops": a_gpt,
    "gpt, learned positions, tied": lambda: a_gpt(tie=True).fold(2, repeats=False),
    "gpt, norm after": lambda: a_gpt(norm="post", positions="rotary", tie=False).fold(2, repeats=False),
    "gpt, two deep": lambda: a_gpt(tie=False).fold(2, repeats=False),
    "gpt, three deep": lambda: a_gpt(positions="rotary").fold(3, repeats=False),
    "twelve blocks as one": lambda: a_gpt(12).fold(2),
    "twelve blocks": lambda: a_gpt(12).fold(2, repeats=False),
    "recurrent": recurrent,
    "recurrent, boxes": lambda: recurrent().fold(1, repeats=False),
    "recurrent, as one": lambda: recurrent().fold(1),
    "pruned": lambda: a_gpt().fold(2).prune(0.8),
    "pruned ops": lambda: an_expression().prune(0.9),
    "cancelling": cancelling,
    "twice differentiated": twice_differentiated,
}


def nodes_of(flow: viz.BlameFlow) -> dict[str, Thing]:
    return {thing.title: thing for thing in things(flow.svg()) if thing.kind == "node"}


def shown(thing: Thing) -> list[str]:
    return ["".join(text for text, _, at in thing.texts if at == y) for y in dict.fromkeys(y for *_, y in thing.texts)]


@pytest.mark.parametrize("name", FLOWS)
def test_every_node_is_drawn_and_no_label_stands_on_anything_else(name: str) -> None:
    flow = FLOWS[name]()
    svg = flow.svg()
    assert {node.id for node in flow.nodes} == {thing.title for thing in things(svg) if thing.kind == "node"}
    assert sum(edge.source != edge.target for edge in flow.edges) == sum(t.kind == "edge" for t in things(svg))
    assert overlaps(svg) == []


@pytest.mark.parametrize("name", [name for name in FLOWS if name.startswith(("gpt", "twelve", "recurrent"))])
def test_the_spine_is_straight(name: str) -> None:
    flow = FLOWS[name]()
    drawn = nodes_of(flow)
    spine = [drawn[title] for title in picture(flow.loss, flow.nodes, flow.edges).spine]
    assert len(spine) >= 3
    assert max(thing.middle for thing in spine) - min(thing.middle for thing in spine) < 1
    if name in ("gpt, two deep", "gpt, ops"):  # the residual stream is on it
        assert sum("+" in shown(thing)[0] for thing in spine) >= 4


def test_scalars_show_name_op_value_and_gradient_and_edges_what_they_bring() -> None:
    flow = an_expression()
    drawn = {tuple(shown(thing)): thing for thing in nodes_of(flow).values()}
    assert any(lines == (f"loss {short(flow.loss)}", "+ · grad 1") for lines in drawn)
    e = next(node for node in flow.nodes if node.name == "e")
    assert e.value is not None
    assert e.gradient is not None
    named = next(lines for lines in drawn if lines[0] == "e (−)")
    assert named[1] == f"{short(e.value.mean)} | grad {short(e.gradient.mean)}"
    leaf = next(lines for lines in drawn if lines[0] == "a")
    assert leaf[1].startswith("-4 | grad ")
    assert leaf[2].endswith("% of the blame")
    labels = [text for thing in things(flow.svg()) if thing.kind == "edge" for text in shown(thing)]
    assert labels
    assert all(re.fullmatch(r"-?(<0\.1|[\d.]+)% \(-?[\d.e-]+\)", text) for text in labels)


def test_leaves_look_different_from_ops() -> None:
    root = ET.fromstring(an_expression().svg())
    borders = {}
    for group in root.iter("{http://www.w3.org/2000/svg}g"):
        if group.get("class") == "node":
            outline = next(e for e in group.iter() if e.tag.endswith(("}polygon", "}path")))
            borders[group.findtext("{http://www.w3.org/2000/svg}title")] = (outline.tag, outline.get("stroke-width"))
    flow = an_expression()
    leaves = {borders[node.id] for node in flow.nodes if node.op == "leaf"}
    assert len(leaves) == 1
    assert leaves.isdisjoint(borders[node.id] for node in flow.nodes if node.op != "leaf")


def test_repetitions_are_counted_once_and_what_leads_back_says_so() -> None:
    drawn = things(a_gpt(12).fold(2).svg())
    frames = [shown(thing) for thing in drawn if thing.kind == "cluster"]
    assert frames == [["blocks.0-11 ×12"]]
    assert not any("×12" in text for thing in drawn if thing.kind == "node" for text in shown(thing))
    back = [shown(thing) for thing in drawn if thing.kind == "edge" and "to the next" in shown(thing)]
    assert len(back) == 2
    (box,) = (thing for thing in nodes_of(a_gpt(12).fold(1)).values() if "blocks" in shown(thing)[0])
    assert shown(box)[0] == "blocks.0-11 ×12"


def test_what_was_pruned_is_a_box_that_says_how_much_it_was() -> None:
    flow = an_expression().prune(0.5)
    other = shown(nodes_of(flow)["other"])
    contributions = sum(edge.count for edge in flow.edges if "other" in (edge.source, edge.target))
    assert other[:2] == [f"other: {flow.nodes[-1].count} values", f"{contributions} contributions"]
    inside = next(edge.share for edge in flow.edges if edge.source == edge.target == "other")
    percent = re.fullmatch(rf"([\d.]+)% among these {flow.nodes[-1].count}", other[-1])
    assert percent is not None
    assert float(percent[1]) == pytest.approx(100 * inside, abs=0.5)


def test_each_call_of_a_module_has_a_frame_and_weights_read_by_all_stand_outside() -> None:
    drawn = things(recurrent().svg())
    frames = sorted(shown(thing)[0] for thing in drawn if thing.kind == "cluster")
    assert frames == [*(f"cell, call {k}" for k in range(1, 6)), "head"]
    titles = {shown(thing)[0]: thing for thing in drawn if thing.kind == "node"}
    weight = titles["cell.weight"].rect
    boxes = [thing.rect for thing in drawn if thing.kind == "cluster"]
    assert not any(left <= weight[0] <= right and top <= weight[1] <= bottom for left, top, right, bottom in boxes)


def test_the_legend_explains_what_is_there_and_nothing_else() -> None:
    def legend(flow: viz.BlameFlow) -> str:
        return re.findall(r"<title>legend</title>.*?</g>", flow.svg(), re.DOTALL)[0]

    plain = viz.trace(engine.exp(Tensor(np.ones(9), requires_grad=True)).sum())
    for words in ("dashed crimson", "white", "dotted", "double frame", "percent at an edge", "in brackets", "value |"):
        assert words not in legend(plain), words
    for words in ("root mean square", "blue", "width", "a leaf", "of the blame"):
        assert words in legend(plain), words
    for words in ("dashed crimson", "percent at an edge"):
        assert words in legend(cancelling()), words
    for words in ("value |", "in brackets"):
        assert words in legend(an_expression()), words


def test_a_gradient_of_zero_has_no_shares_and_says_so() -> None:
    x = Tensor(3.0, requires_grad=True, name="x")
    flow = viz.trace(x - x)
    svg = flow.svg()
    (leaf,) = (thing for thing in things(svg) if thing.kind == "node" and shown(thing)[0] == "x")
    assert shown(leaf) == ["x", "3 | grad 0"]
    assert sorted(shown(thing)[0] for thing in things(svg) if thing.kind == "edge") == ["(-1)", "(1)"]
    assert "nan" not in svg
    assert "a gradient of zero" in svg


@pytest.mark.parametrize(("broken", "said"), [(np.nan, "gradient nan"), (np.inf, "gradient infinite")])
def test_a_gradient_that_is_no_number_is_named(broken: float, said: str) -> None:
    flow = cancelling()
    leaf = replace(flow.nodes[-1], norm=broken, rms=broken, gradient=None)
    edges = [replace(e, norm=broken, share=np.nan) if e.target == leaf.id else e for e in flow.edges]
    svg = replace(flow, nodes=(*flow.nodes[:-1], leaf), edges=tuple(edges)).svg()
    assert said in svg
    assert "double frame" in svg
    assert "dotted black" in svg


def test_what_a_box_receives_from_inside_is_told_so_that_all_adds_up() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    with engine.scope("f"):
        y = engine.tanh(x)
        z = engine.sin(y)
    flow = viz.trace((y + z).sum()).fold(1)
    (inside,) = (edge for edge in flow.edges if edge.source == edge.target)
    (box,) = (shown(thing) for thing in nodes_of(flow).values() if shown(thing)[0] == "f")
    assert re.fullmatch(r"-?[\d.]+% from inside", box[-1])
    assert float(box[-1].split("%")[0]) == pytest.approx(100 * inside.share, abs=0.5)


def test_files_are_written_and_a_png_is_crisp(tmp_path: Path) -> None:
    flow = an_expression()
    svg = flow.svg(tmp_path / "f.svg")
    assert svg == (tmp_path / "f.svg").read_text(encoding="utf-8")
    flow.png(tmp_path / "f.png")
    data = (tmp_path / "f.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    width = float(re.findall(r'<svg [^>]*width="([\d.]+)pt"', svg)[0])
    assert struct.unpack(">I", data[16:20])[0] == pytest.approx(2 * width, abs=2)  # 72 points are 144 dots


def test_the_same_program_gives_the_same_bytes_and_says_what_it_is() -> None:
    svg = a_gpt().fold(2).svg()
    assert svg == a_gpt().fold(2).svg()
    assert a_gpt().dot() == a_gpt().dot()
    root = ET.fromstring(svg)
    assert root.get("role") == "img"
    assert re.fullmatch(r"blame for a loss of [\d.]+: \d+ boxes, \d+ edges", root.get("aria-label", ""))
    assert re.search(r"<title>blame for a loss of [\d.]+</title>", svg)


def test_the_expression_in_the_docs_is_what_its_snippet_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_snippets(ROOT / "docs" / "looking.md", "python")
    new, kept = ((folder / "expression.svg").read_text(encoding="utf-8") for folder in (tmp_path, ROOT / "docs"))
    words = [sorted(element.text or "" for element in ET.fromstring(svg).iter() if element.text) for svg in (new, kept)]
    assert words[0] == words[1]


@pytest.mark.parametrize("keep", [0.9, 0.7, 0.5])
def test_the_loss_stands_above_all_that_is_left_of_a_pruned_flow(keep: float) -> None:
    flow = a_gpt(12).fold(2).prune(keep)
    loss, *others = sorted(nodes_of(flow).values(), key=lambda thing: thing.rect[1])
    assert loss.title == flow.nodes[0].id
    assert len(others) == len(flow.nodes) - 1

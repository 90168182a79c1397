"""What a page shows when a flow is folded in it, from its data alone; and what the picture of that fold shows."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import viz
from tests.viz.drawn import things
from viz.digits import form
from viz.drawing.picture import picture
from viz.page.calls import tree_of_calls
from viz.strokes import stroke


@dataclass
class Shown:
    """The texts of each box, by id; the label and the name of the stroke of each edge, by source and target."""

    boxes: dict[str, tuple[str, ...]]
    labels: dict[tuple[str, str], tuple[str, str]]


def data_of(document: str) -> Any:
    """The data in a page."""
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', document, re.S)
    assert match is not None
    return json.loads(match[1])


def on_page(flow: viz.BlameFlow, folded: viz.BlameFlow) -> Shown:
    """What the page of a flow shows where just the nodes of this fold are visible."""
    data = data_of(flow.html())
    nodes = [*flow.nodes, *(call.box for call in tree_of_calls(flow.nodes, flow.edges)[0])]
    things, ids = [*data["values"], *data["calls"]], [node.id for node in nodes]
    visible = [number for number, node in enumerate(nodes) if node in set(folded.nodes)]
    assert len(visible) == len(folded.nodes)
    into: dict[int, list[Any]] = defaultdict(list)
    for edge in data["edges"]:
        if {edge["source"], edge["target"]} <= set(visible):
            into[edge["target"]].append(edge)
    labels, lines = {}, {ids[number]: [things[number]["small"]] for number in visible}
    holders = [number for number in visible if "blame" in things[number]]
    for number in holders:
        lines[ids[number]].append(things[number]["blame"][form([things[at]["blame"][2] for at in holders])])
    for group in into.values():
        chosen = form([edge["label"][2] for edge in group])
        for edge in group:
            text = edge["label"][chosen] if len(group) > 1 else edge.get("alone", "")
            if edge["source"] == edge["target"]:
                lines[ids[edge["target"]]].append(text)
            else:
                labels[ids[edge["source"]], ids[edge["target"]]] = text, edge["kind"]
    heads = {ids[number]: things[number]["head"] for number in visible}
    signs = {ids[number] for number in visible if things[number].get("sign")}
    return Shown({id_: _box(heads[id_], lines[id_], id_ in signs) for id_ in heads}, labels)


def on_picture(flow: viz.BlameFlow) -> Shown:
    """What the picture of a flow shows, as Graphviz drew it; edges into a box that has no other are left out."""
    whole = picture(flow.loss, flow.nodes, flow.edges)
    drawn = {thing.title: thing for thing in things(flow.svg())}
    boxes = {}
    for node in flow.nodes:
        texts = drawn[node.id].texts
        head, *lines = ["".join(t for t, _, y in texts if y == at) for at in dict.fromkeys(y for *_, y in texts)]
        boxes[node.id] = _box(head, lines, not lines)
    labels = {}
    for arrow in whole.arrows:
        edge = arrow.edge
        label = "".join(text for text, *_ in drawn[f"{edge.source}->{edge.target}"].texts)
        labels[edge.source, edge.target] = label, stroke(edge).name
    return Shown(boxes, labels)


def _box(head: str, lines: list[str], sign: bool) -> tuple[str, ...]:
    """The first line, and all parts of the others in one order."""
    return (head,) if sign else (head, *sorted(part for line in lines for part in line.split(" · ") if part))

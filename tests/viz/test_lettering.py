"""Labels and texts in pictures: none is cut, none lies on another edge, none depends on one font."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest

import viz
from tests.viz.drawn import SVG, overlaps, things
from tests.viz.pages import a_gpt
from tests.viz.test_figures import FLAT
from viz.drawing.titles import along

VIEWS: dict[str, Callable[[], viz.BlameFlow]] = {
    **FLAT,
    "a block, nearly all": lambda: a_gpt(1).prune(0.95),
    "a block, little": lambda: a_gpt(1).prune(0.7),
    "two blocks, nearly all": lambda: a_gpt(2).prune(0.9),
    "three blocks, all": lambda: a_gpt(3),
    "three blocks, most": lambda: a_gpt(3).prune(0.99),
    "three blocks, folded and pruned": lambda: a_gpt(3).fold(2).prune(0.95),
    "three blocks, deeper": lambda: a_gpt(3).fold(3).prune(0.5),
}


def crossed(svg: str) -> list[str]:
    """The labels that an edge other than their own runs through, and these edges."""
    drawn = {thing.title: thing for thing in things(svg) if thing.kind == "edge"}
    found = []
    for group in ET.fromstring(svg).iter(f"{SVG}g"):
        if group.get("class") != "edge":
            continue
        line = next(group.iter(f"{SVG}path"))
        half = float(line.get("stroke-width", 1)) / 2
        points = list(along(re.sub("[MC]", " ", line.get("d", ""))))
        for name, thing in drawn.items():
            for left, top, right, bottom in thing.labels if name != group.findtext(f"{SVG}title") else ():
                if any(left - half < x < right + half and top - half < y < bottom + half for x, y in points):
                    found.append(f"{thing.texts[0][0]} of {name} on {group.findtext(f'{SVG}title')}")
    return found


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_35_no_label_lies_on_another_edge_on_a_box_or_beyond_the_picture(view: Callable[[], viz.BlameFlow]) -> None:
    svg = view().svg()
    assert crossed(svg) == []
    assert overlaps(svg) == []


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_35_each_text_keeps_its_room_whatever_the_font(view: Callable[[], viz.BlameFlow]) -> None:
    for group in ET.fromstring(view().svg()).iter(f"{SVG}g"):
        if group.get("class") not in ("node", "edge") or group.findtext(f"{SVG}title") == "legend":
            continue
        (thing,) = things(f'<svg xmlns="{SVG[1:-1]}">{ET.tostring(group, encoding="unicode")}</svg>')
        lefts, rights = [], []
        for text in group.iter(f"{SVG}text"):
            if text.get("textLength") is None:
                assert text.get("text-anchor") == "middle"
                continue
            x, wide = float(text.get("x", 0)), float(text.get("textLength", 0))
            left = x - wide / 2 if text.get("text-anchor") == "middle" else x
            lefts.append(left)
            rights.append(left + wide)
        if lefts:
            rects = [thing.rect] if thing.kind == "node" else thing.labels
            assert min(rect[0] for rect in rects) <= min(lefts) + 0.1
            assert max(rights) <= max(rect[2] for rect in rects) + 0.1

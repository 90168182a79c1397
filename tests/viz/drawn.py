"""The things in an SVG drawn by Graphviz, with their places: boxes, frames, labels of edges, and their texts."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from itertools import combinations

SVG = "{http://www.w3.org/2000/svg}"
Rect = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass
class Thing:
    """A node, an edge or a frame ("cluster"): its title, its outline, and its texts with their positions."""

    kind: str
    title: str
    rect: Rect
    texts: list[tuple[str, float, float]] = field(default_factory=list)
    labels: list[Rect] = field(default_factory=list)
    tooltip: str = ""

    @property
    def middle(self) -> float:
        return (self.rect[0] + self.rect[2]) / 2


def things(svg: str) -> list[Thing]:
    """All nodes, edges and frames of a picture but its legend."""
    groups = (group for group in ET.fromstring(svg).iter(f"{SVG}g") if group.findtext(f"{SVG}title") != "legend")
    return [_thing(group) for group in groups if group.get("class") in ("node", "edge", "cluster")]


def overlaps(svg: str) -> list[str]:
    """The labels of edges that lie on a box, on one another, or outside of the picture."""
    all_of_it = things(svg)
    boxes = [(thing.title, thing.rect) for thing in all_of_it if thing.kind == "node"]
    labels = [(f"label of {thing.title}", rect) for thing in all_of_it for rect in thing.labels if thing.kind == "edge"]
    pairs = [*combinations(labels, 2), *((label, box) for label in labels for box in boxes)]
    wrong = [f"{a} on {b}" for (a, first), (b, second) in pairs if _meet(first, second)]
    width = float(re.findall(r'viewBox="0.00 0.00 ([\d.]+) ', svg)[0])
    return wrong + [name for name, (left, _, right, _) in labels if left < -4 or right > width]


def _thing(group: ET.Element) -> Thing:
    outline = next((e for e in group.iter() if e.tag in (f"{SVG}polygon", f"{SVG}path", f"{SVG}ellipse")), None)
    assert outline is not None
    thing = Thing(group.get("class", ""), group.findtext(f"{SVG}title") or "", _rect(outline))
    for element in group.iter():
        if element.tag == f"{SVG}text":
            thing.texts.append(((element.text or ""), float(element.get("x", 0)), float(element.get("y", 0))))
        if element.tag == f"{SVG}polygon" and element.get("fill") in ("#ffffff", "white") and thing.kind == "edge":
            thing.labels.append(_rect(element))
        thing.tooltip = element.get("{http://www.w3.org/1999/xlink}title", thing.tooltip)
    return thing


def _rect(outline: ET.Element) -> Rect:
    if outline.tag == f"{SVG}ellipse":
        x, y, rx, ry = (float(outline.get(name, 0)) for name in ("cx", "cy", "rx", "ry"))
        return x - rx, y - ry, x + rx, y + ry
    numbers = [float(n) for n in re.findall(r"-?[\d.]+", outline.get("points") or outline.get("d") or "")]
    return min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])


def _meet(a: Rect, b: Rect) -> bool:
    return min(a[2], b[2]) - max(a[0], b[0]) > 0.5 and min(a[3], b[3]) - max(a[1], b[1]) > 0.5

"""Lettering: the texts in an SVG that Graphviz drew, made independent of the reader's font and of other edges.

Graphviz reserves room for each text by the widths of one font, and writes from the left end of that room. A reader
whose system has another font would see texts off centre or beyond their boxes. So each text gets the width of its room
(`textLength`), and one that is alone in its line is centred there, for programs that ignore this width.

Graphviz keeps labels away from boxes, but may run another edge through one. Such a label moves along its own edge to
the first place that is free. Where there is none, its edge is drawn last, so that nothing covers the label.

Read next: `viz/drawing/titles.py`, the two layouts.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from viz.colors import PAPER
from viz.drawing.titles import along

_SVG = "{http://www.w3.org/2000/svg}"
_XLINK = "http://www.w3.org/1999/xlink"
_APART = 1.5  # points between a label and what it must not touch
_PLACES = sorted((k / 40 for k in range(1, 40)), key=lambda part: abs(part - 0.5))  # along an edge, from its middle
_AWAY = (3.0, 8.0, 14.0, 22.0)  # points from the edge

Rect = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass
class _Edge:
    """A drawn edge: its element, points along its line, its width, and the elements and the outline of its label."""

    element: ET.Element
    points: Sequence[tuple[float, float]]
    width: float
    label: list[ET.Element]
    rect: Rect | None


def lettered(svg: str) -> str:
    """The same picture with its texts as this module's docstring says."""
    ET.register_namespace("", _SVG[1:-1])
    ET.register_namespace("xlink", _XLINK)
    root = ET.fromstring(svg)
    groups = [group for group in root.iter(f"{_SVG}g") if group.findtext(f"{_SVG}title") != "legend"]
    nodes = [group for group in groups if group.get("class") == "node"]
    edges = [_edge(group) for group in groups if group.get("class") == "edge"]
    picture = next(group for group in root.iter(f"{_SVG}g") if group.get("class") == "graph")
    _free_labels(picture, edges, [*map(_outline, nodes), *_titles(groups)])
    for node in nodes:
        left, _, right, _ = _outline(node)
        _fit(list(node.iter(f"{_SVG}text")), (left + right) / 2)
    for edge in edges:
        for ground, text in zip(edge.label[::2], edge.label[1::2], strict=False):
            left, _, right, _ = _rect(ground.get("points", ""))
            _fit([text], (left + right) / 2)
    return ET.tostring(root, encoding="unicode")


def _fit(texts: Sequence[ET.Element], middle: float) -> None:
    """Give the texts of a box, whose lines are centred, the widths that Graphviz reserved for them."""
    lines: dict[str, list[ET.Element]] = defaultdict(list)
    for text in texts:
        if text.get("text-anchor") == "start":
            lines[text.get("y", "")].append(text)
    for line in lines.values():
        starts = [float(text.get("x", 0)) for text in line]
        ends = [*starts[1:], 2 * middle - starts[0]]
        for text, start, end in zip(line, starts, ends, strict=True):
            if end - start > 1:
                text.set("textLength", f"{end - start:.2f}")
                text.set("lengthAdjust", "spacingAndGlyphs")
        if len(line) == 1:
            line[0].set("text-anchor", "middle")
            line[0].set("x", f"{middle:.2f}")


def _free_labels(picture: ET.Element, edges: Sequence[_Edge], boxes: Sequence[Rect]) -> None:
    """Move the labels that another edge runs through."""
    paper = _rect(next(picture.iter(f"{_SVG}polygon")).get("points", ""))
    for edge in edges:
        others = [other for other in edges if other is not edge]
        taken = [*boxes, *(other.rect for other in others if other.rect)]
        if edge.rect is None or not _crossed(edge.rect, edges):
            continue
        inside = [at for at in _places(edge) if paper[0] < at[0] and at[2] < paper[2] and not _meets(at, taken)]
        free = [at for at in inside if not _crossed(at, others)]
        place = next((at for at in free if not _crossed(at, [edge])), None)
        if place is None and not _crossed(edge.rect, others):  # its white ground hides a piece of its own edge
            continue
        place = place or next(iter(free), None)
        if place is None:
            picture.remove(edge.element)
            picture.append(edge.element)
        else:
            _move(edge, place[0] - edge.rect[0], place[1] - edge.rect[1])
            edge.rect = place


def _places(edge: _Edge) -> Iterator[Rect]:
    """Where a label may stand: beside points of its edge, to the right or to the left."""
    assert edge.rect is not None
    left, top, right, bottom = edge.rect
    width, half = right - left, (bottom - top) / 2
    for away in (edge.width / 2 + far for far in _AWAY):
        for part in _PLACES:
            x, y = edge.points[int(part * (len(edge.points) - 1))]
            yield x + away, y - half, x + away + width, y + half
            yield x - away - width, y - half, x - away, y + half


def _crossed(rect: Rect, edges: Sequence[_Edge]) -> bool:
    left, top, right, bottom = rect
    for edge in edges:
        far = edge.width / 2 + _APART
        if any(left - far < x < right + far and top - far < y < bottom + far for x, y in edge.points):
            return True
    return False


def _meets(rect: Rect, others: Sequence[Rect]) -> bool:
    return any(
        rect[0] < other[2] + _APART
        and other[0] - _APART < rect[2]
        and rect[1] < other[3] + _APART
        and other[1] - _APART < rect[3]
        for other in others
    )


def _move(edge: _Edge, right: float, down: float) -> None:
    for element in edge.label:
        if points := element.get("points"):
            pairs = (point.split(",") for point in points.split())
            element.set("points", " ".join(f"{float(x) + right:.2f},{float(y) + down:.2f}" for x, y in pairs))
        else:
            element.set("x", f"{float(element.get('x', 0)) + right:.2f}")
            element.set("y", f"{float(element.get('y', 0)) + down:.2f}")


def _edge(group: ET.Element) -> _Edge:
    line = next(group.iter(f"{_SVG}path"))
    grounds = [polygon for polygon in group.iter(f"{_SVG}polygon") if polygon.get("fill") in (PAPER, "white")]
    texts = list(group.iter(f"{_SVG}text"))
    rects = [_rect(ground.get("points", "")) for ground in grounds]
    return _Edge(
        group,
        list(along(re.sub("[MC]", " ", line.get("d", "")))),
        float(line.get("stroke-width", 1)),
        [element for pair in zip(grounds, texts, strict=False) for element in pair],
        _around(rects) if rects else None,
    )


def _titles(groups: Sequence[ET.Element]) -> Iterator[Rect]:
    """The places of the titles of frames, roughly."""
    for group in groups:
        if group.get("class") == "cluster":
            for text in group.iter(f"{_SVG}text"):
                x, y, size = (float(text.get(name, 0)) for name in ("x", "y", "font-size"))
                yield x, y - size, x + 0.6 * size * len(text.text or ""), y + 0.3 * size


def _outline(group: ET.Element) -> Rect:
    """The rectangle around a box."""
    shapes = [shape for kind in ("polygon", "path") for shape in group.iter(f"{_SVG}{kind}")]
    circles = (
        [float(circle.get(name, 0)) for name in ("cx", "cy", "rx", "ry")] for circle in group.iter(f"{_SVG}ellipse")
    )
    rects = [_rect(shape.get("points") or shape.get("d") or "") for shape in shapes]
    return _around([*rects, *((x - rx, y - ry, x + rx, y + ry) for x, y, rx, ry in circles)])


def _rect(points: str) -> Rect:
    numbers = [float(number) for number in re.findall(r"-?[\d.]+", points)]
    return min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])


def _around(rects: Sequence[Rect]) -> Rect:
    lefts, tops, rights, bottoms = zip(*rects, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)

"""Pictures of a flow of blame: the shares of its stages as bars, and the graph as Graphviz draws it.

A picture of Graphviz by itself is a document: it has a prolog, a namespace, ids (`node1` in every picture) and
Graphviz's own names as titles. Inside a page it is an element without these, and the tooltip of a node becomes its
title; so a page can hold several.

Read next: `gpt/report/passages.py`, the same for passages of a text.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from gpt.report.markup import figure, paragraph
from viz import BlameFlow, NoGraphviz, digits
from viz.charts import Bar, bars
from viz.charts.marks import escaped

_SVG, _TOOLTIP = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}title"


def flow_of_blame(flow: BlameFlow, target: str, opened: bool) -> str:
    """The share of each stage in the blame for a target, and below it the picture, which may be closed."""
    stages = flow.stages(2)
    texts = digits.percents([stage.share for stage in stages])
    rows = [
        Bar(stage.name, stage.share, text, f"{stage.name}: gradient norm {digits.short(stage.norm)}")
        for stage, text in zip(stages, texts, strict=True)
    ]
    chart = figure(bars(rows, about=f"share of each stage in the blame for {target}"))
    return f"{chart}\n{_picture(flow, opened)}"


def _picture(flow: BlameFlow, opened: bool) -> str:
    """The folded flow as Graphviz draws it, on a white ground; without Graphviz, a line that says what to install."""
    try:
        drawn = inline(flow.fold(2, repeats=False).svg())
    except NoGraphviz as missing:
        return paragraph(f"The picture of the flow is missing: {escaped(str(missing))}.", "missing")
    state = " open" if opened else ""
    return f'<details{state}><summary>The picture of this flow</summary><div class="paper">{drawn}</div></details>'


def inline(svg: str) -> str:
    """The drawing of a Graphviz SVG as an element for HTML: no ids, no namespaces, tooltips as titles."""
    root = ET.fromstring(svg)
    for parent in root.iter():
        parent.tag = parent.tag.removeprefix(_SVG)
        parent.attrib.pop("id", None)
        for child in [child for child in parent if child.tag == f"{_SVG}title"]:
            parent.remove(child)
        if tooltip := parent.attrib.pop(_TOOLTIP, None):
            parent.tag = "g"  # a link without an address, which Graphviz adds for a tooltip
            title = ET.Element("title")
            title.text = tooltip
            parent.insert(0, title)
    root.set("class", "flow")
    return ET.tostring(root, encoding="unicode")

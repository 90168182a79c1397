"""Graphviz pictures, changed so that a page can hold several.

A picture by itself is a document: it has a prolog, a namespace, ids (`node1` in every picture) and Graphviz's own names
as titles. Inside a page it is an element without these, and the tooltip of a node becomes its title.

Read next: `gpt/report/attention.py`, the attention maps.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

_SVG, _TOOLTIP = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}title"


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

"""Graphviz pictures, made to stand in a page among others.

A picture by itself is a document: a prolog, a namespace, ids (`node1` in every one of them) and titles that are names
of Graphviz's own. In a page only the drawing is wanted, and what was told of a node becomes its title, which shows as
a tooltip.
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
        if told := parent.attrib.pop(_TOOLTIP, None):
            parent.tag = "g"  # it was a link to nowhere, made for its tooltip
            title = ET.Element("title")
            title.text = told
            parent.insert(0, title)
    root.set("class", "flow")
    return ET.tostring(root, encoding="unicode")

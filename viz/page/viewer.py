"""viewer: a flow as one HTML file whose modules open and close, and whose sweep can be walked through step by step.

Python decides every number, word, colour and width, once, as for the pictures, and puts them into the page as data. The
program in `js/` decides which boxes are visible, where they stand, and what is chosen; it only shows what it was given.
Its files are best read in the order of PROGRAM.

Read next: `viz/page/content.py`, the data.
"""

from __future__ import annotations

from collections.abc import Sequence

from viz.colors import FAINT, INK, PAPER
from viz.data import Edge, Node
from viz.digits import short
from viz.page.content import content
from viz.page.shell import asset, page
from viz.strokes import STROKES

PROGRAM = (  # in the order in which to read it
    "model",
    "shares",
    "sizes",
    "links",
    "layers",
    "places",
    "layout",
    "routes",
    "bands",
    "draw",
    "camera",
    "legend",
    "panel",
    "steps",
    "find",
    "main",
    "events",
)


def source(loss: float, nodes: Sequence[Node], edges: Sequence[Edge], unknown_value: str) -> str:
    """The HTML of one flow; `unknown_value` is what to say of a value that is not known."""
    return page(
        f"Blame for a loss of {short(loss)}",
        asset("viewer.html"),
        styles=[_colors(), asset("viewer.css")],
        scripts=[_program()],
        data=content(loss, nodes, edges, unknown_value),
    )


def _colors() -> str:
    """The colours that pages share with pictures, as CSS variables."""
    known = {"ink": INK, "paper": PAPER, "faint": FAINT, **{kind.name: kind.color for kind in STROKES}}
    return f":root {{ {' '.join(f'--{name}: {color};' for name, color in known.items())} }}"


def _program() -> str:
    """One script of all files, in a block, so that it defines no global names."""
    files = "\n".join(asset(f"js/{name}.js") for name in PROGRAM)
    return f'"use strict";\n{{\n{files}}}\n'

"""The picture of `docs/architecture.md`: a box for each file or folder of a package, an arrow for each import.

An arrow that follows from others is left out: where a imports b and b imports c, a may import c as well. The packages
among themselves have one arrow each.

    python -m tests.floor_plan docs/architecture.svg
"""

from __future__ import annotations

import sys
from graphlib import TopologicalSorter
from pathlib import Path

from graphviz import Digraph

from tests.house import PACKAGES, Imports, imports, part_of
from viz.drawing.layout import render

_GREY = "#767676"
_TEXT = {"fontname": "Helvetica", "fontsize": "11"}


def rooms(of: Imports) -> Imports:
    """The imports between files and folders that stand directly in a package; "nn" is the package itself."""
    found: Imports = {}
    for name, targets in of.items():
        found.setdefault(_room(name), set()).update(map(_room, targets))
    return {room: targets - {room} for room, targets in found.items()}


def _room(module: str) -> str:
    return ".".join(filter(None, part_of(module)))


def reduced(of: Imports) -> Imports:
    """The same without the imports that follow from others."""
    reach: Imports = {}
    for name in TopologicalSorter(of).static_order():
        reach[name] = of[name].union(*(reach[target] for target in of[name]))
    return {
        name: {target for target in targets if not any(target in reach[other] for other in targets)}
        for name, targets in of.items()
    }


def plan(of: Imports) -> Digraph:
    """The picture."""
    drawing = Digraph(
        graph_attr={"rankdir": "BT", "ranksep": "0.3", "nodesep": "0.15", "compound": "true", **_TEXT},
        node_attr={"shape": "box", "style": "rounded", "margin": "0.08,0.03", "height": "0.25", **_TEXT},
        edge_attr={"arrowsize": "0.5", "color": _GREY},
    )
    of = rooms(of)
    for package in PACKAGES:
        inside = {
            room: {t for t in ts if part_of(t)[0] == package} for room, ts in of.items() if part_of(room)[0] == package
        }
        with drawing.subgraph(name=f"cluster_{package}") as frame:
            frame.attr(label=package, style="rounded", color=_GREY, fontsize="14")
            for room, targets in sorted(reduced(inside).items()):
                frame.node(room, part_of(room)[1] or "__init__")
                for target in sorted(targets):
                    frame.edge(room, target)
    between = {
        package: {part_of(t)[0] for room, ts in of.items() if part_of(room)[0] == package for t in ts} - {package}
        for package in PACKAGES
    }
    for package, targets in reduced(between).items():
        for target in sorted(targets):
            drawing.edge(
                _top(of, package),
                target,
                ltail=f"cluster_{package}",
                lhead=f"cluster_{target}",
                penwidth="2",
                minlen="3",
            )
    return drawing


def _top(of: Imports, package: str) -> str:
    """A file of the package that imports nothing of it."""
    return min(
        room for room, ts in of.items() if part_of(room)[0] == package and not any(part_of(t)[0] == package for t in ts)
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(render(plan(imports()).source, "svg"))

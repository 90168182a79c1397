"""The imports of the house, file by file: which layers they form, and whether there is a circle.

    python -m tests.house       prints the layers of each package, and a circle if there is one (status 1)

A row may import the rows above it; within a row, a file may import what stands left of an arrow that it stands right
of. A name with a slash is a folder. An import is counted wherever it stands, in a function or for types only.
`from engine import x` counts as an import of the file that x stands in.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("engine", "nn", "viz", "gpt")
ROWS = {
    "engine": """
        arrays generators half origins blas -> threads -> tune recording signature examples trees
        namespace
        plan degree -> op -> describe graph
        versions anomaly operators -> tensor
        operands special -> random
        primitive -> shortcuts -> declare
        ops/
        zero_cotangent -> rules -> sweeps -> backward
        transforms -> jacobians -> explain checkpoint values memory kernels/
        testing/
    """,
    "viz": """
        data digits checks colors words -> strokes figures
        stages repeats depth trouble -> sources/ groups findings -> fold prune matching versus
        text drawing/ page/ charts/
        flow scopes -> compare trace
    """,
}

Imports = dict[str, set[str]]


def modules() -> dict[str, Path]:
    """Every Python file of the four packages, by the name it is imported by."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports() -> Imports:
    """Which files of the house each file imports."""
    known = modules()
    return {name: set(_imported(path, known)) - {name} for name, path in known.items()}


def _imported(path: Path, known: Iterable[str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                longer = f"{node.module}.{alias.name}"
                yield from [name for name in (longer, str(node.module)) if name in known][:1]


def circle(of: Imports) -> list[str]:
    """A circle of files that import one another; empty if there is none."""
    try:
        TopologicalSorter(of).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


def places(package: str) -> dict[str, tuple[int, int]]:
    """The row of each file or folder of a package, and its place between the arrows of the row."""
    found: dict[str, tuple[int, int]] = {}
    for row, line in enumerate(ROWS[package].strip().splitlines()):
        for group, names in enumerate(line.split("->")):
            found |= {name.removesuffix("/"): (row, group) for name in names.split()}
    return found


def against_the_rows(of: Imports) -> list[str]:
    """Every import that points up or sideways in the rows of its package, and every file that has no place in them."""
    wrong = []
    for package in ROWS:
        place = places(package)
        for name, targets in of.items():
            own, part = part_of(name)
            if own != package or not part:
                continue  # the package's own __init__ gathers everything
            if part not in place:
                wrong.append(f"{name} has no place in the rows")
                continue
            for target in sorted(targets):
                other, its_part = part_of(target)
                if other != package or its_part == part or (not its_part and part == "testing"):
                    continue
                if its_part not in place or place[its_part] >= place[part]:
                    wrong.append(f"{name} imports {target}")
    return wrong


def part_of(module: str) -> tuple[str, str]:
    """A module's package, and the file or folder of the package it stands in; empty for the package itself."""
    package, _, rest = module.partition(".")
    return package, rest.partition(".")[0]


def layers(of: Imports, package: str) -> list[list[str]]:
    """The files of a package by how many imports deep they stand in it."""
    inside = {name: {t for t in targets if t.startswith(f"{package}.")} for name, targets in of.items()}
    sorter = TopologicalSorter({name: targets for name, targets in inside.items() if name.startswith(f"{package}.")})
    sorter.prepare()
    found = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        found.append([name.removeprefix(f"{package}.") for name in ready])
        sorter.done(*ready)
    return found


def main() -> int:
    """Print the layers, or a circle."""
    of = imports()
    ring = circle(of)
    if ring:
        print("a circle of imports:", " -> ".join(ring))
        return 1
    for package in PACKAGES:
        for depth, names in enumerate(layers(of, package)):
            print(f"{package if not depth else '':8}{depth:3}  {' '.join(names)}")
    print(f"{len(of)} files, 0 circles, {len(against_the_rows(of))} imports against the rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())

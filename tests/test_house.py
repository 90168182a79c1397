"""The shape of the house: imports point one way, files stay short, and every op is reachable by its public name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import engine
from engine.primitive import registry

ROOT = Path(__file__).parent.parent
PACKAGES = ("engine", "nn", "viz", "gpt")
ALLOWED = {
    "engine": {"engine", "numpy"},
    "nn": {"nn", "engine", "numpy"},
    "viz": {"viz", "engine", "numpy", "graphviz"},
    "gpt": {"gpt", "viz", "nn", "engine", "numpy", "rich", "safetensors"},
}
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    import sys

    package = path.relative_to(ROOT).parts[0]
    allowed = set(ALLOWED[package])
    if "testing" in path.parts:
        allowed.add("hypothesis")
    foreign = {name for name in imported(path) if name not in sys.stdlib_module_names} - allowed
    assert not foreign


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short_and_begin_with_their_idea(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= (300 if path.relative_to(ROOT).parts[0] == "engine" else 400)


@pytest.mark.parametrize("folder", ["tests", "benchmarks"])
def test_no_other_file_is_long_either(folder: str) -> None:
    paths = (ROOT / folder).rglob("*.py")
    assert [path for path in paths if len(path.read_text(encoding="utf-8").splitlines()) > 400] == []


def test_every_registered_op_is_public_or_a_helper_of_one() -> None:
    helpers = {"put_add", "contract"}
    ours = {name for name, op in registry.items() if op.__module__.startswith("engine.")}
    assert {name for name in ours if not hasattr(engine, name)} == helpers

"""The shape of the house: imports point one way, files stay short, and every op is reachable by its public name."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import engine
from benchmarks.reading import blameflow, reading
from engine.primitive import registry
from tests import floor_plan, house

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "engine": {"engine", "numpy"},
    "nn": {"nn", "engine", "numpy"},
    "viz": {"viz", "numpy", "graphviz"},
    "gpt": {"gpt", "viz", "nn", "engine", "numpy", "rich", "safetensors"},
}
SOURCE_OF = {  # whose backward passes viz watches: what is particular to one engine stands in its own file
    "engine": "engine",
    "torch": "torch",
    "jax": "jax",
}
MODULES = house.modules()
SOURCES = list(MODULES.values())
OPS = [
    name
    for name, path in MODULES.items()
    if "__all__" in path.read_text(encoding="utf-8") and name.startswith("engine.ops.")
]


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
def test_packages_import_what_they_may(path: Path) -> None:
    allowed = set(ALLOWED[path.relative_to(ROOT).parts[0]])
    if "testing" in path.parts:
        allowed.add("hypothesis")
    if path.parent == ROOT / "engine" / "kernels":
        allowed |= {"numba", "llvmlite"}  # Numba's compiler
    if path.parent == ROOT / "viz" / "sources":
        allowed |= {SOURCE_OF[start] for start in SOURCE_OF if path.stem.startswith(start)}
    if path == ROOT / "gpt" / "tokenizers" / "splits.py":
        allowed.add("regex")  # the patterns of other programs
    if path == ROOT / "gpt" / "commands" / "events.py":
        allowed.add("tensorboardX")  # what TensorBoard reads
    foreign = {name for name in imported(path) if name not in sys.stdlib_module_names} - allowed
    assert not foreign


def test_viz_imports_no_engine_until_a_loss_arrives() -> None:
    program = f"import sys, viz; print(sorted(set(sys.modules) & {set(SOURCE_OF.values())!r}))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "[]\n"


SLOW = {"argparse", "asyncio", "copy", "dataclasses", "hypothesis", "importlib.metadata", "json", "logging", "numba"}
SLOW |= {"pathlib", "subprocess", "tempfile", "threading", "typing_extensions", "unittest", "engine.testing"}


def test_importing_the_engine_loads_nothing_slow_that_numpy_does_not_load() -> None:
    program = (
        f"import sys, numpy; before = {{*sys.modules}}; import engine; print(({{*sys.modules}} - before) & {SLOW!r})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "set()\n"


def test_no_files_import_one_another_in_a_circle() -> None:
    assert house.circle(house.imports()) == []


def test_a_circle_is_found() -> None:
    of = {**house.imports(), "engine.arrays": {"engine.sweeps"}}
    assert {"engine.arrays", "engine.sweeps"} <= set(house.circle(of))


def test_every_file_has_its_row_and_imports_only_from_rows_above() -> None:
    assert house.against_the_rows(house.imports()) == []


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("engine.graph", "engine.tensor"),  # from a row below
        ("engine.graph", "engine.describe"),  # between the same arrows
        ("engine.op", "engine.graph"),  # from right of an arrow
        ("engine.sweeps", "engine"),  # the whole package
        ("viz.flow", "viz.nowhere"),
    ],
)
def test_an_import_against_the_rows_is_found(name: str, target: str) -> None:
    of = house.imports()
    of[name] = {*of[name], target}
    assert house.against_the_rows(of) == [f"{name} imports {target}"]


def test_the_picture_of_the_architecture_shows_the_imports_as_they_are() -> None:
    drawn = (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")
    titles = set(re.findall(r"<title>([^<]*)</title>", drawn))
    source = floor_plan.plan(house.imports()).source
    arrows = {f"{a}&#45;&gt;{b}" for a, b in re.findall(r'^\s*"?([\w.]+)"? -> "?([\w.]+)"?', source, re.MULTILINE)}
    assert {title for title in titles if "&gt;" in title} == arrows, (
        "run python -m tests.floor_plan docs/architecture.svg"
    )


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short_and_begin_with_their_idea(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= (300 if path.relative_to(ROOT).parts[0] == "engine" else 400)


@pytest.mark.parametrize("folder", ["tests", "benchmarks"])
def test_no_other_file_is_long_either(folder: str) -> None:
    paths = (ROOT / folder).rglob("*.py")
    assert [path for path in paths if len(path.read_text(encoding="utf-8").splitlines()) > 400] == []


def chain() -> list[Path]:
    """The source files in the order in which each leads to the next. AssertionError where one leads nowhere or back."""
    found, path = [], ROOT / "engine" / "__init__.py"
    while path.suffix == ".py":
        found.append(path)
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        following = re.findall(r"Read next:\s+`([^`]+)`", docstring)
        assert len(following) == 1, f"{path}: its docstring must name one file to read next"
        path = ROOT / following[0]
        assert path.exists(), f"{found[-1]}: leads to {path}, which does not exist"
        assert path not in found, f"{found[-1]}: leads back to {path}"
    return found


def test_each_file_leads_to_the_next_and_none_is_left_out() -> None:
    assert set(SOURCES) - set(chain()) == set()


@pytest.mark.parametrize("page", ["README.md", "docs/README.md"])
def test_a_page_names_source_files_in_the_order_in_which_they_lead_on(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [((ROOT / page).parent / link).resolve() for link in re.findall(r"\]\(([^)]+\.py)\)", text)]
    named = [link for link in links if link in SOURCES]
    assert len(named) > 5
    assert named == [path for path in chain() if path in named]


@pytest.mark.parametrize("name", OPS)
def test_the_ops_of_a_file_are_public_under_their_own_names(name: str) -> None:
    module = importlib.import_module(name)
    assert sorted(module.__all__) == module.__all__
    for op in module.__all__:
        assert vars(module)[op].__module__ == name
        assert getattr(engine, op) is vars(module)[op]
        assert op in engine.__all__


def test_every_registered_op_is_public_or_a_helper_of_one() -> None:
    helpers = {"put_add", "contract"}
    ours = {name for name, op in registry.items() if op.__module__.startswith("engine.")}
    assert {name for name in ours if not hasattr(engine, name)} == helpers


def test_one_multiplication_runs_through_few_files_and_concepts() -> None:
    blameflow()()  # the first call of an op makes its plan
    found = reading("engine", blameflow())
    assert len(found.files) <= 8, found.files
    assert len(found.concepts) <= 14, found.concepts

"""Graphviz missing, broken or hanging, and pictures that are too large: one line says what to do."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

import engine
import viz
from engine import Tensor
from viz.drawing import layout

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a script stands for the program")


def a_flow() -> viz.BlameFlow:
    return viz.trace(engine.exp(Tensor([1.0, 2.0], requires_grad=True)).sum())


def chain(length: int) -> viz.BlameFlow:
    x = Tensor(1.0, requires_grad=True)
    for _ in range(length):
        x = engine.sin(x)
    return viz.trace(x)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is found as `dot`; the test writes its content."""
    path = tmp_path / "dot"
    path.write_text("")
    path.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda *args, **kwargs: str(path))
    return path


def complaint() -> str:
    with pytest.raises(viz.NoGraphviz) as caught:
        a_flow().svg()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_a_program_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *args, **kwargs: None)
    assert "pip install graphviz-pure" in complaint()


def test_a_program_that_fails_is_quoted(program: Path) -> None:
    program.write_text("#!/bin/sh\necho 'Error: no layout engine\nusage: dot' >&2\nexit 3\n")
    assert complaint() == f"{program} failed with status 3: Error: no layout engine"


def test_a_program_that_draws_nothing_has_failed(program: Path) -> None:
    program.write_text("#!/bin/sh\nexit 0\n")
    assert complaint() == f"{program} failed with status 0: no message"


def test_a_program_that_hangs_is_stopped(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(layout, "PATIENCE", 0.2)
    assert re.fullmatch(r".*dot had no picture after 0\.2 s; fold or prune the flow", complaint())


def test_a_program_that_does_not_start_is_named(program: Path) -> None:
    program.write_bytes(b"\x7fELF but not really")
    assert re.match(r".*dot does not start \(.*\): `pip install graphviz-pure`", complaint())


def test_a_pdf_needs_a_program_that_writes_one(program: Path, tmp_path: Path) -> None:
    program.write_text("#!/bin/sh\nprintf '%s' \"$2\"\n")
    a_flow().pdf(tmp_path / "f.pdf")
    assert (tmp_path / "f.pdf").read_text() == "-Tpdf"
    program.write_text("#!/bin/sh\necho 'Format: \"pdf\" not recognized. Use one of: svg png' >&2\nexit 1\n")
    with pytest.raises(viz.NoGraphviz, match=r"^\S*dot writes no PDF; [^\n]*$"):
        a_flow().pdf(tmp_path / "g.pdf")
    assert not (tmp_path / "g.pdf").exists()


def test_the_wheel_beside_python_is_found_where_nothing_is_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "graphviz-pure"
    wheel.write_text("")
    wheel.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", "")
    assert layout.program() == str(wheel)


def test_a_picture_too_large_to_read_is_refused_with_its_size_and_the_way_out(tmp_path: Path) -> None:
    flow = chain(800)
    with pytest.raises(ValueError, match=r"801 boxes and 800 edges .*fold\(depth=...\).*prune.*html\(\)") as caught:
        flow.svg()
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="801 boxes"):
        flow.png(tmp_path / "f.png")
    assert flow.dot().count("->") == 800  # the source has no limit
    assert chain(100).svg()


def test_edges_too_long_to_lay_out_are_refused() -> None:
    weight = x = Tensor(1.0, requires_grad=True, name="weight")
    for _ in range(90):
        x = engine.sin(x * weight)
    with pytest.raises(ValueError, match=r"boxes, and edges that cross [\d,]+ rows"):
        viz.trace(x).svg()

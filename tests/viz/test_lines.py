"""Lines of source: which line, how its file is called, and where it is shown."""

from __future__ import annotations

import linecache
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import engine
import nn
import viz
from engine import Tensor
from viz.sources.lines import line_at

PROGRAM = """
from engine import Tensor, keep_lines, sin

def run():
    with keep_lines():
        x = Tensor([1.0, 2.0], requires_grad=True)
        y = sin(x)  # an <op> & "more"
        return y.sum()
"""


def flow_of(file: str) -> viz.BlameFlow:
    """The flow of PROGRAM as if it stood in a file of this name."""
    names: dict[str, object] = {"__name__": "program"}
    exec(compile(PROGRAM, file, "exec"), names)
    run = names["run"]
    assert callable(run)
    return viz.trace(run(), lines=True)


def test_a_file_below_the_current_directory_is_named_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inner").mkdir()
    file = tmp_path / "inner" / "program.py"
    file.write_text(PROGRAM, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    total, sine, leaf = flow_of(str(file)).nodes
    assert sine.line == viz.Line(str(Path("inner") / "program.py"), 7, 'y = sin(x)  # an <op> & "more"')
    assert total.line == viz.Line(str(Path("inner") / "program.py"), 8, "return y.sum()")
    assert leaf.line is None
    monkeypatch.chdir(tmp_path / "inner")
    assert str(flow_of(str(file)).nodes[0].line) == "program.py:8"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert str(flow_of(str(file)).nodes[0].line) == "program.py:8"  # outside: its own name


def test_a_file_of_an_installed_package_is_named_by_its_path_from_there() -> None:
    assert line_at("/usr/lib/python3/site-packages/models/layers.py", 3).file == str(Path("models", "layers.py"))


def test_source_that_is_in_no_file_has_its_text_from_linecache() -> None:
    assert flow_of("<nowhere>").nodes[0].line == viz.Line("<nowhere>", 8)
    linecache.cache["<somewhere>"] = (len(PROGRAM), None, PROGRAM.splitlines(keepends=True), "<somewhere>")
    try:
        assert flow_of("<somewhere>").nodes[0].line == viz.Line("<somewhere>", 8, "return y.sum()")
    finally:
        del linecache.cache["<somewhere>"]


def test_a_cell_of_a_notebook_is_named_as_ipython_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = {"/tmp/ipykernel_7/123.py": ("Cell", "In[3]")}
    shell = SimpleNamespace(compile=SimpleNamespace(format_code_name=cells.get))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert str(line_at("/tmp/ipykernel_7/123.py", 2)) == "Cell In[3]:2"
    assert str(line_at("/usr/lib/other.py", 2)) == "other.py:2"
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert str(line_at("/usr/lib/other.py", 2)) == "other.py:2"


def test_lines_asked_for_and_not_recorded_are_an_error_that_says_how() -> None:
    loss = Tensor([1.0, 2.0], requires_grad=True).sum()
    with pytest.raises(ValueError, match=r"^trace: lines=True, and no line .* loss under engine.keep_lines\(\)$"):
        viz.trace(loss, lines=True)
    assert viz.trace(loss).nodes[0].line is None


def test_lines_that_were_recorded_are_shown_without_asking_on_the_page_and_in_tooltips() -> None:
    flow = flow_of("<nowhere>")
    assert "<nowhere>:7" in flow.dot().replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
    assert "nowhere\\u003e:7" in flow.html()
    with engine.detect_anomaly():  # notes lines as well
        loss = engine.exp(Tensor([1.0], requires_grad=True)).sum()
    line = viz.trace(loss).nodes[-2].line
    assert line is not None
    assert line.text == "loss = engine.exp(Tensor([1.0], requires_grad=True)).sum()"


def test_a_box_has_no_line_and_equal_ops_keep_theirs_if_it_is_one() -> None:
    engine.random.seed(0)
    model = nn.Sequential(*(nn.Linear(3, 3) for _ in range(4)))
    with engine.keep_lines():
        x = model(engine.random.normal((2, 3)))
        loss = x.sum()
    nodes = viz.trace(loss).fold(1).nodes
    assert [node.line is None for node in nodes if node.op == "module"] == [True]
    assert nodes[0].line is not None

"""Pictures: they parse, they show what the data says, and no name in them becomes markup."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import pytest

import engine
import viz
from engine import Tensor
from viz.colors import LogScale

HOSTILE = ['"];x[', r"\N", "<b>x</b>", "</script>", "a\x00b\x1b[31m", "\u202eabc", "&amp;", "é→中"]


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter() if element.tag.endswith("}text")]


def a_flow(name: str = "x") -> viz.BlameFlow:
    x = Tensor([1.0, 2.0], requires_grad=True, name=name)
    with engine.scope(name):
        y = engine.exp(x) * x
    return viz.trace(y.sum())


def test_an_svg_shows_every_node_and_the_loss() -> None:
    shown = texts(a_flow().svg())
    for word in ("17.5", "exp", "×", "x"):
        assert any(word in text for text in shown), word


def test_files_are_written(tmp_path: Path) -> None:
    flow = a_flow()
    assert flow.svg(tmp_path / "f.svg") == (tmp_path / "f.svg").read_text(encoding="utf-8")
    flow.png(tmp_path / "f.png")
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
def test_hostile_names_are_shown_and_not_obeyed(name: str) -> None:
    harmless, hostile = a_flow("x").svg(), a_flow(name).svg()
    tags = [[element.tag for element in ET.fromstring(svg).iter()] for svg in (harmless, hostile)]
    assert tags[0] == tags[1]
    printable = "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)
    assert sum(text == printable for text in texts(hostile)) == 2  # the leaf and the frame of the scope


def test_without_a_dot_program_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *args, **kwargs: None)
    with pytest.raises(viz.NoGraphviz, match="pip install graphviz-pure"):
        a_flow().svg()


def test_the_scale_runs_evenly_from_light_to_dark() -> None:
    scale = LogScale.of([0.002, 0.5, 0.0])
    assert (scale.low, scale.high) == (0.001, 1.0)
    lightness = []
    for k in range(13):
        red, green, blue = (int(scale.color(0.001 * 10 ** (k / 4))[i : i + 2], 16) / 255 for i in (1, 3, 5))
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
        luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        lightness.append(116 * luminance ** (1 / 3) - 16)
    steps = [a - b for a, b in pairwise(lightness)]
    assert min(steps) > 0.5 * max(steps) > 0

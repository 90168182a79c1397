"""The commands of the README and of the pages about training, as a reader would type them; trainings are cut short."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from gpt.__main__ import main
from gpt.data.downloads import DOWNLOADS
from tests.test_docs import ROOT

DATA = ROOT.parent / "shared" / "data"
SHORT = {"--steps": "4", "--width": "16", "--heads": "2", "--layers": "1", "--evaluate-every": "2", "--batch-size": "2"}
PAGES = ["README.md", pytest.param("docs/training.md", marks=pytest.mark.deep)]  # it trains five models


def blocks(kind: str, page: str) -> list[str]:
    """The snippets of one kind in a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands(page: str) -> list[list[str]]:
    """What the page's shell snippets give to `blameflow`, one after the other."""
    lines = [line for block in blocks("sh", page) for line in block.splitlines() if line.startswith("blameflow ")]
    return [shlex.split(line, comments=True)[1:] for line in lines]


def shortened(command: list[str]) -> list[str]:
    """A training of a few steps of a tiny model; one that goes on has its settings from there."""
    if command[0] != "train":
        return command
    if "--resume" in command:
        return [{"3000": "6"}.get(word, word) for word in command]
    return command + [word for flag, value in SHORT.items() for word in (flag, value)]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_works(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gpt.__main__.prepare", lambda: None)
    monkeypatch.setenv("BLAMEFLOW_CACHE", str(tmp_path / "cache"))
    found = commands(page)
    assert len(found) >= 3
    if not DATA.is_dir():
        pytest.skip(f"{DATA} is not there, and tests download nothing")
    (tmp_path / "cache").mkdir()
    for download in DOWNLOADS.values():
        (tmp_path / "cache" / download.name).symlink_to(DATA / download.name)
    for toml in blocks("toml", page):
        (tmp_path / "my.toml").write_text(toml, encoding="utf-8")
    if page == "README.md":  # its first commands are about what `make demo` leaves
        assert main(shortened(["train", "--out", "runs/calculator"])) == 0
    for command in found:
        assert main(shortened(command)) == 0, shlex.join(command)

"""`blameflow sample`: every flag, a stream, a table of reasons, and an interruption."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gpt import runs
from gpt.__main__ import main
from gpt.tokenizers import CharTokenizer
from tests.gpt.test_generation import ALPHABET, MODEL


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    runs.save(folder, MODEL, CharTokenizer(ALPHABET.characters), {})
    return folder


@pytest.fixture
def sample(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs the command in this process, whose settings it leaves alone: its status, and what it printed."""
    monkeypatch.setattr("gpt.__main__.prepare", lambda: None)

    def command(*options: str) -> tuple[int, str]:
        try:
            status = main(["sample", str(run), *options])
        except SystemExit as ended:  # the parser refuses an option
            status = int(str(ended.code))
        return status, "".join(capsys.readouterr())

    return command


DRAWN = ("--prompt", "ab", "--temperature", "1.5", "--limit", "12", "--stop", "cd", "--stop", "\n", "--seed", "5")


def test_a_continuation_is_the_same_whatever_the_count_and_when_it_is_streamed(
    sample: Callable[..., tuple[int, str]],
) -> None:
    def texts(*options: str) -> list[str]:
        status, printed = sample(*DRAWN, "--top-k", "4", "--top-p", "0.9", *options)
        assert status == 0
        return [line.partition("  (")[0] for line in printed.splitlines()]

    several = texts("--count", "4")
    assert len(set(several)) > 1
    assert texts("--count", "4", "--stream") == several
    assert texts() == several[:1]


def test_a_stop_of_nothing_goes_on_up_to_the_limit(sample: Callable[..., tuple[int, str]]) -> None:
    _, printed = sample("--prompt", "ab", "--stop", "", "--limit", "30", "--temperature", "3", "--stream")
    assert len(printed) == len("ab") + 30 + len("\n")


@pytest.mark.parametrize(
    "wrong", [("--top-k", "0"), ("--top-p", "0"), ("--top-p", "1.5"), ("--limit", "-1"), ("--prompt", "xyz")]
)
def test_a_wrong_option_is_one_line(wrong: tuple[str, str], sample: Callable[..., tuple[int, str]]) -> None:
    for way in ((), ("--stream",)):
        status, printed = sample(*wrong, *way)
        assert status == 2
        assert printed.startswith("blameflow: ")
        assert printed.count("\n") == 1


def test_an_interrupted_stream_keeps_its_line_and_is_status_130(
    sample: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> Iterator[str]:
        yield "cd"
        raise KeyboardInterrupt

    monkeypatch.setattr("gpt.commands.sample.stream", interrupted)
    assert sample("--prompt", "ab", "--stream") == (130, "abcd\n")


def test_why_streams_the_text_and_shows_a_table(sample: Callable[..., tuple[int, str]]) -> None:
    status, printed = sample(*DRAWN, "--why")
    text, head, *rows, note = printed.splitlines()
    assert (status, [text]) == (0, sample(*DRAWN, "--stream")[1].splitlines())
    assert head.split() == ["token", "probability", "instead", "looked", "at"]
    assert "".join(row[0] for row in rows).startswith(text.removeprefix("ab"))
    assert all(row.count("%") == 1 + 3 + 3 or row.count("@") < 3 for row in rows)
    assert "mean of its heads" in note

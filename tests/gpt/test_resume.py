"""A training that is stopped goes on to the same bits, however it was stopped (rows 59 and 61 of the awkward cases)."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpt import checkpoint
from gpt.__main__ import main
from gpt.commands.settings import complete
from gpt.errors import CheckpointError, DataError
from gpt.runs import LAST, METRICS, MODEL
from gpt.training import session
from gpt.training.session import Session, begun, resumed

TEXT = "".join(f"{k} squared is {k * k}.\n" for k in range(300))
SMALL = {
    "layers": 1,
    "heads": 2,
    "width": 8,
    "block": 16,
    "batch-size": 4,
    "steps": 12,
    "evaluate-every": 4,
    "parts": 1,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "squares.txt"
    file.write_text(TEXT)
    return file


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpt.__main__.prepare", lambda: None)


def train(training: Session, steps: int | None = None) -> Session:
    for progress in training.trainer.all_steps():
        if progress.step == steps:
            break
    return training


def weights(training: Session) -> dict[str, Any]:
    return training.trainer.model.state_dict()


KINDS: list[dict[str, Any]] = [
    {},
    {"dropout": 0.2},
    {"dropout": 0.2, "parts": 2},
    {"accumulate": 3},
    {"optimizer": "sgd", "learning-rate": 0.1},
    {"optimizer": "adam"},
    {"optimizer": "muon"},
    {"objective": "masked"},
    {"schedule": "linear", "warmup": 3},
    {"schedule": "stable", "decay": 0.5},
    {"patience": 1, "learning-rate": 1.0},
    {"data": "calculator", "block": 64},
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: " ".join(f"{k}={v}" for k, v in kind.items()) or "plain")
def test_a_training_goes_on_to_the_same_bits(kind: dict[str, Any], path: Path, tmp_path: Path) -> None:
    own = {**SMALL, "data": str(path), **kind}
    sections = complete(own)
    whole = train(begun(tmp_path / "whole", sections))
    for stop in (1, 4, 7) if kind == {"dropout": 0.2} else (4,):
        out = tmp_path / str(stop)
        stopped = train(begun(out, sections), stop)
        stopped.save()
        again = resumed(out, out, None, None)
        assert again.trainer.steps == stop
        assert not again.warnings
        train(again)
        assert again.trainer.steps == whole.trainer.steps
        np.testing.assert_equal(weights(again), weights(whole))
        np.testing.assert_equal(again.trainer.best_parameters(), whole.trainer.best_parameters())
        assert again.trainer.tired == whole.trainer.tired


def test_more_steps_follow_the_schedule_of_the_new_total(path: Path, tmp_path: Path) -> None:
    sections = complete({**SMALL, "data": str(path)})
    train(begun(tmp_path / "run", sections), 4).save()
    longer = resumed(tmp_path / "run", tmp_path / "run", None, 20)
    of_new = begun(tmp_path / "new", complete({**SMALL, "data": str(path), "steps": 20}))
    assert longer.trainer.optimizers.rate(5) == of_new.trainer.optimizers.rate(5)
    train(longer)
    assert longer.trainer.steps == 20


def test_measurements_after_the_checkpoint_are_cut(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    training = train(begun(out, complete({**SMALL, "data": str(path)})), 4)
    training.save()
    with (out / METRICS).open("a") as file:
        file.write('{"step": 4, "prompt": "a", "sample": "b"}\n')
    before = (out / METRICS).read_text()
    assert '"passages"' in before
    for _ in training.trainer.all_steps():
        pass
    with (out / METRICS).open("a") as file:
        file.write('{"step": 12, "stopped": "interrupted"}\n{"step": 9, "los')
    assert len((out / METRICS).read_text()) > len(before)
    resumed(out, out, None, None)
    assert (out / METRICS).read_text() == before


def test_other_data_is_refused_and_the_same_data_elsewhere_is_not(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(begun(out, complete({**SMALL, "data": str(path)})), 4).save()
    moved = path.rename(tmp_path / "moved.txt")
    with pytest.raises(DataError, match="no such file"):
        resumed(out, out, None, None)
    assert resumed(out, out, str(moved), None).trainer.steps == 4
    moved.write_text(TEXT.replace("squared", "cubed"))
    with pytest.raises(DataError, match=r"moved\.txt: not the data this training began with"):
        resumed(out, out, str(moved), None)


def test_other_kernels_are_warned_of(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(begun(out, complete({**SMALL, "data": str(path)})), 1).save()
    arrays, facts = checkpoint.read(out / LAST)
    facts["computed by"]["NumPy"] = "1.0"
    checkpoint.write(out / LAST, arrays, facts)
    (warning,) = resumed(out, out, None, None).warnings
    assert warning.startswith("NumPy was 1.0, and is ")


def test_what_is_no_checkpoint_of_a_training_is_refused(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(begun(out, complete({**SMALL, "data": str(path)})), 1).save()
    arrays, facts = checkpoint.read(out / LAST)
    for name in facts:
        checkpoint.write(out / LAST, arrays, {key: value for key, value in facts.items() if key != name})
        with pytest.raises(CheckpointError, match="not the checkpoint of a training"):
            resumed(out, out, None, None)
    for name in arrays:
        checkpoint.write(out / LAST, {key: value for key, value in arrays.items() if key != name}, facts)
        with pytest.raises(CheckpointError, match="not the checkpoint of a training"):
            resumed(out, out, None, None)


# ---- the command -----------------------------------------------------------------------------------------------------


def flags(path: Path, out: Path, **changes: Any) -> list[str]:
    own = {**SMALL, "data": path, **changes}
    return ["train", "--out", str(out), *(text for name, value in own.items() for text in (f"--{name}", str(value)))]


def test_resume_begins_afresh_and_a_finished_training_stays_as_it_is(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main([*flags(path, out), "--resume"]) == 0
    assert "no checkpoint yet, so the training begins" in capsys.readouterr().out
    before = (out / MODEL).read_bytes()
    assert main(["train", "--out", str(out), "--resume"]) == 0
    said = capsys.readouterr().out
    assert "goes on after step 12 of 12" in said
    assert "validation loss " in said
    assert (out / MODEL).read_bytes() == before
    assert main([*flags(path, out), "--resume", "--seed", "3"]) == 2
    assert "--resume: seed is 0 in the run, and 3 is given" in capsys.readouterr().err
    assert main(["train", "--out", str(out), "--resume", "--steps", "14"]) == 0
    assert "the learning rate follows 14 steps from here on, not 12" in capsys.readouterr().out


def test_a_new_training_leaves_the_run_in_the_folder_until_it_is_done(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert main(flags(path, out)) == 0
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    half = train(begun(out, complete({**SMALL, "data": str(path), "seed": 1})), 4)
    half.save()
    assert {file.name: file.read_bytes() for file in out.iterdir() if file.is_file()} == before
    assert main(["train", "--out", str(out), "--resume"]) == 0  # the one that is not finished
    assert not (out / session.UNFINISHED).exists()
    assert json.loads((out / "config.json").read_text())["training"]["seed"] == 1


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
def test_a_signal_saves_the_training_and_it_goes_on(path: Path, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "run"
    many = {"steps": 600, "dropout": 0.1, "evaluate-every": 100, "checkpoint-every": 20}
    assert main(flags(path, whole, **many)) == 0
    command = [sys.executable, "-m", "gpt", *flags(path, out, **many)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as training:
        wait_for(lambda: (out / LAST).exists())
        training.send_signal(signal.SIGTERM)  # tests/gpt/test_cli.py sends SIGINT
        said, _ = training.communicate(timeout=120)
    assert training.returncode == 130
    assert "; --resume goes on from there" in said
    assert main(["train", "--out", str(out), "--resume"]) == 0
    assert (out / MODEL).read_bytes() == (whole / MODEL).read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGKILL")
def test_killed_at_random_moments_it_ends_with_the_same_bits(path: Path, tmp_path: Path) -> None:
    kills = 200 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 1
    chance = random.Random(0)
    whole = tmp_path / "whole"
    assert main(flags(path, whole, steps=60, dropout=0.1)) == 0
    for k in range(kills):
        out = tmp_path / f"run{k}"
        command = [sys.executable, "-m", "gpt", *flags(path, out, steps=60, dropout=0.1), "--resume"]
        for _ in range(2):
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as training:
                time.sleep(chance.uniform(0.2, 3.0))
                training.kill()
        assert main(command[3:]) == 0
        for name in (MODEL, LAST):
            one, other = checkpoint.read(out / name), checkpoint.read(whole / name)
            np.testing.assert_equal(one[0], other[0])
        assert not list(out.glob(".*"))


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)

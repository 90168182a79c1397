"""The command line as a user runs it, in a process of its own; most errors are tested in this process."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import gpt
from gpt.__main__ import main


def blameflow(*args: str | Path, status: int = 0) -> str:
    """Run a command; returns what it printed, or with a non-zero status its error message, one line."""
    command = [sys.executable, "-W", "error", "-m", "gpt", *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, encoding="utf-8")
    assert done.returncode == status, done.stderr
    if status:
        return one_line(done.stderr)
    assert not done.stderr
    return done.stdout


def one_line(printed: str) -> str:
    assert "Traceback" not in printed
    assert printed.startswith("blameflow: ")
    assert printed.count("\n") == 1
    return printed


@pytest.fixture
def error_of(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command in this process, whose settings it leaves alone; returns its error message."""
    monkeypatch.setattr("gpt.__main__.prepare", lambda: None)

    def run(*args: str | Path) -> str:
        assert main([*map(str, args)]) == 2
        return one_line(capsys.readouterr().err)

    return run


def test_doctor_measures_the_machine() -> None:
    printed = blameflow("doctor").splitlines()
    assert {line.split()[0] for line in printed} >= {"python", "processor", "memory", "products", "threads", "measured"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "calculator"
    printed = blameflow("train", "--steps", "20", "--out", out, "--width", "16", "--heads", "2")
    assert "1,077 held out" in printed
    assert "held-out problems answered exactly, greedy: " in printed
    assert "two plus three equals " in printed
    assert re.search(r"all +100\.00%", printed)
    assert str(out) in printed
    return out


def test_train_leaves_a_whole_run(run: Path) -> None:
    names = {path.name for path in run.iterdir()}
    kept = {"config.json", "tokenizer.json", "model.safetensors", "last.safetensors", "metrics.jsonl"}
    assert names == kept | {"blame.svg", "report.html"}
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert lines[0]["step"] == 1
    assert set(lines[-1]["held_out"]) == {"all", "plus", "minus", "times", "with its twin held out"}
    assert ET.parse(run / "blame.svg").getroot().tag.endswith("svg")


def test_sample_eval_and_blame_read_it_back(run: Path, tmp_path: Path) -> None:
    assert blameflow("sample", run, "--prompt", "two plus ").startswith("two plus ")
    assert "of 1,077" in blameflow("eval", run, "--wrong", "2")
    picture = tmp_path / "blame.dot"
    printed = blameflow("blame", run, "--prompt", "two plus three equals ", "--target", "five", "--out", picture)
    assert "two plus three equals five  (probability " in printed
    stages = {name: float(share) for name, share in re.findall(r"^(\S+) +(\d+\.\d\d)%", printed, re.MULTILINE)}
    assert list(stages) == ["embedding", "blocks.0", "blocks.1", "blocks.2", "norm", "head", "all"]
    assert stages.pop("all") == 100
    assert sum(stages.values()) == pytest.approx(100, abs=0.1)
    assert len(re.findall(r"^[├└]─ (?:attention|feed_forward)(?:_norm)? +\d+\.\d\d%", printed, re.MULTILINE)) == 12
    assert picture.read_text().startswith("digraph")
    page = tmp_path / "blame.html"
    blameflow("blame", run, "--prompt", "two plus three equals ", "--out", page)
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_same_seed_gives_the_same_bits_and_the_same_report(run: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twin"
    blameflow("train", "--steps", "20", "--out", twin, "--width", "16", "--heads", "2")
    for name in ("model.safetensors", "report.html"):
        assert (twin / name).read_bytes() == (run / name).read_bytes()
    (twin / "report.html").unlink()
    assert blameflow("report", twin) == f"report: {twin / 'report.html'}\n"
    assert (twin / "report.html").read_bytes() == (run / "report.html").read_bytes()


def test_a_training_whose_loss_breaks_leaves_a_run_and_a_report(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = ["train", "--steps", "20", "--width", "16", "--heads", "2", "--learning-rate", "1e30", "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "gpt", *command], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "blameflow: the loss is nan at step 2; lower the learning rate"
    assert "stopped after 1 steps" in done.stdout
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "The training broke off after 1 of 20 steps: the loss is nan at step 2" in page
    loaded = gpt.load(out)
    ids = loaded.tokenizer.encode("two plus ")[None]
    assert np.isfinite(loaded.model(ids).numpy()).all()  # the parameters from before the update that broke them


def test_a_run_loads_in_python(run: Path) -> None:
    loaded = gpt.load(run)
    ids = loaded.tokenizer.encode("two plus ")[None]
    assert loaded.model(ids).shape == (1, 9, len(loaded.tokenizer))
    assert loaded.config["training"]["steps"] == 20


def test_a_run_of_an_older_version_loads(run: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(run, old)
    weights, config = old / "model.safetensors", json.loads((old / "config.json").read_text())
    weights.write_bytes(safetensors.numpy.save(safetensors.numpy.load(weights.read_bytes()), {"random": "[]"}))
    (old / "config.json").write_text(json.dumps({"model": config["model"], "training": {"repeat_times": 3}}))
    assert gpt.load(old).data.data == "calculator"


def test_mistakes_end_in_one_line_and_status_2(run: Path, tmp_path: Path, error_of: Callable[..., str]) -> None:
    assert "no such folder" in blameflow("eval", tmp_path / "nowhere", status=2)
    assert "no such folder" in error_of("report", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "has no config.json" in error_of("sample", tmp_path / "empty")
    assert "not a run" in error_of("sample", run / "config.json")
    assert "unknown characters '?', 'T'" in error_of("sample", run, "--prompt", "Two?")
    assert "'?'" in error_of("blame", run, "--prompt", "two?")
    assert "prompt is empty" in error_of("blame", run, "--prompt", "")
    assert "must end in .html, .svg" in error_of("blame", run, "--prompt", "two ", "--out", "x.pdf")
    assert "there is no folder nowhere" in error_of("blame", run, "--prompt", "two ", "--out", "nowhere/x.svg")
    assert "is a file, and a run needs a folder" in error_of("train", "--out", run / "config.json")


@pytest.mark.parametrize("damage", ["cut", "flipped", "pickle", "other model", "no json"])
def test_a_damaged_checkpoint_is_refused(run: Path, tmp_path: Path, damage: str, error_of: Callable[..., str]) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in run.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    weights = broken / "model.safetensors"
    data = weights.read_bytes()
    if damage == "cut":
        weights.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        weights.write_bytes(b"\xff" + data[1:])
    elif damage == "pickle":
        weights.write_bytes(b"\x80\x04\x95" + bytes(100))
    elif damage == "other model":
        weights.write_bytes(safetensors.numpy.save({"weight": np.ones(3, np.float32)}))
    else:
        (broken / "config.json").write_text("{")
    assert str(broken) in error_of("eval", broken)


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_an_interrupted_training_saves_what_it_has(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "gpt", "train", "--width", "16", "--heads", "2", "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as training:
        deadline = time.monotonic() + 120
        while not (out / "metrics.jsonl").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        training.send_signal(signal.SIGINT)
        printed, _ = training.communicate(timeout=120)
    assert training.returncode == 130
    (steps,) = re.findall(r"interrupted after (\d+) steps; saved in", printed)
    assert f"The training was stopped by its user after {steps} of 9,000 steps." in (out / "report.html").read_text()
    assert "of 1,077" in blameflow("eval", out)

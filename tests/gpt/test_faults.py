"""Faults found in other programs: flags that are not numbers, trainings that break, sampling at the edge of floats."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpt
from engine import Tensor
from gpt.__main__ import main
from gpt.generation.generate import generate
from gpt.generation.scores import log_probabilities, next_logits
from gpt.model import GPT
from gpt.training.config import TrainingConfig
from gpt.training.trainer import Trainer, new_model
from nn import LayerNorm
from tests.gpt.test_cli import blameflow
from tests.gpt.test_model import TOKENIZER, exercise, small

SMALL = ("--width", "16", "--heads", "2", "--steps")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("good") / "run"
    blameflow("train", *SMALL, "5", "--out", out)
    return out


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


# ---- 25: flags, and trainings that break -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "values"),
    [
        ("--learning-rate", ["nan", "inf", "-inf", "-1", "0", "1e999", "fast"]),
        ("--weight-decay", ["nan", "inf", "-0.1", ""]),
        ("--steps", ["0", "-5", "2.5", "nan", "1e3"]),
        ("--batch-size", ["0", "-1", "inf"]),
        ("--layers", ["0"]),
        ("--heads", ["0", "3"]),
        ("--width", ["-16", "6"]),
        ("--seed", ["-1", "1.5"]),
    ],
)
def test_25_a_flag_is_checked_before_the_folder_is_touched(
    flag: str, values: list[str], run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(run)
    for value in values:
        for out in (run, tmp_path / "new"):
            try:
                status: Any = main(["train", *SMALL, "3", "--out", str(out), f"{flag}={value}"])
            except SystemExit as stop:
                status = stop.code
            said = capsys.readouterr().err
            assert status == 2
            assert said.startswith("blameflow: ")
            assert said.count("\n") == 1
            assert "_" not in said.replace("n_head", "").replace("n_embd", "")  # no name of a function of ours
    assert content(run) == before
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "command",
    [
        "sample x --temperature=nan",
        "sample x --temperature=-1",
        "sample x --count=0",
        "sample x --seed=-1",
        "eval x --wrong=-1",
        "blame x --prompt=a --depth=0",
    ],
)
def test_25_the_flags_of_other_commands(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(command.split())
    assert stop.value.code == 2
    flag = command.split()[-1].partition("=")[0]
    assert capsys.readouterr().err.startswith(f"blameflow: argument {flag}: must be ")


def test_25_a_training_that_breaks_leaves_the_good_run_in_the_folder(run: Path) -> None:
    before = content(run)
    for rate in ("1e3", "1e30"):
        main(["train", *SMALL, "30", "--out", str(run), "--learning-rate", rate])
        assert content(run) == before
        assert finite(run / "unfinished")
        told = [json.loads(line) for line in (run / "unfinished" / "metrics.jsonl").read_text().splitlines()]
        assert "lower the learning rate" in told[-1]["stopped"]
    assert finite(run)


def finite(folder: Path) -> bool:
    """Whether the model of a run gives finite scores."""
    loaded = gpt.load(folder)
    with np.errstate(all="ignore"):  # after a rate of 1e30 even the last good parameters are large
        return bool(np.isfinite(loaded.model(loaded.tokenizer.encode("two plus ")[None]).numpy()).all())


@pytest.mark.deep
def test_25_a_good_training_takes_the_place_of_the_run(run: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.mkdir()
    for name, data in content(run).items():
        (again / name).write_bytes(data)
    assert main(["train", *SMALL, "4", "--out", str(again)]) == 0
    assert gpt.load(again).config["training"]["steps"] == 4
    assert sorted(path.name for path in again.iterdir()) == sorted(content(run))


def trainer(steps: int, **settings: Any) -> Trainer:
    model = new_model(lambda: GPT(small()), seed=0)
    return Trainer(model, TrainingConfig(parts=1, steps=steps, batch_size=4, warmup=0, **settings), exercise())


def test_25_the_last_update_is_checked_too() -> None:
    training = trainer(1, learning_rate=1e38)
    assert [math.isfinite(progress.loss) for progress in training.all_steps()] == [True]
    with pytest.raises(FloatingPointError, match=r"after step 1; lower the learning rate$"):
        training.check()
    training.go_back()
    training.check()
    fresh = new_model(lambda: GPT(small()), seed=0).state_dict()
    np.testing.assert_equal(training.model.state_dict(), fresh)


def test_25_a_parameter_that_is_not_finite_is_named() -> None:
    training = trainer(1)
    training.model.norm.bias.assign(np.full(16, np.inf))  # type: ignore[union-attr]
    with pytest.raises(FloatingPointError, match=r"^norm\.bias is not finite after step 0; lower the learning rate$"):
        training.check()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("steps", [0, 1.0, True]),
        ("learning_rate", [0, -1, math.nan, math.inf, None, Tensor([0.1])]),
        ("weight_decay", [-1, math.nan]),
        ("clip", [0, math.nan, -1]),
        ("warmup", [-1, 0.5]),
        ("seed", [-1, None]),
        ("parts", [0]),
        ("evaluate_every", [0]),
    ],
)
def test_25_settings_of_a_training_are_checked_when_given(name: str, wrong: list[Any]) -> None:
    for value in wrong:
        with pytest.raises((TypeError, ValueError), match=rf"^TrainingConfig: {name} must [^\n]*$"):
            TrainingConfig(**{name: value})


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("n_layer", [True, 1.0, -1]),
        ("dropout", [-0.1, 1.1, math.nan, None]),
        ("bias", [0, None]),
        ("rotary_base", [0, math.nan]),
        ("positions", ["none"]),
        ("norm", ["middle"]),
        ("n_hidden", [0, True]),
        ("activation", ["elu"]),
        ("kv_heads", [0, 3, True, 1.0]),
        ("norm_kind", ["batch", None]),
        ("causal", [0, None]),
    ],
)
def test_25_the_shape_of_a_model_is_checked_when_given(name: str, wrong: list[Any]) -> None:
    for value in wrong:
        with pytest.raises((TypeError, ValueError), match=rf"^GPTConfig: {name} must [^\n]*$"):
            small(**{name: value})


# ---- 27: sampling ----------------------------------------------------------------------------------------------------


def model_with(logits: Any) -> GPT:
    """A model whose scores are these, whatever it reads."""
    model = GPT(small())
    assert isinstance(model.norm, LayerNorm)
    model.norm.weight.assign(np.zeros(16))
    assert model.norm.bias is not None
    model.norm.bias.assign(np.eye(16)[0])
    weight = np.zeros(model.head.weight.shape)
    weight[:, 0] = logits
    model.head.weight.assign(weight)
    return model


def spread() -> Any:
    """Scores of the characters: the first are 0, 1, 0.5, and the rest -1."""
    return np.array([0.0, 1.0, 0.5] + [-1.0] * (len(TOKENIZER) - 3))


@pytest.mark.parametrize("temperature", [5e-324, 1e-310, 1e-300, 1e-10, 0])
def test_27_a_tiny_temperature_is_greedy(temperature: float) -> None:
    text, _ = generate(model_with(spread()), TOKENIZER, "two", temperature=temperature, limit=5)
    assert text == TOKENIZER.characters[1] * 5


def test_27_a_character_of_probability_0() -> None:
    logits = spread() * 1e6
    model = model_with(logits)
    said = {
        generate(model, TOKENIZER, "two", temperature=1e300, limit=1, rng=np.random.default_rng(k)) for k in range(40)
    }
    assert {probability for _, probability in said} == {0.0, 1.0}
    assert len(said) > 3
    assert np.exp(log_probabilities(next_logits(model, np.zeros((1, 1), int)))).sum() == 1


def test_27_scores_of_minus_infinity_are_never_drawn() -> None:
    assert np.exp(log_probabilities(np.array([0.0, -math.inf, 0.0]), 2.0)).tolist() == [0.5, 0, 0.5]
    assert np.exp(log_probabilities(np.array([1e308, -1e308]), 1e-310)).tolist() == [1, 0]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_27_scores_that_give_no_probabilities_are_refused(bad: float) -> None:
    model = model_with(bad)
    with pytest.raises(FloatingPointError, match="the model's scores are not finite"):
        generate(model, TOKENIZER, "two", temperature=1.0)


@pytest.mark.parametrize("wrong", [-1, math.nan, math.inf, None, True])
def test_27_a_temperature_is_checked(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^generate: temperature must "):
        generate(GPT(small()), TOKENIZER, "two", temperature=wrong)

"""Settings: flags, a configuration file and presets, and what may change when a training goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gpt.__main__ import parser
from gpt.commands import COMMANDS, settings
from gpt.commands.settings import PRESETS, SETTINGS, complete, given, refuse_changes
from gpt.data.config import DataConfig
from gpt.errors import ConfigError
from gpt.model import GPTConfig
from gpt.training.config import TrainingConfig


def own(*flags: str) -> settings.Given:
    return given(parser(COMMANDS).parse_args(["train", *flags]))


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_a_whole_training(preset: str) -> None:
    sections = complete(PRESETS[preset])
    TrainingConfig(**sections["training"])
    DataConfig(**sections["data"])
    shape = GPTConfig(vocab_size=65, **sections["model"])
    if preset == "small":  # nanoGPT's README: 0.80 million parameters
        layers, width = shape.n_layer, shape.n_embd
        assert (layers, shape.n_head, width, shape.block_size) == (4, 4, 128, 64)


def test_every_field_has_a_flag_and_every_flag_a_field() -> None:
    named = {(setting.section, setting.field) for setting in SETTINGS.values()}
    fields = {("data", name) for name in DataConfig.__dataclass_fields__}
    fields |= {("training", name) for name in TrainingConfig.__dataclass_fields__}
    fields |= {("model", name) for name in GPTConfig.__dataclass_fields__ if name not in ("vocab_size", "causal")}
    assert named == fields


def test_a_flag_goes_before_the_file_and_the_file_before_the_preset(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text('preset = "tiny"\nlayers = 3\nlearning-rate = 1e-4\nbias = false\nactivation = "relu2"\n')
    found = own("--config", str(file), "--layers", "5")
    assert found["layers"] == 5
    assert found["learning-rate"] == 1e-4
    assert found["bias"] is False
    assert found["activation"] == "relu2"
    assert found["width"] == PRESETS["tiny"]["width"]
    assert own("--config", str(file), "--preset", "small")["width"] == PRESETS["small"]["width"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("learning_rate = 1e-3", r"no setting 'learning_rate'; did you mean learning-rate\?$"),
        ("zzz = 1", r"no setting 'zzz'; its keys are the flags of `blameflow train`$"),
        ("steps = 0", r"steps must be at least 1, not 0$"),
        ("steps = 1.5", r"steps must be a whole number, not '1.5'$"),
        ("dropout = nan", r"dropout must be finite and not negative, and is nan$"),
        ("bias = 3", r"bias must be yes or no, not '3'$"),
        ("layers = [1]", r"layers must be a text, a number, true or false$"),
        ("[model]\nlayers = 2", r"no setting 'model'"),
        ("layers = ", r"not a TOML file: "),
        ('preset = "huge"', r"preset must be calculator, tiny, small, medium or gpt2, not 'huge'"),
    ],
)
def test_a_mistake_in_the_file_is_named(content: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=rf"my\.toml: {said}") as caught:
        own("--config", str(file))
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.toml: cannot be read: No such file or directory"):
        own("--config", str(tmp_path / "nothing.toml"))
    (tmp_path / "latin.toml").write_bytes(b"data = '\xff'")
    with pytest.raises(ConfigError, match=r"latin\.toml: not a TOML file"):
        own("--config", str(tmp_path / "latin.toml"))


def test_what_fits_the_data_is_taken_where_nothing_is_given() -> None:
    assert complete({})["model"]["activation"] == "relu2"
    assert complete({"data": "some.txt"})["model"]["n_layer"] == PRESETS["small"]["layers"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"steps": 100}, r"steps is 200 in the run, and 100 is given; it can only grow$"),
        (
            {"learning-rate": 0.5},
            r"learning-rate is 0\.0025 in the run, and 0\.5 is given; leave it out, or",
        ),
        ({"layers": 4}, r"layers is 3 in the run, and 4 is given"),
        ({"bias": False}, r"bias is yes in the run, and no is given"),
        ({"seed": 1}, r"seed is 0 in the run, and 1 is given"),
    ],
)
def test_a_training_that_goes_on_keeps_its_settings(changed: dict[str, Any], said: str) -> None:
    kept = complete({"steps": 200, "bias": True})
    with pytest.raises(ConfigError, match=rf"^--resume: {said}"):
        refuse_changes(changed, kept)
    refuse_changes({"steps": 300, "seed": 0, "layers": 3, "data": "elsewhere"}, kept)
    refuse_changes({}, kept)

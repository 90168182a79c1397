"""The settings of a training: one table for flags, for the keys of a configuration file, and for what a run keeps.

A setting has its value from the command line, or else from the configuration file, or else from the preset.

Read next: `gpt/commands/progress.py`.
"""

from __future__ import annotations

import difflib
import tomllib
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from gpt.commands.flags import above_zero, name_or_path, number, one_of, whole, yes_or_no
from gpt.data.config import TOKENIZERS, DataConfig
from gpt.data.downloads import DOWNLOADS
from gpt.data.objective import OBJECTIVES
from gpt.errors import ConfigError
from gpt.model import POSITIONS
from gpt.training.config import OPTIMIZERS, SCHEDULES, TrainingConfig
from gpt.training.session import Sections
from nn.feed_forward import ACTIVATIONS
from nn.norms import NORMS

DATA = ("calculator", *DOWNLOADS)  # that have a name; all other data is a path

Given = dict[str, Any]  # settings by the name of their flag, "learning-rate"


class Setting(NamedTuple):
    """One setting: where a run keeps it, how its text is read, and what it is."""

    section: str
    field: str
    read: Callable[[str], Any]
    help: str


SETTINGS = {
    "data": Setting("data", "data", name_or_path(DATA), "calculator, shakespeare, names, or a text file or folder"),
    "tokenizer": Setting(
        "data",
        "tokenizer",
        name_or_path(TOKENIZERS),
        "char, word or bpe; or a tokenizer.json, or a folder with GPT-2's",
    ),
    "vocabulary": Setting("data", "vocabulary", whole(1), "tokens that byte-pair encoding makes"),
    "objective": Setting("data", "objective", one_of(OBJECTIVES), "predict the next token, or masked ones"),
    "layers": Setting("model", "n_layer", whole(1), "blocks"),
    "heads": Setting("model", "n_head", whole(1), "attention heads"),
    "kv-heads": Setting("model", "kv_heads", whole(1), "heads of keys and values, shared by groups of heads"),
    "width": Setting("model", "n_embd", whole(1), "channels"),
    "block": Setting("model", "block_size", whole(1), "tokens it reads at once"),
    "dropout": Setting("model", "dropout", number, "probability of a channel to be dropped"),
    "positions": Setting("model", "positions", one_of(POSITIONS), "how it tells positions apart"),
    "rotary-base": Setting("model", "rotary_base", above_zero, "of rotary positions"),
    "norm": Setting("model", "norm", one_of(("pre", "post")), "before or after attention and feed-forward"),
    "norm-kind": Setting("model", "norm_kind", one_of(NORMS), "layer norm, or root mean square"),
    "hidden": Setting("model", "n_hidden", whole(1), "channels inside the feed-forward"),
    "activation": Setting("model", "activation", one_of(ACTIVATIONS), "of the feed-forward"),
    "bias": Setting("model", "bias", yes_or_no, "whether affine maps and norms have one"),
    "tie": Setting("model", "tie", yes_or_no, "whether the head uses the embedding's weight"),
    "steps": Setting("training", "steps", whole(1), "updates"),
    "batch-size": Setting("training", "batch_size", whole(1), "texts in a batch"),
    "accumulate": Setting("training", "accumulate", whole(1), "batches whose gradients are averaged for an update"),
    "optimizer": Setting("training", "optimizer", one_of(OPTIMIZERS), "update rule"),
    "learning-rate": Setting("training", "learning_rate", above_zero, "at its peak"),
    "matrix-rate": Setting("training", "matrix_rate", above_zero, "Muon's learning rate at its peak"),
    "schedule": Setting("training", "schedule", one_of(SCHEDULES), "of the learning rate after the warm-up"),
    "decay": Setting("training", "decay", number, "share of the steps in which a stable learning rate falls"),
    "floor": Setting("training", "floor", number, "last learning rate, as a share of the peak"),
    "warmup": Setting("training", "warmup", whole(0), "steps in which the learning rate rises"),
    "weight-decay": Setting("training", "weight_decay", number, "on matrices"),
    "beta1": Setting("training", "beta1", number, "of the average of the gradient, or momentum"),
    "beta2": Setting("training", "beta2", number, "of the average of the gradient's square"),
    "clip": Setting("training", "clip", above_zero, "largest norm of the gradient"),
    "seed": Setting("training", "seed", whole(0), "of parameters, dropout and data order"),
    "evaluate-every": Setting("training", "evaluate_every", whole(1), "steps between measurements"),
    "patience": Setting("training", "patience", whole(0), "stop after so many measurements without a better; 0: never"),
    "checkpoint-every": Setting("training", "checkpoint_every", whole(1), "steps between checkpoints"),
    "parts": Setting("training", "parts", whole(1), "pieces of a batch that are computed in parallel"),
}

_TEXT: Given = {
    "positions": "learned",
    "rotary-base": 10000.0,
    "activation": "gelu",
    "tie": True,
    "dropout": 0.0,
    "learning-rate": 1e-3,
    "floor": 0.1,
    "weight-decay": 0.1,
    "clip": 1.0,
    "evaluate-every": 250,
    "checkpoint-every": 250,
}
PRESETS: dict[str, Given] = {
    "calculator": {
        "layers": 3,
        "heads": 7,
        "width": 56,
        "hidden": 160,
        "block": 64,
        "positions": "rotary",
        "rotary-base": 100.0,
        "activation": "relu2",
        "tie": False,
        "steps": 9000,
        "learning-rate": 2.5e-3,
        "schedule": "stable",
        "beta2": 0.98,
    },
    "tiny": {**_TEXT, "layers": 2, "heads": 2, "width": 64, "block": 64, "batch-size": 16, "steps": 1000},
    "small": {  # nanoGPT's recipe for a CPU
        **_TEXT,
        "layers": 4,
        "heads": 4,
        "width": 128,
        "block": 64,
        "bias": False,
        "batch-size": 12,
        "steps": 2000,
    },
    "medium": {  # nanoGPT's recipe for Shakespeare on a GPU
        **_TEXT,
        "layers": 6,
        "heads": 6,
        "width": 384,
        "block": 256,
        "bias": False,
        "dropout": 0.2,
        "batch-size": 64,
        "steps": 5000,
    },
    "gpt2": {  # the smallest GPT-2; nanoGPT's recipe for it
        **_TEXT,
        "layers": 12,
        "heads": 12,
        "width": 768,
        "block": 1024,
        "batch-size": 12,
        "accumulate": 40,
        "learning-rate": 6e-4,
        "warmup": 2000,
        "beta2": 0.95,
        "steps": 600_000,
        "evaluate-every": 1000,
        "checkpoint-every": 1000,
    },
}


def options(parser: ArgumentParser) -> None:
    """Add a flag for each setting, and those that name a preset and a configuration file."""
    parser.add_argument("--preset", choices=PRESETS, help="values of the settings that are not given")
    parser.add_argument("--config", metavar="FILE.toml", help="settings in a file; its keys are these flags'")
    of_text, of_calculator = complete({"data": "text"}), complete({})
    for name, setting in SETTINGS.items():
        values = [_shown(_value(sections, setting)) for sections in (of_calculator, of_text)]
        default = values[0] if values[0] == values[1] or name == "data" else f"{values[0]}; for a text {values[1]}"
        parser.add_argument(
            f"--{name}", type=setting.read, default=None, metavar="X", help=f"{setting.help} (default: {default})"
        )


def given(args: Namespace) -> Given:
    """The settings that the user has given, the preset's too: by flag, configuration file and preset, in this order."""
    from_file = _from_file(Path(args.config)) if args.config else {}
    preset = args.preset or from_file.pop("preset", None)
    flags = {name: getattr(args, name.replace("-", "_")) for name in SETTINGS}
    own = {**from_file, **{name: value for name, value in flags.items() if value is not None}}
    return {**(PRESETS[preset] if preset else {}), **own}


def complete(own: Mapping[str, Any]) -> Sections:
    """All settings, by section: those given, and for the others what fits the data."""
    preset = PRESETS["calculator" if own.get("data", "calculator") == "calculator" else "small"]
    sections: Sections = {"data": asdict(DataConfig()), "model": {}, "training": asdict(TrainingConfig())}
    for name, value in {**preset, **own}.items():
        sections[SETTINGS[name].section][SETTINGS[name].field] = value
    return sections


def refuse_changes(own: Mapping[str, Any], kept: Sections) -> None:
    """Raise ConfigError if a setting given for a training that goes on is not the one it was begun with.

    The number of steps may grow. Where the data lies may change, because its content is compared.
    """
    for name, value in own.items():
        before = _value(kept, SETTINGS[name])
        if name == "data" or value == before or (name == "steps" and value > before):
            continue
        why = "it can only grow" if name == "steps" else "leave it out, or train anew without --resume"
        raise ConfigError(f"--resume: {name} is {_shown(before)} in the run, and {_shown(value)} is given; {why}")


def _value(sections: Sections, setting: Setting) -> Any:
    return sections[setting.section].get(setting.field)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def _from_file(path: Path) -> Given:
    """The settings in a TOML file, and its preset."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:  # not TOML, or not UTF-8
        raise ConfigError(f"{path}: not a TOML file: {' '.join(str(error).split())}") from None
    found: Given = {}
    for name, value in content.items():
        if name in SETTINGS or name == "preset":
            found[name] = _read(path, name, value)
        else:
            near = difflib.get_close_matches(name, ["preset", *SETTINGS], 1)
            hint = f"did you mean {near[0]}?" if near else "its keys are the flags of `blameflow train`"
            raise ConfigError(f"{path}: no setting {name!r}; {hint}")
    return found


def _read(path: Path, name: str, value: Any) -> Any:
    text = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    if not isinstance(value, str | int | float):
        raise ConfigError(f"{path}: {name} must be a text, a number, true or false")
    read = one_of(PRESETS) if name == "preset" else SETTINGS[name].read
    try:
        return read(text)
    except ArgumentTypeError as error:
        raise ConfigError(f"{path}: {name} {error}") from None

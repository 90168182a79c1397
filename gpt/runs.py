"""Run folders: save and load a training's model, settings and measurements.

    config.json        the model's shape and the training settings
    tokenizer.json     the tokens: an alphabet, words or byte pairs
    model.safetensors  the parameters: plain arrays with names, no code in it; with them, as JSON in the metadata, the
                       state of the training's random numbers
    metrics.jsonl      one line per measurement; `gpt/report/metrics.py` lists its fields
    report.html        all of this as one page, with examples of what the model does

A file is written under a temporary name and then renamed, so under its own name there is always the old file or the new
one, complete.

Read next: `gpt/errors.py`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.numpy

from gpt.errors import CheckpointError
from gpt.model import GPT, GPTConfig
from gpt.tokenizers import Tokenizer, from_json
from gpt.training.worker import State

_RANDOM = "random"  # the key in the metadata


@dataclass(frozen=True)
class Run:
    """A loaded run: the model in evaluation mode, its tokenizer, and the content of config.json.

    `random` is the state of each part's random numbers, for `gpt.training.parallel.Parallel.restore`; empty for a run
    that was saved without.
    """

    path: Path
    model: GPT
    tokenizer: Tokenizer
    config: dict[str, Any]
    random: list[State]


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a crash leaves the old file or the new one, never a part of one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def save(path: Path, model: GPT, tokenizer: Tokenizer, settings: dict[str, Any], random: Sequence[State] = ()) -> None:
    """Write config, tokenizer, parameters and the state of the random numbers into the folder `path`.

    Parameters and random numbers stand in the same file, so that they are always those of the same step.
    """
    path.mkdir(parents=True, exist_ok=True)
    config = {"model": asdict(model.config), "training": settings}
    metadata = {_RANDOM: json.dumps(list(random))}
    write_whole(path / "config.json", json.dumps(config, indent=2).encode())
    write_whole(path / "tokenizer.json", json.dumps(tokenizer.to_json()).encode())
    write_whole(path / "model.safetensors", safetensors.numpy.save(model.state_dict(), metadata))


def _read(path: Path, run: Path) -> bytes:
    if not run.exists():
        raise CheckpointError(f"{run}: no such folder; train one with `blameflow train --out {run}`")
    if not run.is_dir():
        raise CheckpointError(f"{run}: not a run; give the folder that `blameflow train --out` wrote")
    if not path.is_file():
        raise CheckpointError(f"{run}: not a run, it has no {path.name}; train one with `blameflow train --out FOLDER`")
    return path.read_bytes()


def _read_json(path: Path, run: Path) -> Any:
    try:
        return json.loads(_read(path, run))
    except ValueError as error:
        raise CheckpointError(f"{path}: not valid JSON: {error}") from None


def _random(weights: Path) -> list[State]:
    with safetensors.safe_open(weights, framework="numpy") as file:
        metadata = file.metadata() or {}
    try:
        states: list[State] = json.loads(metadata.get(_RANDOM, "[]"))
    except ValueError as error:
        raise CheckpointError(f"{weights}: the state of the random numbers is not valid JSON: {error}") from None
    return states


def load(path: str | Path) -> Run:
    """Load a run folder. Raises CheckpointError, in one line, if a file is missing, damaged or of another model."""
    run = Path(path)
    config = _read_json(run / "config.json", run)
    tokens = _read_json(run / "tokenizer.json", run)
    try:
        model = GPT(GPTConfig(**config["model"]))
        tokenizer = from_json(tokens)
    except (TypeError, KeyError, ValueError) as error:
        raise CheckpointError(f"{run}: config.json or tokenizer.json is not that of a run: {error}") from None
    weights = run / "model.safetensors"
    data = _read(weights, run)
    try:
        model.load_state_dict(safetensors.numpy.load(data))
        random = _random(weights)
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{weights}: not a safetensors file: {error}") from None
    except ValueError as error:
        raise CheckpointError(f"{weights}: does not fit the model of config.json: {error}") from None
    model.eval()
    return Run(run, model, tokenizer, config, random)

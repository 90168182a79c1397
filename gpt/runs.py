"""Run folders: save and load a training's model, settings and measurements.

    config.json        the model's shape, and the settings of data and training
    tokenizer.json     the tokens: an alphabet, words or byte pairs
    model.safetensors  the best parameters, by the measurements on the validation data
    last.safetensors   where the training stands, for `--resume`: parameters, optimizers, random numbers, the place in
                       the data, and all of the above, so that this file alone is enough to go on
    metrics.jsonl      one line per measurement; `gpt/report/metrics.py` lists its fields
    report.html        all of this as one page, with examples of what the model does

Read next: `gpt/errors.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.arrays import Array
from gpt import checkpoint
from gpt.data.config import DataConfig
from gpt.errors import CheckpointError
from gpt.files import write_whole
from gpt.model import GPT, GPTConfig
from gpt.tokenizers import Tokenizer, from_json

CONFIG, TOKENIZER, MODEL, LAST, METRICS = (
    "config.json",
    "tokenizer.json",
    "model.safetensors",
    "last.safetensors",
    "metrics.jsonl",
)
_TABLES = 1 << 28  # numbers in a table of positions; a larger one is a mistake


@dataclass(frozen=True)
class Run:
    """A loaded run: the model in evaluation mode, its tokenizer, and the content of config.json."""

    path: Path
    model: GPT
    tokenizer: Tokenizer
    config: dict[str, Any]

    @property
    def data(self) -> DataConfig:
        """Where the data came from; a run of an older version learned the calculator."""
        return DataConfig(**self.config.get("data", {}))


def save(
    path: Path, model: GPT, tokenizer: Tokenizer, settings: Mapping[str, Any], arrays: Mapping[str, Array] = {}
) -> None:
    """Write config, tokenizer and parameters into the folder `path`.

    `settings` are those of "training" and "data". The parameters are the model's, or `arrays` by the model's paths.
    """
    path.mkdir(parents=True, exist_ok=True)
    config = {"model": asdict(model.config), **settings}
    write_whole(path / CONFIG, json.dumps(config, indent=2).encode())
    write_whole(path / TOKENIZER, json.dumps(tokenizer.to_json()).encode())
    checkpoint.write(path / MODEL, arrays or model.state_dict(), {"model": config["model"]})


def found(path: Path, run: Path) -> Path:
    """A file of a run; CheckpointError if it is not there."""
    if not run.exists():
        raise CheckpointError(f"{run}: no such folder; train one with `blameflow train --out {run}`")
    if not run.is_dir():
        raise CheckpointError(f"{run}: not a run; give the folder that `blameflow train --out` wrote")
    if not path.is_file():
        raise CheckpointError(f"{run}: not a run, it has no {path.name}; train one with `blameflow train --out FOLDER`")
    return path


def read_json(path: Path, run: Path) -> Any:
    """The content of a JSON file of a run."""
    try:
        return json.loads(found(path, run).read_bytes())
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not valid JSON: {error}") from None


def load(path: str | Path) -> Run:
    """Load a run folder. Raises CheckpointError, in one line, if a file is missing, damaged or of another model."""
    run = Path(path)
    config = read_json(run / CONFIG, run)
    arrays, facts = checkpoint.read(found(run / MODEL, run))
    try:
        if facts and facts["model"] != config["model"]:
            raise CheckpointError(f"{run}: {CONFIG} and {MODEL} are of different models")
        shape = GPTConfig(**config["model"])
        tokenizer = from_json(read_json(run / TOKENIZER, run))
        if len(tokenizer) > shape.vocab_size:
            raise CheckpointError(f"{run}: {TOKENIZER} has more tokens than the model of {CONFIG}")
        loaded = Run(run, model_with(shape, arrays, run / MODEL), tokenizer, config)
        loaded.data  # noqa: B018  (raises for settings that are none)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{run}: {CONFIG} or {TOKENIZER} is not that of a run: {error}") from None
    return loaded


def model_with(shape: GPTConfig, arrays: Mapping[str, Array], path: Path) -> GPT:
    """A model of this shape in evaluation mode with these parameters, which stood in the file `path`.

    The sizes are compared before the memory for the model is taken.
    """
    largest = max([array.size for array in arrays.values()], default=0)
    tables = shape.block_size * shape.n_embd
    if shape.vocab_size * shape.n_embd > largest or shape.n_layer > len(arrays) or tables > _TABLES:
        raise CheckpointError(f"{path}: does not fit the model of {CONFIG}, which is larger")
    model = GPT(shape)
    try:
        model.load_state_dict(arrays)
    except ValueError as error:
        raise CheckpointError(f"{path}: does not fit the model of {CONFIG}: {error}") from None
    model.eval()
    return model

"""A training in a folder: it begins, saves where it stands, and goes on from there.

    blameflow train --out RUN             begins; a run that is in the folder stays until the new one is finished
    blameflow train --out RUN --resume    goes on from last.safetensors, to the same bits as without the stop

While the folder holds another run, the new one grows in the folder `unfinished` inside it, and takes its place at the
end. `last.safetensors` is moved last: whatever happens before, the training can be found and finished.

Read next: `gpt/doctor.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine import kernels
from gpt import checkpoint, runs
from gpt.data.config import DataConfig
from gpt.data.exercise import Exercise
from gpt.data.objective import OBJECTIVES
from gpt.data.opening import opened
from gpt.data.text import Text
from gpt.errors import CheckpointError
from gpt.model import GPT, GPTConfig
from gpt.runs import LAST, METRICS, MODEL, Run
from gpt.tokenizers import Tokenizer, from_json
from gpt.training import metrics
from gpt.training.config import TrainingConfig
from gpt.training.trainer import Trainer, new_model

UNFINISHED = "unfinished"

Sections = dict[str, dict[str, Any]]  # "data", "model" and "training": the settings of each, by name


@dataclass
class Session:
    """One training in its folder.

    Fields:
        out, place: the folder of the run, and the one in which it grows.
        trainer: the model, its optimizers and its data.
        data: the same data.
        warnings: what is different from when the training was stopped, in sentences.
    """

    out: Path
    place: Path
    trainer: Trainer
    data: Exercise | Text
    warnings: tuple[str, ...] = ()

    @property
    def tokenizer(self) -> Tokenizer:
        return self.data.tokenizer

    def sections(self) -> Sections:
        """All settings, as config.json has them."""
        return {
            "model": asdict(self.trainer.model.config),
            "training": asdict(self.trainer.config),
            "data": asdict(self.data.config),
        }

    def run(self) -> Run:
        """The run as it is now, which need not have been saved."""
        return Run(self.place, self.trainer.model, self.tokenizer, self.sections())

    def save(self) -> None:
        """Write the checkpoint, and the best parameters so far. Raises FloatingPointError if the training is broken."""
        self.trainer.check()
        self.save_run()
        facts, arrays = self.trainer.state()
        facts |= {
            "settings": self.sections(),
            "tokenizer": self.tokenizer.to_json(),
            "digest": self.data.digest,
            "computed by": _computed_by(),
        }
        checkpoint.write(self.place / LAST, arrays, facts)

    def save_run(self) -> None:
        """Write settings, tokenizer and the best parameters so far; before the first measurement, those of now."""
        sections = self.sections()
        sections.pop("model")
        runs.save(self.place, self.trainer.model, self.tokenizer, sections, self.trainer.best_parameters())

    def move(self) -> None:
        """Let the finished run take the place of the one that was in the folder."""
        if self.place != self.out:
            files = sorted(path for path in self.place.iterdir() if path.is_file())
            for path in sorted(files, key=lambda path: path.name == LAST):
                path.replace(self.out / path.name)
            with suppress(OSError):  # what somebody else has put there stays
                self.place.rmdir()
            self.place = self.out


def begun(out: Path, sections: Sections) -> Session:
    """A new training."""
    place = out / UNFINISHED if (out / MODEL).exists() else out
    data = _data(sections)
    trainer = _trainer(sections, data, place)
    place.mkdir(parents=True, exist_ok=True)
    for name in (LAST, METRICS):
        (place / name).unlink(missing_ok=True)
    if isinstance(data, Text):
        metrics.append(place / METRICS, {"step": 0, "passages": data.passages})
    return Session(out, place, trainer, data)


def standing(out: Path) -> Path | None:
    """The folder with the checkpoint from which a training in `out` can go on; None if there is none."""
    return next((place for place in (out / UNFINISHED, out) if (place / LAST).is_file()), None)


def settings_of(place: Path) -> Sections:
    """The settings of the training whose checkpoint stands in `place`."""
    _, facts = checkpoint.read(place / LAST)
    try:
        settings: Sections = facts["settings"]
        return {name: dict(settings[name]) for name in ("data", "model", "training")}
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{place / LAST}: not the checkpoint of a training: {error!r}") from None


def resumed(out: Path, place: Path, data: str | None, steps: int | None) -> Session:
    """The training whose checkpoint stands in `place`, with other data of the same content, or more steps, if given.

    Raises CheckpointError if the checkpoint is damaged, DataError if the data is not that of the training.
    """
    path = place / LAST
    arrays, facts = checkpoint.read(path)
    try:
        sections: Sections = facts["settings"]
        sections["data"]["data"] = data or sections["data"]["data"]
        sections["training"]["steps"] = steps or sections["training"]["steps"]
        opened_data = _data(sections, from_json(facts["tokenizer"]), facts["digest"])
        trainer = _trainer(sections, opened_data, place)
        trainer.restore(facts, arrays)
        if trainer.steps != facts["step"]:
            raise ValueError(f"it is said to be of step {facts['step']}, and is of step {trainer.steps}")
        there = facts["computed by"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path}: not the checkpoint of a training: {' '.join(str(error).split())}") from None
    metrics.cut(place / METRICS, trainer.steps)
    warnings = [
        f"{name} was {there.get(name)}, and is {now} now, so the last bits of the result may differ"
        for name, now in _computed_by().items()
        if there.get(name) != now
    ]
    return Session(out, place, trainer, opened_data, tuple(warnings))


def _computed_by() -> dict[str, str]:
    """What the last bits of a result depend on, beside the settings."""
    return {"kernels": kernels.active(), "NumPy": np.__version__}


def _data(sections: Sections, tokenizer: Tokenizer | None = None, digest: str | None = None) -> Exercise | Text:
    return opened(DataConfig(**sections["data"]), sections["model"]["block_size"], tokenizer, digest)


def _trainer(sections: Sections, data: Exercise | Text, place: Path) -> Trainer:
    training = TrainingConfig(**sections["training"])
    objective = OBJECTIVES[data.config.objective]
    facts: Mapping[str, Any] = {"vocab_size": len(data.tokenizer) + objective.extra, "causal": objective.causal}
    shape = GPTConfig(**{**sections["model"], **facts})
    return Trainer(new_model(lambda: GPT(shape), training.seed), training, data, place / METRICS)

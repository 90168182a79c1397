"""The measurements of a training, read from metrics.jsonl, which may be cut short, damaged, or of an older version.

Each line is one measurement, a JSON object:

    step, steps             at which step, of how many
    loss, learning_rate     of that step's batch, and of its update
    norm                    of the gradient of all parameters together, before it is clipped
    squared                 {stage: squared norm of the same gradient}, stages such as blocks.0.attention
    validation              measured after this step on the validation data: {"loss": nats, and for the calculator
                            "accuracy": exact answers}; null at most steps
    tokens_per_second, seconds

A line with `sample` has what the model said at a step, and the `prompt` that it continued or whose gaps it filled. One
with `passages` has passages of the validation data, as texts. The last line of a training that came to its end has, for
the calculator, `held_out`, the accuracy by operation, and `problems`, the number of problems; for other data `final`,
what was measured on all of the validation data: {"loss": nats, "tokens": how many were read}. The last line of one that
ended early has `stopped`, the reason.

Read next: `gpt/report/gradients.py`, what they say of each stage.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Measured:
    """One measurement; nan or None for what is missing in its line."""

    step: int
    loss: float
    learning_rate: float
    norm: float
    validation: float
    accuracy: float
    squared: dict[str, float] | None


class Sample(NamedTuple):
    """What the model said at a step to a prompt, which is empty if it is unknown.

    A model that continues texts said what follows the prompt; one that fills gaps, the whole text without them.
    """

    step: int
    prompt: str
    said: str


@dataclass(frozen=True)
class Metrics:
    """A whole file.

    Fields:
        measured: in the order in which they were made.
        held_out: final accuracy by operation and of "all"; None if the training did not come to its end.
        problems: the number of problems behind `held_out`.
        final: the loss on all validation data at the end; nan if it was not measured.
        tokens: how many tokens that is the mean of; 0 if it is unknown.
        samples: what the model said, in the order of the steps.
        passages: of the validation data; none for the calculator.
        stopped: why the training ended early, "interrupted" if a user stopped it; empty if it did not or the reason
            is unknown.
        steps: how many steps are known to have been made.
        unreadable: how many lines could not be read.
    """

    measured: tuple[Measured, ...] = ()
    held_out: dict[str, float] | None = None
    problems: int = 0
    final: float = math.nan
    tokens: int = 0
    samples: tuple[Sample, ...] = ()
    passages: tuple[str, ...] = ()
    stopped: str = ""
    steps: int = 0
    unreadable: int = 0


def read(path: Path) -> Metrics:
    """All that can be read of a file; empty if there is no file."""
    if not path.is_file():
        return Metrics()
    measured: list[Measured] = []
    samples: list[Sample] = []
    passages: list[str] = []
    last, unreadable = Metrics(), 0
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        record = _record(line)
        if record is None:
            unreadable += 1
        elif "held_out" in record:
            shares = {str(name): _number(share) for name, share in dict(record["held_out"]).items()}
            last = Metrics(held_out=shares, problems=record.get("problems", 0), steps=record["step"])
        elif "final" in record:
            final = dict(record["final"])
            tokens = final.get("tokens")
            last = Metrics(
                final=_number(final.get("loss")), tokens=tokens if isinstance(tokens, int) else 0, steps=record["step"]
            )
        elif "sample" in record:
            samples.append(Sample(record["step"], str(record.get("prompt", "")), str(record["sample"])))
        elif "passages" in record:
            passages += map(str, record["passages"])
        elif "stopped" in record:
            last = Metrics(stopped=str(record["stopped"]), steps=record["step"])
        else:
            measured.append(_measured(record))
    steps = max([last.steps, *(one.step for one in measured)])
    return replace(
        last,
        measured=tuple(measured),
        samples=tuple(samples),
        passages=tuple(passages),
        steps=steps,
        unreadable=unreadable,
    )


def _record(line: str) -> dict[str, Any] | None:
    """A line as an object with a step; None if it is anything else."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or not isinstance(record.get("step"), int):
        return None
    fits = all(isinstance(record.get(name, {}), dict) for name in ("held_out", "final"))
    fits = fits and isinstance(record.get("passages", []), list)
    return record if fits and isinstance(record.get("problems", 0), int) else None


def _measured(record: dict[str, Any]) -> Measured:
    squared, validation = record.get("squared"), record.get("validation")
    validation = validation if isinstance(validation, dict) else {}
    return Measured(
        step=record["step"],
        loss=_number(record.get("loss")),
        learning_rate=_number(record.get("learning_rate")),
        norm=_number(record.get("norm")),
        validation=_number(validation.get("loss")),
        accuracy=_number(validation.get("accuracy")),
        squared={name: _number(value) for name, value in squared.items()} if isinstance(squared, dict) else None,
    )


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan

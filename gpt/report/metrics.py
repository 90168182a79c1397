"""What metrics.jsonl tells of a training, also where it was cut short, damaged, or written by an older version.

Each line is one measurement, a JSON object:

    step, steps             where it was made, and where the training was to end
    loss, learning_rate     of that step's batch, and of its update
    norm                    of the gradient of all parameters together, before it is clipped
    squared                 {stage: squared norm of the same gradient}, stages such as blocks.0.attention
    accuracy                exact answers on held-out problems, as last measured; null before
    tokens_per_second, seconds

The last line of a training that came to its end has `held_out` instead, the accuracy by operation, and `problems`,
their number; that of one that ended early has `stopped`: why.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Measured:
    """One measurement; nan or None for what its line does not tell."""

    step: int
    loss: float
    learning_rate: float
    norm: float
    accuracy: float
    squared: dict[str, float] | None


@dataclass(frozen=True)
class Metrics:
    """A whole file.

    Fields:
        measured: in the order in which they were made.
        held_out: final accuracy by operation and of "all"; None if the training did not come to its end.
        problems: how many were asked for it.
        stopped: why the training ended early, "interrupted" if somebody wanted it so; empty if it did not, or does
            not say.
        steps: how many are known to have been made.
        unreadable: how many lines could not be read.
    """

    measured: tuple[Measured, ...] = ()
    held_out: dict[str, float] | None = None
    problems: int = 0
    stopped: str = ""
    steps: int = 0
    unreadable: int = 0


def read(path: Path) -> Metrics:
    """All that can be read of a file; nothing, if there is none."""
    if not path.is_file():
        return Metrics()
    measured, last, unreadable = [], Metrics(), 0
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        record = _record(line)
        if record is None:
            unreadable += 1
        elif "held_out" in record:
            shares = {str(name): _number(share) for name, share in dict(record["held_out"]).items()}
            last = Metrics(held_out=shares, problems=record.get("problems", 0), steps=record["step"])
        elif "stopped" in record:
            last = Metrics(stopped=str(record["stopped"]), steps=record["step"])
        else:
            measured.append(_measured(record))
    steps = max([last.steps, *(one.step for one in measured)])
    return replace(last, measured=tuple(measured), steps=steps, unreadable=unreadable)


def _record(line: str) -> dict[str, Any] | None:
    """A line as an object that has a step; None if it is no such thing."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or not isinstance(record.get("step"), int):
        return None
    return (
        record if isinstance(record.get("held_out", {}), dict) and isinstance(record.get("problems", 0), int) else None
    )


def _measured(record: dict[str, Any]) -> Measured:
    squared = record.get("squared")
    return Measured(
        step=record["step"],
        loss=_number(record.get("loss")),
        learning_rate=_number(record.get("learning_rate")),
        norm=_number(record.get("norm")),
        accuracy=_number(record.get("accuracy")),
        squared={name: _number(value) for name, value in squared.items()} if isinstance(squared, dict) else None,
    )


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan

"""The measurements as TensorBoard reads them."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from gpt.commands.events import Events
from gpt.errors import TrainingError
from gpt.training.trainer import Progress


def progress(step: int, **changes: object) -> Progress:
    own = {"validation": {"loss": 2.0 + step}, "squared": {"head": 4.0}, **changes}
    return Progress(step, 9, 1.0 + step, 0.1, 2.0, 10.0, 1.0, **own)  # type: ignore[arg-type]


def test_events_hold_what_was_measured(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    events = Events(tmp_path, 0)
    events.add(progress(1))
    events.add(progress(2, squared=None))
    events.add(progress(3, validation=None))
    events.close()
    found = defaultdict(list)
    for path in tmp_path.iterdir():
        for event in written(path):
            for value in event.summary.value:
                found[value.tag].append((event.step, value.simple_value))
    assert {name.replace("_", " ") for name in found} == {
        "loss",
        "learning rate",
        "gradient norm",
        "gradient of head",
        "validation loss",
    }
    assert found["loss"] == [(1, 2.0), (3, 4.0)]
    assert found["gradient_of_head"] == [(1, 2.0), (3, 2.0)]
    assert found["validation_loss"] == [(1, 3.0)]


def written(path: Path) -> list[Any]:
    """The events in a file: each is its length, a checksum, its bytes, and another checksum."""
    from tensorboardX.proto.event_pb2 import Event

    data, found = path.read_bytes(), []
    while data:
        length = int.from_bytes(data[:8], "little")
        found.append(Event.FromString(data[12 : 12 + length]))
        data = data[16 + length :]
    return found


def test_without_the_package_the_error_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(
        TrainingError, match=r"^--tensorboard needs tensorboardX; pip install 'blameflow\[tensorboard\]'$"
    ):
        Events(tmp_path, 0)

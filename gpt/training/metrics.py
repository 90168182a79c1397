"""metrics.jsonl: the measurements of a training, one JSON object in a line; `gpt/report/metrics.py` lists the fields.

Read next: `gpt/training/trainer.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gpt.files import write_whole


def append(path: Path, measurement: dict[str, Any]) -> None:
    """Add one measurement."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(measurement) + "\n")


def cut(path: Path, step: int) -> None:
    """Keep the measurements up to a step, of a training that goes on from there; what was said of its end goes too."""
    if path.is_file():
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        write_whole(path, "".join(line for line in lines if _belongs(line, step)).encode())


def _belongs(line: str, step: int) -> bool:
    try:
        record = json.loads(line)
    except ValueError:
        return False  # the last line of a training that was killed while it wrote
    kept = isinstance(record, dict) and bool(record.keys() & {"loss", "sample", "passages"})
    return kept and record.get("step", step + 1) <= step

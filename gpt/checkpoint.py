"""A file of arrays with names and of facts, which says so when it is damaged: a safetensors file with a checksum.

Plain arrays, and no code in it. The facts stand as JSON in the metadata, and beside them the SHA-256 of all that the
file says, so that a single changed bit is found. Both are one entry of the metadata, because safetensors writes several
in an order that changes from one process to the next, and the same content shall be the same file.

Read next: `gpt/runs.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from engine.arrays import Array
from gpt.errors import CheckpointError
from gpt.files import write_whole

_ENTRY = "blameflow"  # of the metadata
_UNREADABLE = (safetensors.SafetensorError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
# what safetensors, JSON and the lines that look into them raise for damage
_UNREADABLE = (safetensors.SafetensorError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
_HEADER = 1 << 26  # bytes; a longer one is no header of a file that anyone wrote


def write(path: Path, arrays: Mapping[str, Array], facts: Any) -> None:
    """Write the arrays, and the facts, which must be plain enough for JSON."""
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    said = json.dumps({"facts": facts, "sha256": _checksum(arrays, facts)})
    write_whole(path, safetensors.numpy.save(arrays, {_ENTRY: said}))


def read(path: Path) -> tuple[dict[str, Array], Any]:
    """The arrays and the facts; facts are {} in a file that another program wrote.

    Raises CheckpointError, in one line, for everything that is not such a file, or is damaged.
    """
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    if length > min(_HEADER, len(data) - 8):
        raise CheckpointError(f"{path}: not a safetensors file: it is shorter than it says")
    try:
        arrays = safetensors.numpy.load(data)
        metadata = json.loads(data[8 : 8 + length]).get("__metadata__", {})
        said = json.loads(metadata.get(_ENTRY, "{}"))
        facts, expected = said.get("facts", {}), said.get("sha256")
    except _UNREADABLE as error:
        raise CheckpointError(f"{path}: not a safetensors file: {_line(error)}") from None
    if said and expected != _checksum(arrays, facts):
        raise CheckpointError(f"{path}: damaged: its content is not what was written; use a copy of it")
    return arrays, facts


def _checksum(arrays: Mapping[str, Array], facts: Any) -> str:
    found = hashlib.sha256(json.dumps(facts).encode())
    for name in sorted(arrays):
        array = arrays[name]
        found.update(f"{name} {array.dtype.str} {array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def _line(error: Exception) -> str:
    """What an error says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__

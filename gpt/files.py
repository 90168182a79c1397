"""Files: written whole or not at all.

A file is written under a temporary name and then renamed, so under its own name there is always the old file or the new
one, complete.

Read next: `gpt/checkpoint.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes its name when all is written; after an error nothing of it is left."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a crash leaves the old file or the new one, never a part of one."""
    with written(path) as file:
        file.write(data)

"""Text files as a stream of characters: a file, or a folder of files one after the other.

Text is UTF-8. A byte-order mark at the beginning is left out, and every kind of line end is read as a newline. What is
not UTF-8 is an error with the place of the first wrong byte, because a guess could change the text.

Read next: `gpt/data/downloads.py`.
"""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterator, Sequence
from io import IncrementalNewlineDecoder
from pathlib import Path

from gpt.errors import DataError

_CHUNK = 1 << 22  # bytes


def files_of(path: Path) -> list[Path]:
    """The file, or all files of the folder and of those in it, in the order of their names.

    Files and folders whose name begins with a dot are left out. Raises DataError if there is none.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"{path}: no such file or folder; give --data a text file, a folder of them, or 'calculator'")
    found = sorted(
        file
        for file in path.rglob("*")
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts)
    )
    if not found:
        raise DataError(f"{path}: there is no file in this folder")
    return found


def digest(files: Sequence[Path]) -> str:
    """The SHA-256 of the files' contents one after the other."""
    found = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                found.update(chunk)
    return found.hexdigest()


def characters(files: Sequence[Path]) -> Iterator[str]:
    """The text of the files, in strings that each end with a line, the last of a file excepted.

    Raises DataError for the first byte that is not UTF-8.
    """
    for path in files:
        yield from _characters(path)


def _characters(path: Path) -> Iterator[str]:
    decoder, lines = codecs.getincrementaldecoder("utf-8")(), IncrementalNewlineDecoder(None, translate=True)
    left, read, before = "", 0, 0  # text without a line end yet; bytes and line ends read
    with path.open("rb") as file:
        while True:
            chunk = file.read(_CHUNK)
            waiting = len(decoder.getstate()[0])
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                at = read - waiting + error.start
                line = before + error.object[: error.start].count(b"\n") + 1
                raise DataError(
                    f"{path}: not UTF-8: byte 0x{error.object[error.start]:02x} at {at:,}, line {line:,}; "
                    "save the file as UTF-8"
                ) from None
            if not read:
                text = text.removeprefix("\ufeff")
            read += len(chunk)
            before += chunk.count(b"\n")
            left += lines.decode(text, final=not chunk)
            whole, newline, rest = left.rpartition("\n")
            if newline:
                yield whole + newline
            left = rest
            if not chunk:
                break
    if left:
        yield left

"""Data sets that are fetched once and kept: a file is used only if its SHA-256 is the one that stands here.

They are kept in the folder `blameflow` of the user's cache, or where the environment variable BLAMEFLOW_CACHE says.
Without a network, the error names the file and where to put it.

Read next: `gpt/data/text.py`.
"""

from __future__ import annotations

import hashlib
import os
import sys
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

from gpt.errors import DataError
from gpt.files import write_whole

_SECONDS = 20  # without an answer


class Download(NamedTuple):
    """A file to fetch.

    Fields:
        url: where from.
        name: of the file in the cache.
        size, sha256: of its content.
        shuffled: whether its lines are put in a fixed random order, where their own order would make the last tenth
            unlike the rest.
    """

    url: str
    name: str
    size: int
    sha256: str
    shuffled: bool = False


DOWNLOADS = {
    "shakespeare": Download(
        "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        "tinyshakespeare.txt",
        1_115_394,
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
    "names": Download(
        "https://raw.githubusercontent.com/karpathy/makemore/master/names.txt",
        "names.txt",
        228_145,
        "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d",
        shuffled=True,
    ),
}


def cache() -> Path:
    """The folder in which downloads are kept."""
    if given := os.environ.get("BLAMEFLOW_CACHE"):
        return Path(given)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "blameflow"


def fetched(download: Download) -> Path:
    """The file, downloaded if it is not in the cache yet; DataError if it cannot be had, or is not the right one."""
    path = cache() / download.name
    if not path.is_file():
        content = _content(download, path)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    elif hashlib.sha256(path.read_bytes()).hexdigest() != download.sha256:
        raise DataError(f"{path}: its SHA-256 is not that of {download.url}; remove the file, and it is fetched again")
    return path


def _content(download: Download, path: Path) -> bytes:
    by_hand = f"fetch it yourself and put it at {path}"
    try:
        with urllib.request.urlopen(download.url, timeout=_SECONDS) as answer:
            content: bytes = answer.read(download.size + 1)  # no more, whatever is sent
    except (OSError, HTTPException, ValueError) as error:  # URLError is an OSError
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        reason = error.reason if type(error) is urllib.error.URLError else error
        raise DataError(f"{download.url}: cannot be downloaded ({reason}); {by_hand}") from None
    if hashlib.sha256(content).hexdigest() != download.sha256:
        raise DataError(
            f"{download.url}: what came is not the file of {download.size:,} bytes that was expected; {by_hand}"
        )
    return content

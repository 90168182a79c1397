"""Opens the data that settings name.

Read next: `gpt/tokenizers/__init__.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from gpt import tokenizers
from gpt.data import calculator, reading
from gpt.data.config import DataConfig
from gpt.data.downloads import DOWNLOADS, fetched
from gpt.data.exercise import Exercise, divided, text
from gpt.data.text import Source, Text, between
from gpt.errors import DataError
from gpt.tokenizers import CharTokenizer, Tokenizer, WordTokenizer, train_bpe

_SEED = 1729  # of the order of lines
_LEARNED = 1 << 24  # characters from the beginning, of which byte pairs are learned


def opened(
    config: DataConfig, block: int, tokenizer: Tokenizer | None = None, digest: str | None = None
) -> Exercise | Text:
    """The data, for a model that reads `block` tokens at once; cut by the tokenizer given, or by one made from it.

    Raises DataError if it cannot be had or used, or has not the digest that is given.
    """
    if config.data == "calculator":
        everything, learned = text(calculator.all_problems()), text(divided().learned)
        exercise = Exercise(config, tokenizer or _tokenizer(config, [everything], [learned]))
        _expect(digest, exercise.digest, config)
        return exercise
    source = _source(config.data)
    _expect(digest, source.digest, config)
    return Text(config, tokenizer or _tokenizer(config, source.read, source.parts()[0]), source, block)


def _tokenizer(config: DataConfig, everything: Iterable[str], learned: Iterable[str]) -> Tokenizer:
    """The tokenizer that the settings name; its alphabet or words are all there are, its byte pairs are learned."""
    if config.tokenizer == "char":
        return CharTokenizer(character for piece in everything for character in set(piece))
    if config.tokenizer == "word":
        return WordTokenizer(word for piece in everything for word in WordTokenizer.from_text(piece).words)
    if config.tokenizer == "bpe":
        return train_bpe("".join(between(learned, 0, _LEARNED)), config.vocabulary)
    return tokenizers.read(config.tokenizer)


def _expect(digest: str | None, found: str, config: DataConfig) -> None:
    if digest not in (None, found):
        raise DataError(f"{config.data}: not the data this training began with; give that with --data")


def _source(name: str) -> Source:
    download = DOWNLOADS.get(name)
    files = reading.files_of(fetched(download) if download else Path(name))
    read = _Shuffled(files) if download and download.shuffled else _Read(files)
    return Source(name, read, reading.digest(files))


class _Read:
    """The text of some files, from the beginning each time it is iterated over."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files

    def __iter__(self) -> Iterator[str]:
        return reading.characters(self.files)


class _Shuffled(_Read):
    """The same lines in a fixed random order."""

    def __iter__(self) -> Iterator[str]:
        lines = "".join(reading.characters(self.files)).splitlines()
        yield "".join(f"{lines[k]}\n" for k in np.random.default_rng(_SEED).permutation(len(lines)))

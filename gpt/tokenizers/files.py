"""Tokenizers in files: that of a run, and vocabularies of other programs.

    a run's folder, or its tokenizer.json      characters, words or byte pairs, as `to_json` gave them
    tokenizer.json                             byte-level BPE in Hugging Face's form, which runs use for byte pairs too
    vocab.json and merges.txt                  byte-level BPE in GPT-2's form; encoder.json and vocab.bpe are the same

Read next: `gpt/model.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gpt.errors import VocabularyError
from gpt.tokenizers import huggingface
from gpt.tokenizers.characters import CharTokenizer
from gpt.tokenizers.protocol import Tokenizer
from gpt.tokenizers.words import WordTokenizer

_WHOLE = "tokenizer.json"
_PAIRS = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))


def from_json(data: Any) -> Tokenizer:
    """The tokenizer that `to_json` described. Raises ValueError, in one line, for what is not one.

    Runs of older versions have an alphabet only: {"characters": "..."}.
    """
    if not isinstance(data, dict):
        raise ValueError("a tokenizer is described by a JSON object")
    kind = data.get("kind", "char" if "characters" in data else "bpe")
    if kind == "char" and isinstance(data.get("characters"), str):
        return CharTokenizer(data["characters"])
    words = data.get("words")
    if kind == "word" and isinstance(words, list) and all(isinstance(word, str) for word in words):
        return WordTokenizer(words)
    if kind == "bpe":
        return huggingface.read_json(data)
    raise ValueError(f"not a tokenizer of characters, words or byte pairs, though its kind is {kind!r}")


def read(path: str | Path) -> Tokenizer:
    """The tokenizer in a folder or a file. Raises VocabularyError, in one line, where it has none that can be read."""
    path = Path(path)
    if not path.exists():
        raise VocabularyError(f"{path}: no such file or folder")
    if not path.is_dir():
        pairs = [names for names in _PAIRS if path.name in names]
        return _gpt2(path.parent, *pairs[0]) if pairs else _whole(path)
    if (path / _WHOLE).is_file():
        return _whole(path / _WHOLE)
    for names in _PAIRS:
        if (path / names[0]).is_file():
            return _gpt2(path, *names)
    raise VocabularyError(f"{path}: no vocabulary in it, neither {_WHOLE} nor vocab.json with merges.txt")


def _whole(path: Path) -> Tokenizer:
    try:
        return from_json(_parsed(path))
    except ValueError as error:
        raise VocabularyError(f"{path}: {error}") from None


def _gpt2(folder: Path, vocabulary: str, merges: str) -> Tokenizer:
    for name in (vocabulary, merges):
        if not (folder / name).is_file():
            raise VocabularyError(f"{folder}: {name} is missing; {vocabulary} and {merges} belong together")
    try:
        return huggingface.read_gpt2(_parsed(folder / vocabulary), (folder / merges).read_text(encoding="utf-8"))
    except ValueError as error:
        raise VocabularyError(f"{folder}: {vocabulary} or {merges}: {error}") from None


def _parsed(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not valid JSON: {error}") from None

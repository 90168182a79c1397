r"""Cutting a text into the pieces within which byte pairs are merged: no token reaches from one word into the next.

GPT-2's rule cuts a text into English contractions, words, numbers, runs of other marks, each of the last three with the
space before it, and white space. Its pattern is written for the package `regex`, which knows the classes \p{L} of
letters and \p{N} of numbers:

    '(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+

Python's own `re` finds the same pieces. Its \w is the letters, the numbers and the underscore; \d is the decimal digits
alone, so the other numbers, such as ² and Ⅷ, are looked up in `unicodedata`; and its \s has four control characters
too many, U+001C to U+001F. So what is trained or read does not depend on what is installed, but it does on the version
of Unicode that Python has: a character that is younger than it counts as a mark. All others are compared in a test.

Read next: `gpt/tokenizers/added.py`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import pairwise
from typing import Any

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_SAME_AS_GPT2 = {GPT2, r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"}


def gpt2_pieces(text: str) -> list[str]:
    """The pieces that GPT-2's rule cuts a text into; joined, they are the text."""
    numbers = "".join(sorted(c for c in set(text) if unicodedata.category(c) in ("Nl", "No")))  # mostly none: fast
    letter, number = rf"[^\W\d_{numbers}]", rf"[\d{numbers}]"
    mark = r"(?:[^\w\s]|[_\x1c-\x1f])"
    space, no_space = r"[^\S\x1c-\x1f]", r"[\S\x1c-\x1f]"
    return re.findall(rf"'(?:[sdmt]|ll|ve|re)| ?{letter}+| ?{number}+| ?{mark}+|{space}+(?!{no_space})|{space}+", text)


@dataclass(frozen=True)
class ByteLevel:
    """GPT-2's rule, or with `use_regex=False` none: the text is one piece.

    With `add_prefix_space` a text gets a space in front, so that its first word is written as any other.
    """

    add_prefix_space: bool = False
    use_regex: bool = True

    def pieces(self, text: str) -> list[str]:
        if self.add_prefix_space and not text.startswith(" "):
            text = " " + text
        return gpt2_pieces(text) if self.use_regex else [text]

    def to_json(self) -> dict[str, Any]:
        """The rule as a tokenizer.json has it."""
        return {"type": "ByteLevel", **asdict(self), "trim_offsets": True}


# What means the same in Oniguruma, for which the patterns of tokenizer.json are written, and in `regex`.
_UNDERSTOOD = re.compile(
    r"""(?x)
    (?: \\ (?: [pP]\{\w+\} | [sSdrnt] | [^\w\s] )       # classes, line ends, quoted marks
      | \[ \^? (?: \\ (?: [pP]\{\w+\} | [sSdrnt] | [^\w\s] ) | [^][\\&] | &(?!&) )+ \]
      | \( (?: \?: | \?i: | \?! | \?= | (?!\?) )         # groups, and looking ahead
      | \} (?!\+)                                       # Oniguruma repeats `{1,3}+`, `regex` does not go back in it
      | [^][\\^$(}]                                     # anything else stands for itself, or repeats
    )*"""
)


@cache
def _cutter(pattern: str) -> Callable[[str], list[str]]:
    """The function that cuts a text at both ends of each match of a pattern."""
    if pattern in _SAME_AS_GPT2:
        return gpt2_pieces
    if not _UNDERSTOOD.fullmatch(pattern):
        raise ValueError(f"the split pattern {pattern!r} has parts that are not supported")
    try:
        import regex
    except ImportError:
        raise ValueError(
            "the split pattern is not GPT-2's, so the package regex is needed: pip install 'blameflow[bpe]'"
        ) from None
    try:
        compiled = regex.compile(pattern)
    except regex.error as error:
        raise ValueError(f"the split pattern {pattern!r} is not a regular expression: {error}") from None

    def pieces(text: str) -> list[str]:
        edges = {edge for match in compiled.finditer(text) for edge in match.span()}
        return [text[start:end] for start, end in pairwise(sorted(edges | {0, len(text)}))]

    return pieces


@dataclass(frozen=True)
class Split:
    """Cuts a text at the beginning and end of each match of a pattern.

    A pattern other than GPT-2's is left to the package `regex`, and to the version of Unicode that it has. Raises
    ValueError where that is missing, or for a pattern that is not understood.
    """

    pattern: str

    def __post_init__(self) -> None:
        _cutter(self.pattern)

    def pieces(self, text: str) -> list[str]:
        return _cutter(self.pattern)(text)

    def to_json(self) -> dict[str, Any]:
        """The rule as a tokenizer.json has it."""
        return {"type": "Split", "pattern": {"Regex": self.pattern}, "behavior": "Isolated", "invert": False}


def cut(text: str, splits: Sequence[ByteLevel | Split]) -> list[str]:
    """The pieces of a text after several splits, each of which cuts the pieces of the one before."""
    pieces = [text] if text else []
    for split in splits:
        pieces = [part for piece in pieces for part in split.pieces(piece)]
    return pieces

r"""Words as tokens: runs of letters, digits and underscores; each other character, white space too, by itself.

    Two plus, two.   ->   Two | ␣ | plus | , | ␣ | two | .

Nothing is left out, so the tokens of a text, joined, are the text. A model of words can neither read nor write a word
that its data did not hold; one of byte pairs can (`gpt/tokenizers/bpe.py`).

Read next: `gpt/tokenizers/splits.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from engine.arrays import Array
from gpt.errors import TokenError
from gpt.tokenizers.protocol import WholeCharacters, listed, token_of

_WORD = re.compile(r"\w+|\W")
_NAMED = 10  # unknown words that an error message names


class WordTokenizer(WholeCharacters):
    """One id per word, in sorted order.

    Fields:
        words: every known word, mark and white space; the id of one is its position here.
    """

    kind = "word"
    words: list[str]

    def __init__(self, words: Iterable[str]) -> None:
        """Raises ValueError for a text that is not one word."""
        self.words = sorted(set(words))
        for word in self.words:
            if not _WORD.fullmatch(word):
                raise ValueError(f"{word!r} is not one word")
        self._ids = {word: number for number, word in enumerate(self.words)}

    @classmethod
    def from_text(cls, text: str) -> WordTokenizer:
        """A tokenizer that knows the words of a text."""
        return cls(_WORD.findall(text))

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, text: str) -> Array:
        """The ids of a text, (time,) int64. Raises TokenError naming the words that are not known."""
        words = _WORD.findall(text)
        unknown = sorted(set(words) - self._ids.keys())
        if unknown:
            raise TokenError(
                f"unknown words {listed(unknown, _NAMED)}; the model knows {len(self):,} words of its data"
            )
        return np.array([self._ids[word] for word in words], dtype=np.int64)

    def decode(self, ids: Iterable[int]) -> str:
        return "".join(token_of(self.words, int(number)) for number in ids)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "words": self.words}

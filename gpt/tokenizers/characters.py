"""Characters as tokens: the default. The alphabet is what the data holds.

Read next: `gpt/tokenizers/words.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from engine.arrays import Array
from gpt.errors import TokenError
from gpt.tokenizers.protocol import WholeCharacters, token_of


class CharTokenizer(WholeCharacters):
    """One id per character, in sorted order.

    Fields:
        characters: the alphabet; a character's id is its position here.
    """

    kind = "char"
    characters: str

    def __init__(self, characters: Iterable[str]) -> None:
        self.characters = "".join(sorted(set(characters)))
        self._ids = {character: number for number, character in enumerate(self.characters)}

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> Array:
        """The ids of a text, (time,) int64. Raises TokenError naming every character that is not in the alphabet."""
        unknown = sorted(set(text) - self._ids.keys())
        if unknown:
            raise TokenError(f"unknown characters {', '.join(map(repr, unknown))}; the model knows {self.characters!r}")
        return np.array([self._ids[character] for character in text], dtype=np.int64)

    def decode(self, ids: Iterable[int]) -> str:
        return "".join(token_of(self.characters, int(number)) for number in ids)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "characters": self.characters}

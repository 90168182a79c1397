"""Characters to integers and back.

Read next: `gpt/model.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from engine.arrays import Array
from gpt.errors import TokenError


class Decoder(Protocol):
    """Turns ids into text one at a time, never giving out a part of a character."""

    def push(self, id: int, /) -> str:
        """The whole characters that are certain with this id; "" if the next one has to complete them."""
        ...

    def end(self) -> str:
        """What is left when no id follows."""
        ...


class Tokenizer(Protocol):
    """Text to ids and back: what generation needs of a tokenizer."""

    def __len__(self) -> int: ...

    def encode(self, text: str, /) -> Array: ...

    def decode(self, ids: Iterable[int], /) -> str: ...

    def show(self, id: int, /) -> str: ...

    def decoder(self) -> Decoder: ...


class CharTokenizer:
    """One id per character, in sorted order.

    Fields:
        characters: the alphabet; a character's id is its position here.
    """

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
        """The text that has these ids."""
        return "".join(self.characters[int(number)] for number in ids)

    def show(self, id: int) -> str:
        """One character as it is shown by itself: white space as a visible sign."""
        character = self.characters[id]
        return {" ": "␣", "\n": "⏎"}.get(character, character)

    def decoder(self) -> Decoder:
        """Every id is a whole character, so each is given out at once."""
        return _Characters(self.characters)


class _Characters:
    def __init__(self, characters: str) -> None:
        self._characters = characters

    def push(self, id: int) -> str:
        return self._characters[id]

    def end(self) -> str:
        return ""

"""What every tokenizer does: a text to integers, the tokens' ids, and back.

A token is a piece of text that has a number. Whatever the pieces are, decode(encode(text)) is the text, and a text that
has no ids is a TokenError, never a text without what was not known.

Read next: `gpt/tokenizers/characters.py`, the simplest one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from engine.arrays import Array
from gpt.errors import TokenError

_Token = TypeVar("_Token")
_SIGNS = {" ": "␣", "\n": "⏎", "\t": "⇥"}


class Decoder(Protocol):
    """Turns ids into text one by one, for a text that is shown while it is made."""

    def push(self, id: int) -> str:
        """The characters that are complete now that this token is known; may be empty."""
        ...

    def end(self) -> str:
        """What is left when no token follows."""
        ...


class Tokenizer(Protocol):
    """What the model, the data and the command line ask of a tokenizer.

    `kind` is "char", "word" or "bpe"; `len` is the number of tokens, and ids run from 0 to one less.
    """

    kind: str

    def __len__(self) -> int: ...

    def encode(self, text: str) -> Array:
        """The ids of a text, (time,) int64. Raises TokenError naming what it does not know."""
        ...

    def decode(self, ids: Iterable[int]) -> str:
        """The text that has these ids. Raises TokenError for a number that is no token's id."""
        ...

    def pieces(self, text: str) -> list[str]:
        """The tokens of a text, each as `show` shows it."""
        ...

    def show(self, id: int) -> str:
        """One token for the eye, in tables and pictures: white space and what cannot be printed as visible signs."""
        ...

    def decoder(self) -> Decoder:
        """A new decoder; what it returns for ids, joined, is what `decode` returns for them."""
        ...

    def to_json(self) -> dict[str, Any]:
        """What a run's tokenizer.json holds; `from_json` makes an equal tokenizer of it."""
        ...


class PlainDecoder:
    """The decoder of tokens that are whole characters each: nothing is held back."""

    def __init__(self, decode: Callable[[Iterable[int]], str]) -> None:
        self._decode = decode

    def push(self, id: int) -> str:
        return self._decode([id])

    def end(self) -> str:
        return ""


class WholeCharacters(ABC):
    """What tokenizers share whose tokens are whole characters each."""

    @abstractmethod
    def encode(self, text: str) -> Array: ...

    @abstractmethod
    def decode(self, ids: Iterable[int]) -> str: ...

    def pieces(self, text: str) -> list[str]:
        return [self.show(number) for number in self.encode(text)]

    def show(self, id: int) -> str:
        return shown(self.decode([id]))

    def decoder(self) -> Decoder:
        return PlainDecoder(self.decode)


def token_of(tokens: Sequence[_Token], id: int) -> _Token:
    """The token with this id. Raises TokenError for a number that is no token's id, a negative one included."""
    if not 0 <= id < len(tokens):
        raise TokenError(f"no token has the id {id}; there are {len(tokens)}, counted from 0")
    return tokens[id]


def shown(text: str) -> str:
    """A text for the eye: ␣ for a space, ⏎ for a line end, ⇥ for a tab, and an escape for what cannot be printed."""
    return "".join(
        _SIGNS.get(character) or (character if character.isprintable() else ascii(character)[1:-1])
        for character in text
    )


def listed(unknown: Sequence[str], limit: int) -> str:
    """The first of some texts, quoted, and how many more there are."""
    more = f" and {len(unknown) - limit} more" if len(unknown) > limit else ""
    return ", ".join(map(repr, unknown[:limit])) + more

"""Tokens that were added to a vocabulary by hand, such as <|endoftext|>: found in a text as a whole, before it is cut.

A special one marks a place, such as the end of a document, and is no part of any text. Whoever could write it in a text
could forge that place, so in a text it is read as ordinary characters, unless the caller asks for it.

Read next: `gpt/tokenizers/merging.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class AddedToken:
    """A token and its id.

    Fields:
        content: its text.
        special: whether it is a mark and no text.
        normalized: whether it is looked for only in what the tokens without this have left, as `tokenizers` does.
    """

    content: str
    id: int
    special: bool = True
    normalized: bool = False

    def to_json(self) -> dict[str, Any]:
        """The token as a tokenizer.json has it."""
        return {**asdict(self), "single_word": False, "lstrip": False, "rstrip": False}


class AddedTokens:
    """The added tokens of a vocabulary."""

    def __init__(self, tokens: Sequence[AddedToken]) -> None:
        self._tokens = {token.content: token for token in tokens}
        rounds = [[t.content for t in tokens if t.normalized is normalized] for normalized in (False, True)]
        self._rounds = [
            re.compile("|".join(re.escape(content) for content in sorted(contents, key=len, reverse=True)))
            for contents in rounds
            if contents
        ]

    def split(self, text: str, *, special: bool) -> list[str | int]:
        """A text in parts: the id of each added token in it, and the text between them.

        Where several begin at one place, the longest counts. Special tokens are found if `special` says so.
        """
        parts: list[str | int] = [text]
        for pattern in self._rounds:
            parts = [
                found
                for part in parts
                for found in ([part] if isinstance(part, int) else self._found(pattern, part, special))
            ]
        return parts

    def _found(self, pattern: re.Pattern[str], text: str, special: bool) -> list[str | int]:
        parts: list[str | int] = []
        done = 0
        for match in pattern.finditer(text):
            token = self._tokens[match[0]]
            if special or not token.special:
                parts += [text[done : match.start()], token.id]
                done = match.end()
        return [*parts, text[done:]]

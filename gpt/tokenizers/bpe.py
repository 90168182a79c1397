"""Byte pairs: tokens that grow from the bytes of a text's UTF-8 by merging pairs of neighbours, in a fixed order.

    understanding   ->   u n d e r s t a n d i n g   ->   under | stand | ing

A list of merges, which `gpt/tokenizers/bpe_training.py` learns from a text, says which pairs become one token. All
256 bytes are tokens, so any text has ids, and a frequent word has a single one. The method is that of Sennrich et al.
2016, "Neural machine translation of rare words with subword units", on bytes as in GPT-2.

A text is first cut into words, within which pairs are merged (`gpt/tokenizers/splits.py`). In files a token is written
with one printable letter for each byte, as GPT-2 does: a space is Ġ, a line end Ċ.

Read next: `gpt/tokenizers/bpe_training.py`.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from engine.arrays import Array
from gpt.errors import TokenError
from gpt.tokenizers.added import AddedToken, AddedTokens
from gpt.tokenizers.merging import Merges, merged
from gpt.tokenizers.protocol import Decoder, listed, shown, token_of
from gpt.tokenizers.splits import ByteLevel, Split, cut

_PRINTED = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_OTHERS = sorted({*range(256)} - {*_PRINTED})
LETTERS = {byte: chr(byte) for byte in _PRINTED} | {byte: chr(256 + n) for n, byte in enumerate(_OTHERS)}
_BYTES = {letter: byte for byte, letter in LETTERS.items()}
_NAMED = 10  # unknown characters that an error message names


class BPETokenizer:
    """Byte-level byte-pair encoding.

    Fields:
        vocabulary: the id of each token, the token written in letters for bytes.
        merges: the pairs that are merged, earliest first.
        added: tokens that are no product of merges, such as <|endoftext|>; they may stand in the vocabulary too.
        splits: how a text is cut into words.
    """

    kind = "bpe"

    def __init__(
        self,
        vocabulary: Mapping[str, int],
        merges: Sequence[tuple[str, str]],
        added: Sequence[AddedToken] = (),
        splits: Sequence[ByteLevel | Split] = (ByteLevel(),),
    ) -> None:
        """Raises ValueError for parts that do not fit together."""
        self.vocabulary, self.merges, self.added, self.splits = dict(vocabulary), [*merges], [*added], [*splits]
        self._added = AddedTokens(added)
        self._tokens = _tokens(vocabulary, added)
        self._bytes = {byte: vocabulary[letter] for byte, letter in LETTERS.items() if letter in vocabulary}
        self._merges: Merges = {}
        for rank, (a, b) in enumerate(merges):
            missing = [token for token in (a, b, a + b) if token not in vocabulary]
            if missing:
                raise ValueError(f"the merge of {a!r} and {b!r} needs the token {missing[0]!r}, which has no id")
            self._merges[vocabulary[a], vocabulary[b]] = rank, vocabulary[a + b]

    def __len__(self) -> int:
        return len(self._tokens)

    def encode(self, text: str, *, special: bool = False) -> Array:
        """The ids of a text, (time,) int64. With `special`, special tokens in it get their ids; else they are text.

        Raises TokenError for half of a surrogate pair, which is no character, and for characters whose bytes have no
        token, where a vocabulary was read that lacks some.
        """
        parts = [
            [part] if isinstance(part, int) else cut(part, self.splits)
            for part in self._added.split(text, special=special)
        ]
        words = {word for part in parts for word in part if isinstance(word, str)}
        self._check(words)
        table: dict[str | int, list[int]] = {word: self._word(word) for word in words}  # most words come again
        ids = chain.from_iterable([word] if isinstance(word, int) else table[word] for part in parts for word in part)
        return np.fromiter(ids, np.int64)

    def _check(self, words: Iterable[str]) -> None:
        characters = sorted(set().union(*words))
        halves = [character for character in characters if "\ud800" <= character <= "\udfff"]
        if halves:
            raise TokenError(f"{listed(halves, _NAMED)} in the text: half of a surrogate pair is no character")
        unknown = [character for character in characters if not self._bytes.keys() >= {*character.encode()}]
        if unknown:
            raise TokenError(f"unknown characters {listed(unknown, _NAMED)}: the vocabulary lacks bytes of theirs")

    def _word(self, word: str) -> list[int]:
        return merged([self._bytes[byte] for byte in word.encode()], self._merges)

    def decode(self, ids: Iterable[int]) -> str:
        """The text that has these ids; bytes that are no UTF-8 become U+FFFD."""
        return b"".join(token_of(self._tokens, int(number)) for number in ids).decode("utf-8", "replace")

    def pieces(self, text: str) -> list[str]:
        return [self.show(number) for number in self.encode(text)]

    def show(self, id: int) -> str:
        r"""One token for the eye; bytes that are no whole character as \xe2."""
        return shown(token_of(self._tokens, int(id)).decode("utf-8", "backslashreplace"))

    def decoder(self) -> Decoder:
        return _BytesDecoder(self._tokens)

    def to_json(self) -> dict[str, Any]:
        """A tokenizer.json that the package `tokenizers` reads too."""
        model = {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": self.vocabulary,
            "merges": self.merges,
        }
        splits = [split.to_json() for split in self.splits]
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [token.to_json() for token in self.added],
            "normalizer": None,
            "pre_tokenizer": splits[0] if len(splits) == 1 else {"type": "Sequence", "pretokenizers": splits},
            "post_processor": None,
            "decoder": ByteLevel().to_json(),
            "model": model,
        }


def _tokens(vocabulary: Mapping[str, int], added: Sequence[AddedToken]) -> list[bytes]:
    """The bytes of each token, by id."""
    found = {id: _spelled(token) for token, id in vocabulary.items()}
    if len(found) < len(vocabulary):
        raise ValueError("two tokens have the same id")
    for token in added:
        if not token.content:
            raise ValueError("an added token is empty")
        taken = token.id in found and token.content not in vocabulary
        if taken or vocabulary.get(token.content, token.id) != token.id:
            raise ValueError(f"the id {token.id} of the added token {token.content!r} does not fit the vocabulary")
        found[token.id] = token.content.encode()
    if sorted(found) != [*range(len(found))]:
        raise ValueError(f"the ids of {len(found)} tokens are not 0 to {len(found) - 1}")
    return [found[id] for id in range(len(found))]


def _spelled(token: str) -> bytes:
    """The bytes that a token's letters stand for; UTF-8 of a token that has others, such as <end of text>."""
    if all(letter in _BYTES for letter in token):
        return bytes(_BYTES[letter] for letter in token)
    return token.encode()


class _BytesDecoder:
    """Holds back the bytes of a character that is not complete, and makes U+FFFD of what cannot become one."""

    def __init__(self, tokens: Sequence[bytes]) -> None:
        self._tokens = tokens
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, id: int) -> str:
        return self._utf8.decode(token_of(self._tokens, int(id)))

    def end(self) -> str:
        return self._utf8.decode(b"", final=True)

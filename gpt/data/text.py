"""Any text as data: the first nine tenths to learn from, the last tenth for validation.

Tokens are kept in the smallest whole numbers that hold them. Those of a large text are kept in a file of the cache,
which the operating system reads where a batch needs it (memory mapping), so the text may be larger than memory.

Read next: `gpt/data/opening.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from engine.arrays import Array
from gpt.data.batches import Measures, mean_loss
from gpt.data.config import DataConfig
from gpt.data.downloads import cache
from gpt.data.objective import OBJECTIVES, Lines, Piece
from gpt.data.order import Draws
from gpt.errors import DataError
from gpt.files import written
from gpt.model import GPT
from gpt.tokenizers import Tokenizer

LARGE = 1 << 26  # bytes of tokens, beyond which they are kept in a file
VALIDATION = 10  # one in so many characters
_QUICK = 16_384  # tokens of a quick look
_ROWS = 64  # texts at once in a measurement
_PASSAGE = 32  # tokens of a passage
_SEED = 4104  # of the tokens that a measurement of the masked objective hides


class Source:
    """A text that can be read from its beginning as often as needed.

    Args:
        name: of the data, for messages.
        read: the text in strings, each of whole lines.
        digest: of its content.

    Fields:
        characters: how many it has.
    """

    def __init__(self, name: str, read: Iterable[str], digest: str) -> None:
        self.name, self.read, self.digest = name, read, digest
        self.characters = sum(map(len, read))
        if not self.characters:
            raise DataError(f"{name}: the text is empty")

    def parts(self) -> tuple[Iterator[str], Iterator[str]]:
        """The part to learn from, and the part for validation."""
        end = self.characters - self.characters // VALIDATION
        return between(self.read, 0, end), between(self.read, end, self.characters)


def between(read: Iterable[str], start: int, end: int) -> Iterator[str]:
    """The characters from `start` to `end` of a text in pieces."""
    at = 0
    for piece in read:
        cut = piece[max(start - at, 0) : max(end - at, 0)]
        at += len(piece)
        if cut:
            yield cut


class Text:
    """A text, cut into tokens; `gpt.data.batches.Data` says what its methods are for.

    Args:
        block: how many tokens the model reads at once.

    Fields:
        learned, validation: the tokens of both parts, (tokens,).

    Raises DataError if one of the parts has no more tokens than the model reads at once.
    """

    def __init__(self, config: DataConfig, tokenizer: Tokenizer, source: Source, block: int) -> None:
        self.config, self.tokenizer, self.digest = config, tokenizer, source.digest
        self._block, self._objective = block, OBJECTIVES[config.objective]
        self._length = block + self._objective.ahead
        self.learned, self.validation = (
            _tokens(part, tokenizer, f"{source.digest}-{name}")
            for name, part in zip(("learned", "validation"), source.parts(), strict=True)
        )
        for part, tokens in (("to learn from", self.learned), ("for validation", self.validation)):
            if len(tokens) <= block:
                raise DataError(
                    f"{source.name}: the part {part} needs more than {block} tokens, the block, and has {len(tokens)}; "
                    "give a longer text or a smaller --block"
                )
        self.about = (
            f"{source.name}: {source.characters:,} characters, {len(self.learned):,} tokens to learn from, "
            f"{len(self.validation):,} for validation, {len(tokenizer):,} different ones"
        )
        self.prompt = tokenizer.decode(self.validation[: min(block // 4, 24)])

    @property
    def passages(self) -> list[str]:
        """Two passages of the part for validation, from its beginning and from its middle, which a run keeps."""
        length = min(self._block, _PASSAGE)
        starts = (0, (len(self.validation) - length) // 2)
        texts = (self.tokenizer.decode(self.validation[start : start + length]) for start in starts)
        return [text.strip("\ufffd") for text in texts]  # at both ends a character of several tokens may be cut

    @property
    def measured(self) -> int:
        """How many tokens a whole measurement reads."""
        return len(self._starts()) * self._block

    def order(self, size: int, rng: np.random.Generator) -> Draws:
        return Draws(len(self.learned) - self._length + 1, size, rng)

    def read(self, rows: Array) -> Lines:
        return _lines(self.learned, rows, self._length)

    def validate(self, model: GPT, *, whole: bool = False) -> Measures:
        """The mean loss over texts of one block that follow one another; of a quick look, over some of them."""
        starts = self._starts()
        if not whole:
            starts = starts[:: max(1, len(starts) * self._block // _QUICK)]
        return {"loss": mean_loss(model, self._pieces(starts))}

    def _starts(self) -> Array:
        return np.arange(0, len(self.validation) - self._length + 1, self._block)

    def _pieces(self, starts: Array) -> Iterator[Piece]:
        rng = np.random.default_rng(_SEED)
        for k in range(0, len(starts), _ROWS):
            lines = _lines(self.validation, starts[k : k + _ROWS], self._length)
            yield self._objective.piece(lines, len(self.tokenizer), rng)

    def score(self, measures: Measures) -> tuple[float, ...]:
        return (-measures["loss"],)


def _lines(tokens: Array, starts: Array, length: int) -> Lines:
    """As many tokens from each start."""
    ids = tokens[starts[:, None] + np.arange(length)].astype(np.int64)
    everywhere = np.ones(ids.shape, bool)
    return Lines(ids, everywhere, everywhere)


def _tokens(text: Iterator[str], tokenizer: Tokenizer, name: str) -> Array:
    """The tokens of a text, in memory or, if there are many, in a file of the cache."""
    dtype = np.min_scalar_type(len(tokenizer))
    pieces: list[Array] = []
    taken = 0
    for piece in text:
        pieces.append(tokenizer.encode(piece).astype(dtype))
        taken += pieces[-1].nbytes
        if taken > LARGE:
            return _mapped(chain(pieces, (tokenizer.encode(rest).astype(dtype) for rest in text)), tokenizer, name)
    return np.concatenate(pieces) if pieces else np.zeros(0, dtype)


def _mapped(pieces: Iterable[Array], tokenizer: Tokenizer, name: str) -> Array:
    """Tokens in a file, mapped into memory; a file that an earlier training made is used again."""
    kind = hashlib.sha256(json.dumps(tokenizer.to_json(), sort_keys=True).encode()).hexdigest()
    path: Path = cache() / f"{hashlib.sha256(f'{name}-{kind}'.encode()).hexdigest()[:32]}.tokens"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with written(path) as file:
            for piece in pieces:
                file.write(piece.tobytes())
    return np.memmap(path, np.min_scalar_type(len(tokenizer)), mode="r")

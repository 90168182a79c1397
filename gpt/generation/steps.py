"""Steps: the loop that continues texts, one token at a time.

All continuations of one prompt are read together, as one batch. A text that has ended stays in the batch until all
have; what the model says about it then is ignored.

Read next: `gpt/generation/generate.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from engine.arrays import Array
from gpt.errors import TokenError
from gpt.generation.sampling import Sampling
from gpt.generation.scores import log_probabilities, next_logits
from gpt.generation.stops import UntilStop, checked_stops
from gpt.model import GPT
from gpt.tokenizers import Tokenizer
from nn import Cache, reader
from nn.settings import size


class Step(NamedTuple):
    """One more token of a text.

    Fields:
        token: its id.
        log_probabilities: the log of each token's probability in its place, under the model at temperature 1,
            (vocab_size,).
        text: the text that became certain with it; at the last step, all that was held back before.
    """

    token: int
    log_probabilities: Array
    text: str


def beginning(tokenizer: Tokenizer, prompt: str) -> Array:
    """The ids that the model reads first, (time,): the prompt's. TokenError names characters that were never learned.

    An empty prompt begins after a line end, where the tokenizer has a token for it, and else after token 0.
    """
    ids = tokenizer.encode(prompt)
    if not len(ids):
        try:
            ids = tokenizer.encode("\n")
        except TokenError:
            ids = np.zeros(1, np.int64)
    return ids


def steps(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str,
    sampling: Sampling,
    rngs: Sequence[np.random.Generator],
    *,
    limit: int,
    stop: str | Sequence[str],
) -> Iterator[list[Step | None]]:
    """Continue a prompt as often as there are generators: at each step one `Step` a text, None for those that ended.

    A text ends with a stop string or after `limit` tokens. Raises TypeError, ValueError or TokenError at once for wrong
    arguments; the iterator raises FloatingPointError where the model's scores are not finite.
    """
    texts = [_Text(tokenizer, checked_stops(stop)) for _ in rngs]
    ids = np.repeat(beginning(tokenizer, prompt)[None], len(texts), axis=0)
    return _steps(model, ids, texts, sampling, rngs, size("generate", "limit", limit, least=0))


def _steps(
    model: GPT,
    ids: Array,
    texts: Sequence[_Text],
    sampling: Sampling,
    rngs: Sequence[np.random.Generator],
    limit: int,
) -> Iterator[list[Step | None]]:
    model, cache = reader(model), Cache()
    for left in reversed(range(limit)):
        logits = next_logits(model, ids, cache)
        chosen = [sampling.choose(row, rng) for row, rng in zip(logits, rngs, strict=True)]
        rows = zip(texts, chosen, log_probabilities(logits), strict=True)
        yield [None if text.ended else Step(token, row, text.push(token, not left)) for text, token, row in rows]
        if all(text.ended for text in texts):
            return
        ids = np.concatenate([ids, np.array(chosen)[:, None]], axis=1)


class _Text:
    """A continuation while it grows.

    Fields:
        ended: whether a stop string or the limit has ended it.
    """

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str]) -> None:
        self.ended = False
        self._decoder = tokenizer.decoder()
        self._until = UntilStop(stops)

    def push(self, token: int, last: bool) -> str:
        """The text that is certain with one more token; with the last one, all of it."""
        certain = self._until.push(self._decoder.push(token))
        if last:
            certain += self._until.push(self._decoder.end()) + self._until.end()
        self.ended = last or self._until.found
        return certain

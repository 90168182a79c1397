"""Learning merges from a text: the most frequent pair of neighbours becomes a token, again and again.

The text is cut into words once, and each distinct word is kept once, with how often it occurs. The counts of pairs are
kept up to date: a merge touches only the words that hold its pair. Between pairs of the same count the one with the
smaller ids goes first, as the trainer of `tokenizers` has it, so the merges are the same.

Read next: `gpt/tokenizers/huggingface.py`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from itertools import pairwise

from gpt.errors import DataError
from gpt.tokenizers.bpe import LETTERS, BPETokenizer
from gpt.tokenizers.splits import gpt2_pieces

Pair = tuple[int, int]


def train_bpe(text: str, size: int) -> BPETokenizer:
    """A tokenizer of `size` tokens that are frequent in a text: the 256 bytes, and what merges make of them.

    It has fewer where nothing is left to merge, because each word of the text is one token. Raises ValueError for a
    size below 256, and DataError for a text with half of a surrogate pair in it.
    """
    if size < len(LETTERS):
        raise ValueError(f"train_bpe: size must be at least {len(LETTERS)}, a token for each byte, and is {size}")
    try:
        counted = {word.encode(): count for word, count in Counter(gpt2_pieces(text)).items()}
    except UnicodeEncodeError as error:
        raise DataError(
            f"{error.object[error.start]!r} in the text: half of a surrogate pair is no character"
        ) from None
    tokens = sorted(LETTERS.values())
    first = {byte: tokens.index(letter) for byte, letter in LETTERS.items()}
    words = _Words({tuple(first[byte] for byte in word): count for word, count in counted.items()})
    vocabulary = {token: id for id, token in enumerate(tokens)}
    merges = []
    while len(tokens) < size and (pair := words.most_frequent()):
        a, b = (tokens[id] for id in pair)
        merges.append((a, b))
        vocabulary[a + b] = len(tokens)  # a new one: what lies in a token has always been merged in the same order
        tokens.append(a + b)
        words.merge(pair, vocabulary[a + b])
    return BPETokenizer(vocabulary, merges)


class _Words:
    """Distinct words as ids, and how often each pair of neighbours occurs in all of them."""

    def __init__(self, counted: Mapping[tuple[int, ...], int]) -> None:
        self._words = [[*word] for word in counted]
        self._times = [*counted.values()]
        self._counts: defaultdict[Pair, int] = defaultdict(int)
        self._holders: defaultdict[Pair, set[int]] = defaultdict(set)  # words that hold a pair, or have held it
        for number, (word, times) in enumerate(zip(self._words, self._times, strict=True)):
            for pair in pairwise(word):
                self._counts[pair] += times
                self._holders[pair].add(number)
        self._heap = [(-count, pair) for pair, count in self._counts.items()]
        heapify(self._heap)

    def most_frequent(self) -> Pair | None:
        """The pair that occurs most often, the one of the smallest ids among equals; None where no pair is left.

        A count in the heap is too large where merges have taken pairs away since; it is put right when it comes up.
        """
        while self._heap:
            count, pair = heappop(self._heap)
            if -count == self._counts[pair]:
                return pair
            if self._counts[pair]:
                heappush(self._heap, (-self._counts[pair], pair))
        return None

    def merge(self, pair: Pair, new: int) -> None:
        """Make `new` of a pair wherever it occurs, from left to right."""
        grown: set[Pair] = set()
        for number in self._holders.pop(pair):
            word, times = self._words[number], self._times[number]
            for neighbours in pairwise(word):
                self._counts[neighbours] -= times
            self._words[number] = word = _replaced(word, pair, new)
            for neighbours in pairwise(word):
                self._counts[neighbours] += times
                if new in neighbours:
                    self._holders[neighbours].add(number)
                    grown.add(neighbours)
        for neighbours in grown:
            heappush(self._heap, (-self._counts[neighbours], neighbours))


def _replaced(word: list[int], pair: Pair, new: int) -> list[int]:
    found: list[int] = []
    place = 0
    while place < len(word):
        if word[place] == pair[0] and tuple(word[place : place + 2]) == pair:
            found.append(new)
            place += 2
        else:
            found.append(word[place])
            place += 1
    return found

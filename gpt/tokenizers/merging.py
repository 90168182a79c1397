"""Merging a word: from the ids of its bytes to those of its tokens.

Of all pairs of neighbours that have a merge, the one that was learned first is merged, at its leftmost place; then the
same again with what is there now. That is the order of the package `tokenizers`, so the same merges give the same ids
even where the product of a late merge takes part in an earlier one, as in a list that was not learned.

Read next: `gpt/tokenizers/bpe.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import pairwise

Merges = dict[tuple[int, int], tuple[int, int]]  # of two ids: the rank of their merge, and the id that they become
_GONE = -1  # in place of an id that was merged into the one before it


def merged(ids: Sequence[int], merges: Merges) -> list[int]:
    """The ids of a word after all merges that apply.

    A heap holds the places of the pairs that can be merged. Each id knows its neighbours, so a merge takes a time that
    grows with the logarithm of the word's length, however long the word is.
    """
    ids, end = [*ids], len(ids)
    before, after = [*range(-1, end - 1)], [*range(1, end + 1)]
    ranked = ((merges[pair][0], place) for place, pair in enumerate(pairwise(ids)) if pair in merges)
    pending = sorted(ranked)
    while pending:
        rank, place = heappop(pending)
        other = after[place]
        found = merges.get((ids[place], ids[other])) if other < end else None
        if found is None or found[0] != rank:
            continue  # a neighbour has been merged since
        ids[place], ids[other] = found[1], _GONE
        after[place] = after[other]
        if after[place] < end:
            before[after[place]] = place
        for left, right in ((before[place], place), (place, after[place])):
            if left >= 0 and right < end and (pair := (ids[left], ids[right])) in merges:
                heappush(pending, (merges[pair][0], left))
    return [id for id in ids if id != _GONE]

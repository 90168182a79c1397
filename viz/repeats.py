"""repeats: which pieces of a recording repeat the same work.

A recording is a tree: a module's call holds ops and calls of inner modules, in the order in which they ran. Among the
children of one call, or of the whole program, this file looks for pieces that run several times in a row: twelve
blocks; a cell and the slice it reads, at every step of a text; a block and the addition behind it.

    blocks.0  +  blocks.1  +  blocks.2  +  head          a piece of two children, three times

The invariant: pieces are equal if they differ only in the numbers in their names: the same ops in the same order under
the same scopes, with the same shapes and dtypes, connected in the same way, with leaves of the same kind. Their inputs
from outside may differ, as they must where a piece reads the output of the one before. A piece holds at least one call:
equal ops in a row, without a module, are not merged.

Read next: `viz/prune.py`, the other way to make a flow smaller.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, repeat
from typing import Any, NamedTuple

from viz.data import Node

LONGEST = 32  # most children in a piece, so that the search stays linear

Address = tuple[tuple[str, int], ...]
_Slot = tuple[int, int | None]  # an op of a piece, and one of its arguments


class Op(NamedTuple):
    """One op of the recording: its node, and for each argument the op (by its place) or the leaf that it read."""

    node: Node
    reads: Sequence[tuple[int | None, int | Node]]


class _Child(NamedTuple):
    """Ops `start` to `end` of the recording: a module's call, or one op outside all calls at this level."""

    start: int
    end: int
    is_call: bool


class _Run(NamedTuple):
    """`times` pieces of `period` children each, the first of which starts at child `start`."""

    start: int
    period: int
    times: int

    @property
    def end(self) -> int:
        return self.start + self.period * self.times


def address(node: Node) -> Address:
    """The calls that a node was made in, outermost first."""
    return tuple(zip(node.scope, chain(node.calls, repeat(0))))


def pattern(name: str | None) -> str | None:
    """A name with # for its numbers: what the names of repeated modules have in common."""
    return name and re.sub(r"\d+", "#", name)


def joined(names: Sequence[str]) -> str:
    """One name for several of one pattern.

    >>> joined(["blocks.0", "blocks.1", "blocks.2"]), joined(["conv1", "conv3"]), joined(["cell", "cell"])
    ('blocks.0-2', 'conv1,3', 'cell')
    """
    parts = zip(*(re.split(r"(\d+)", name) for name in dict.fromkeys(names)), strict=True)
    return "".join(_numbers(part) if place % 2 else part[0] for place, part in enumerate(parts))


def _numbers(texts: Sequence[str]) -> str:
    """Numbers as page ranges: 0-3,5."""
    numbers = sorted({int(text) for text in texts})
    stretches = [[n for _, n in group] for _, group in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])]
    return ",".join(f"{s[0]}-{s[-1]}" if len(s) > 1 else f"{s[0]}" for s in stretches) if len(numbers) > 1 else texts[0]


def originals(ops: Sequence[Op], depth: int) -> list[int]:
    """For each op, the place of the op that did the same in the first repetition, or its own place if there is none.

    `ops` are in the order of the recording. Calls more than `depth` deep are not searched.
    """
    first = list(range(len(ops)))
    addresses = [address(op.node) for op in ops]
    open_calls = [(0, len(ops), 0)]
    while open_calls:
        start, end, level = open_calls.pop()
        children = list(_children(addresses, start, end, level))
        repeated = set[int]()
        for pieces in _repeated(ops, addresses, children, level):
            for piece in pieces[1:]:
                for offset in range(piece.stop - piece.start):
                    first[piece.start + offset] = pieces[0].start + offset
                repeated.update(piece)
        if level + 1 < depth:
            open_calls += [(c.start, c.end, level + 1) for c in children if c.is_call and c.start not in repeated]
    for place, same in enumerate(first):  # for a repetition inside a repetition
        first[place] = first[same]
    return first


def _children(addresses: Sequence[Address], start: int, end: int, level: int) -> Iterator[_Child]:
    """The children of a call at this level, in order."""

    def call(place: int) -> Any:
        return addresses[place][: level + 1] if len(addresses[place]) > level else place

    for key, group in groupby(range(start, end), call):
        places = list(group)
        yield _Child(places[0], places[-1] + 1, not isinstance(key, int))


def _repeated(
    ops: Sequence[Op], addresses: Sequence[Address], children: Sequence[_Child], level: int
) -> Iterator[list[range]]:
    """Groups of equal pieces, each a stretch of the recording."""
    numbers: dict[Any, int] = {}
    keys = [numbers.setdefault(_key(ops, addresses, child, level), len(numbers)) for child in children]
    for run in _runs(keys, [child.is_call for child in children]):
        starts = range(run.start, run.end, run.period)
        pieces = [range(children[k].start, children[k + run.period - 1].end) for k in starts]
        for _, alike in groupby(pieces, lambda piece: [*_reads(ops, piece)]):
            yield from _with_equal_leaves(ops, alike)


def _with_equal_leaves(ops: Sequence[Op], pieces: Iterable[range]) -> Iterator[list[range]]:
    """Groups of consecutive pieces that agree in every argument for which they read leaves.

    One piece may read a leaf where another reads an op: the first reads the user's input, the next one an output.
    """
    group: list[range] = []
    known: dict[_Slot, Any] = {}
    for piece in pieces:
        leaves = _leaves(ops, piece)
        if any(known.get(slot, leaf) != leaf for slot, leaf in leaves.items()):
            yield group
            group, known = [], {}
        group.append(piece)
        known |= leaves
    yield group


def _runs(keys: Sequence[int], is_call: Sequence[bool]) -> Iterator[_Run]:
    """Where keys repeat: from left to right, the run that holds most of those that start at a call."""
    place = free = 0
    while place < len(keys):
        ahead = range(place + 1, min(place + 1 + LONGEST, len(keys))) if is_call[place] else ()
        runs = [_run(keys, free, place, other - place) for other in ahead if keys[other] == keys[place]]
        runs = [run for run in runs if run.times > 1]
        best = max(runs, key=lambda run: (run.end - run.start, -run.period), default=None)
        if best is None:
            place += 1
        else:
            yield best
            place = free = best.end


def _run(keys: Sequence[int], free: int, place: int, period: int) -> _Run:
    """The run that begins with the call at `place`, or a little before it if that adds one repetition."""
    after = before = 0
    while place + after + period < len(keys) and keys[place + after] == keys[place + after + period]:
        after += 1
    while before < period and place - before > free and keys[place - before - 1] == keys[place - before - 1 + period]:
        before += 1
    times = 1 + (before + after) // period
    return _Run(place - max(0, (times - 1) * period - after), period, times)


def _key(ops: Sequence[Op], addresses: Sequence[Address], child: _Child, level: int) -> Any:
    """A key that is equal for children that may repeat one another."""
    piece = range(child.start, child.end)
    name = pattern(addresses[child.start][level][0]) if child.is_call else None
    return name, *_work(ops, addresses, piece, level + child.is_call), *_reads(ops, piece)


def _work(ops: Sequence[Op], addresses: Sequence[Address], piece: range, level: int) -> Iterator[Any]:
    """Each op with its shape and dtype, and the calls below this level that it is in."""
    before: Address = ()
    for place in piece:
        node, here = ops[place].node, addresses[place]
        shared = next((k for k, (a, b) in enumerate(zip(here, before)) if a != b), min(len(here), len(before)))
        yield node.op, node.shape, node.dtype, max(shared - level, 0), *(name for name, _ in here[level:])
        before = here


def _reads(ops: Sequence[Op], piece: range) -> Iterator[Any]:
    """The connections inside a piece: an op, its argument, and how many places before it the op it reads is."""
    for place in piece:
        for argument, read in ops[place].reads:
            if isinstance(read, int) and read in piece:
                yield place - piece.start, argument, place - read


def _leaves(ops: Sequence[Op], piece: range) -> dict[_Slot, Any]:
    """For each slot that reads a leaf: the slot that reads it first, and the leaf's name pattern, shape and dtype."""
    first: dict[str, _Slot] = {}
    found: dict[_Slot, Any] = {}
    for place in piece:
        for argument, read in ops[place].reads:
            if not isinstance(read, int):
                slot = place - piece.start, argument
                found[slot] = first.setdefault(read.id, slot), pattern(read.name), read.shape, read.dtype
    return found

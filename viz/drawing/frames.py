"""Frames: each call of a module that holds other nodes is drawn as a frame around them.

A leaf that several calls read, such as the weights of a cell that runs at every step, is drawn in the innermost frame
around all of them.

Read next: `viz/drawing/spine.py`, the straight line through a picture.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from viz.data import Edge, Node

Path = tuple[tuple[str, int], ...]  # name and number of each call, outermost first


@dataclass(frozen=True)
class Frames:
    """The frames of one picture.

    Fields:
        around: the frames around each node, by its id.
        counts: how many repetitions a frame stands for: the least of its nodes' counts.
        remarks: the text after a frame's name: the number of the call if there are several, and of the repetitions.
    """

    around: Mapping[str, Path]
    counts: Mapping[Path, int]
    remarks: Mapping[Path, str]


def times(count: int, outside: int) -> str:
    """How many repetitions a node or frame stands for, if the frame around it does not show the same number."""
    return f" ×{count}" if count > 1 and count != outside else ""


def frames(nodes: Sequence[Node], edges: Sequence[Edge]) -> Frames:
    """The frames of a picture."""
    around = {node.id: _path(node) for node in nodes if node.op != "leaf"}
    users: dict[str, list[Path]] = defaultdict(list)
    for edge in edges:
        users[edge.target].append(around.get(edge.source, ()))
    for node in nodes:
        if node.op == "leaf":
            around[node.id] = _common(users[node.id]) if node.id in users else _path(node)
    counts: dict[Path, int] = {}
    for node in nodes:
        for k in range(1, len(around[node.id]) + 1):
            frame = around[node.id][:k]
            counts[frame] = min(node.count, counts.get(frame, node.count))
    calls = Counter((frame[:-1], frame[-1][0]) for frame in counts)
    remarks = {}
    for frame, count in counts.items():
        name, call = frame[-1]
        which = f", call {call + 1}" if calls[frame[:-1], name] > 1 else ""
        remarks[frame] = which + times(count, counts.get(frame[:-1], 1))
    return Frames(around, counts, remarks)


def _path(node: Node) -> Path:
    """The frames around a node: for an op, all modules on its path; for a box, all but the box itself."""
    calls = (*node.calls, *[0] * len(node.scope))  # a node constructed by hand may have none
    whole = tuple(zip(node.scope, calls))
    return whole[:-1] if node.op == "module" else whole


def _common(paths: Sequence[Path]) -> Path:
    """The longest path that all paths begin with."""
    alike = takewhile(lambda level: len(set(level)) == 1, zip(*paths))
    return tuple(level[0] for level in alike)

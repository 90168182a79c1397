"""beside: the pictures of two flows in one, with one scale, one legend, and a frame around each.

Corresponding boxes are drawn side by side if they come in the same order in both. Those of the second flow show how
many times as large their gradient is; where it has changed most, both boxes have a thick outline.

Read next: `viz/drawing/image.py`, from a picture to a file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from viz.data import Edge, Node
from viz.digits import times
from viz.drawing.frames import Frames
from viz.drawing.picture import Picture, picture
from viz.figures import fill_scale

SIDES = ("a_", "b_")  # prefixes of the ids of the two flows
MUCH = 2.0  # a gradient that changed by a smaller factor is not marked,
MOST = 0.75  # nor one that changed by less than this fraction of the largest change, on a log scale

Pair = tuple[Node | None, Node | None, float]  # corresponding nodes, and the ratio of their gradients


def beside(
    losses: tuple[float, float],
    names: tuple[str, str],
    nodes: tuple[Sequence[Node], Sequence[Node]],
    edges: tuple[Sequence[Edge], Sequence[Edge]],
    pairs: Sequence[Pair],
) -> Picture:
    """One picture of two flows; `pairs` has all their nodes, corresponding ones together, the losses first."""
    left, right = (_side(*one) for one in zip(SIDES, losses, names, nodes, edges, strict=True))
    fills = [*left.fills, *right.fills]
    marked = frozenset(_marked(pairs))
    return replace(
        left,
        losses={**left.losses, **right.losses},
        nodes={**left.nodes, **right.nodes},
        arrows=[*left.arrows, *right.arrows],
        from_other={**left.from_other, **right.from_other},
        inside={**left.inside, **right.inside},
        blame={**left.blame, **right.blame},
        pruned={**left.pruned, **right.pruned},
        arrivals={**left.arrivals, **right.arrivals},
        fills=fills,
        folded=left.folded or right.folded,
        scale=fill_scale(fills),
        largest=max(left.largest, right.largest),
        spine=left.spine | right.spine,
        bands=[*left.bands, *right.bands],
        frames=_joined(left.frames, right.frames),
        notes=dict(_notes(pairs, names)),
        marked=marked,
        level=_level(pairs, nodes[1]),
        legend=[
            f"gradient ×: times its root mean square in {names[0]}",
            *(["thick outline: where that has changed most"] if marked else []),
        ],
    )


def _side(side: str, loss: float, name: str, nodes: Sequence[Node], edges: Sequence[Edge]) -> Picture:
    """The picture of one flow, in a frame with its name."""
    whole = picture(
        loss,
        [replace(node, id=side + node.id) for node in nodes],
        [replace(edge, source=side + edge.source, target=side + edge.target) for edge in edges],
    )
    outer = (name, SIDES.index(side))
    return replace(
        whole,
        frames=Frames(
            {id_: (outer, *path) for id_, path in whole.frames.around.items()},
            {(outer,): 1, **{(outer, *path): count for path, count in whole.frames.counts.items()}},
            {(outer,): "", **{(outer, *path): remark for path, remark in whole.frames.remarks.items()}},
        ),
    )


def _joined(left: Frames, right: Frames) -> Frames:
    return Frames({**left.around, **right.around}, {**left.counts, **right.counts}, {**left.remarks, **right.remarks})


def _notes(pairs: Sequence[Pair], names: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """Pairs of the id of a box and its additional line."""
    for a, b, ratio in pairs:
        if a is None and b is not None:
            yield SIDES[1] + b.id, f"only in {names[1]}"
        elif b is None and a is not None:
            yield SIDES[0] + a.id, f"only in {names[0]}"
        elif b is not None and times(ratio).startswith("×"):
            yield SIDES[1] + b.id, f"gradient {times(ratio)}"


def _marked(pairs: Sequence[Pair]) -> Iterator[str]:
    """The ids of the boxes that changed most."""
    most = max(_change(ratio) for _, _, ratio in pairs)
    for a, b, ratio in pairs:
        if a and b and _change(ratio) >= max(MOST * most, math.log(MUCH)):
            yield from (SIDES[0] + a.id, SIDES[1] + b.id)


def _change(ratio: float) -> float:
    """The distance of a ratio from 1, on a log scale; 0 for nan."""
    if math.isnan(ratio):
        return 0.0
    return abs(math.log(ratio)) if ratio else math.inf


def _level(pairs: Sequence[Pair], nodes: Sequence[Node]) -> list[tuple[str, str]]:
    """Ids of corresponding nodes to be drawn side by side: those that come in the same order in both flows."""
    place = {node.id: number for number, node in enumerate(nodes)}
    level: list[tuple[str, str]] = []
    latest = -1
    for a, b, _ in pairs:
        if a and b and b.op not in ("leaf", "other") and place[b.id] > latest:
            level.append((SIDES[0] + a.id, SIDES[1] + b.id))
            latest = place[b.id]
    return level

"""einsum: sums of products, in index notation.

    einsum("bij,bjk->bik", x, y)        a batch of matrix products
    einsum("...i,i", x, w)              each row of x with w; without "->", the result has the labels that occur once

The idea: three steps simplify each operand (take diagonals, drop axes of size 1 that broadcast, sum over labels that
nothing else has), and then pairs of operands are contracted until one is left. A count of each label's uses, by the
operands and the result, tells what nothing else has. Each step is an op with a derivative, so einsum needs no rule of
its own.

The invariant after the three steps: every label of an operand occurs in another operand or in the result.

Read next: `engine/ops/contraction.py`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from engine.ops.contraction import Labels, contract
from engine.ops.indexing import getitem
from engine.ops.reductions import sum
from engine.ops.shapes import convert_operands, permute_dims, reshape

__all__ = ["einsum"]

COMPARED = 8  # operands that are tried in pairs; all pairs of many would take the square of the time
_TERM = re.compile(r"[a-zA-Z]*(\.\.\.)?[a-zA-Z]*")


class Part(NamedTuple):
    """An operand, or the contraction of several, with the labels of its axes."""

    x: Any
    labels: Labels


def einsum(subscripts: str, *operands: Any) -> Any:
    """Multiply operands with labelled axes, and sum over the labels that are not in the result.

    A label repeated in one operand means its diagonal; `...` stands for axes that broadcast; sides of size 1
    broadcast as well. Without `->` the result has the labels that occur once, in alphabetical order.

    Raises TypeError if the subscripts are no string, ValueError if they do not fit the operands.
    """
    if not isinstance(subscripts, str):
        raise TypeError("einsum: the first argument is a string of subscripts, such as 'ij,jk->ik'")
    arrays = convert_operands("einsum", operands)
    shapes = [x.shape for x in arrays]
    inputs, output = parse(subscripts, shapes)
    sizes = sizes_of(subscripts, inputs, shapes)
    parts = [_diagonal(Part(x, labels)) for x, labels in zip(arrays, inputs, strict=True)]
    parts = [_drop_broadcast_axes(part, sizes) for part in parts]
    uses = Counter([*output, *(label for part in parts for label in part.labels)])
    parts = [_sum_unshared(part, uses) for part in parts]
    while len(parts) > 1:
        i, j = _next_pair(parts, uses, sizes)
        (y, right), (x, left) = parts.pop(j), parts.pop(i)
        result = _needed(left, right, uses) if parts else output
        uses.subtract([*left, *right])
        uses.update(result)
        parts.append(Part(contract(x, y, left=left, right=right, result=result), result))
    x, labels = parts[0]
    return x if labels == output else permute_dims(x, axes=tuple(labels.index(label) for label in output))


# ---- parsing the subscripts ----------------------------------------------------------------------------------------


def parse(subscripts: str, shapes: Sequence[tuple[int, ...]]) -> tuple[list[Labels], Labels]:
    """The labels of each operand and of the result: letters, and negative integers for the axes of an ellipsis."""
    source, arrow, target = subscripts.replace(" ", "").partition("->")
    terms = source.split(",")
    for term in (*terms, target):
        if not _TERM.fullmatch(term):
            raise _wrong(subscripts, f"{term!r} is not made of letters and at most one '...'")
    if len(terms) != len(shapes):
        raise _wrong(subscripts, f"{len(terms)} terms for {len(shapes)} operands")
    inputs = [_labels(subscripts, term, shape) for term, shape in zip(terms, shapes, strict=True)]
    labels = {label for labels in inputs for label in labels}
    ellipsis = tuple(sorted(label for label in labels if isinstance(label, int)))
    if not arrow:
        once = (label for label in labels if isinstance(label, str) and source.count(label) == 1)
        return inputs, (*ellipsis, *sorted(once))
    if ellipsis and "..." not in target:
        raise _wrong(subscripts, "the result needs '...' too, for the axes that broadcast")
    output = _expanded(target, ellipsis)
    if not labels.issuperset(output) or len(set(output)) < len(output):
        raise _wrong(subscripts, "each label of the result must occur in an operand, and only once in the result")
    return inputs, output


def _labels(subscripts: str, term: str, shape: tuple[int, ...]) -> Labels:
    """The labels of the axes of an operand."""
    broadcast = len(shape) - len(term.replace("...", ""))
    if broadcast < 0 or (broadcast > 0 and "..." not in term):
        raise _wrong(subscripts, f"{term!r} does not name the {len(shape)} axes of shape {shape}")
    return _expanded(term, tuple(range(-broadcast, 0)))


def _expanded(term: str, ellipsis: Labels) -> Labels:
    before, _, after = term.partition("...")
    return (*before, *(ellipsis if "..." in term else ()), *after)


def sizes_of(subscripts: str, inputs: Sequence[Labels], shapes: Sequence[tuple[int, ...]]) -> dict[Any, int]:
    """The size of each label. Axes of size 1 broadcast to it, except along a diagonal."""
    sizes: dict[Any, int] = {}
    for labels, shape in zip(inputs, shapes, strict=True):
        own: dict[Any, int] = {}
        for label, side in zip(labels, shape, strict=True):
            known = sizes.get(label, 1)
            if own.setdefault(label, side) != side or (side != known and 1 not in (side, known)):
                raise _wrong(subscripts, f"{label!r} has several sizes in shapes {', '.join(map(str, shapes))}")
            sizes[label] = side if known == 1 else known
    return sizes


def _wrong(subscripts: str, what: str) -> ValueError:
    return ValueError(f"einsum: {subscripts!r}: {what}")


# ---- simplifying the operands --------------------------------------------------------------------------------------


def _diagonal(part: Part) -> Part:
    """The operand with each label once: the diagonal of the axes that share a label."""
    x, labels = part
    for label in [label for label in dict.fromkeys(labels) if labels.count(label) > 1]:
        axes = [a for a, other in enumerate(labels) if other == label]
        others = [a for a, other in enumerate(labels) if other != label]
        places = np.arange(x.shape[axes[0]])
        x = getitem(permute_dims(x, axes=(*axes, *others)), (places,) * len(axes))
        labels = (label, *(labels[a] for a in others))
    return Part(x, labels)


def _drop_broadcast_axes(part: Part, sizes: dict[Any, int]) -> Part:
    """The operand without the axes of size 1 that broadcast; a product needs no axis for these."""
    x, labels = part
    kept = tuple(label for label, side in zip(labels, x.shape, strict=True) if side == sizes[label])
    return part if kept == labels else Part(reshape(x, shape=tuple(sizes[label] for label in kept)), kept)


def _sum_unshared(part: Part, uses: Counter[Any]) -> Part:
    """The operand summed over the labels that neither the result nor another operand has."""
    x, labels = part
    unshared = tuple(a for a, label in enumerate(labels) if uses[label] == 1)
    needed = tuple(label for label in labels if uses[label] > 1)
    return Part(sum(x, axis=unshared), needed) if unshared else part


# ---- contracting ---------------------------------------------------------------------------------------------------


def _needed(left: Labels, right: Labels, uses: Counter[Any]) -> Labels:
    """The labels of two operands that the result or a third operand has too."""
    both = (*left, *right)
    return tuple(label for label in dict.fromkeys(both) if uses[label] > both.count(label))


def _next_pair(parts: Sequence[Part], uses: Counter[Any], sizes: dict[Any, int]) -> tuple[int, int]:
    """The positions, among the first few, of the two operands whose contraction has the fewest elements."""

    def size(pair: tuple[int, int]) -> int:
        left, right = (parts[k].labels for k in pair)
        return math.prod(sizes[label] for label in _needed(left, right, uses))

    return min(combinations(range(min(len(parts), COMPARED)), 2), key=size)

"""The plain data of a flow: values, edges between them, and the leaves. Nothing here computes or draws."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields


class Data:
    """Equal to others of its class that tell the same, where a nan equals a nan.

    A dataclass's own comparison says otherwise: up to Python 3.12 sometimes, from 3.13 on always.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._told() == other._told()

    def __hash__(self) -> int:
        return hash(self._told())

    def _told(self) -> tuple[object, ...]:
        return tuple(_comparable(getattr(self, field.name)) for field in fields(self))  # type: ignore[arg-type]


def _comparable(value: object) -> object:
    """The same with a word for each nan."""
    if isinstance(value, tuple):
        return tuple(map(_comparable, value))
    return "nan" if isinstance(value, float) and math.isnan(value) else value


@dataclass(frozen=True, slots=True, eq=False)
class Numbers(Data):
    """What is told of an array: a summary, and every number of a small one.

    Fields:
        mean, std: of all its numbers, in float64.
        least, greatest: the ends of their range.
        each: the numbers themselves, row by row; None where they are too many to read.
    """

    mean: float
    std: float
    least: float
    greatest: float
    each: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Node(Data):
    """A value in the graph, or a box of several.

    Fields:
        id: the same from run to run for the same program.
        op: the op that made it; "leaf" for what the user made; "module" for a box; "other" for what was pruned.
        name: the user's name for it, or None.
        scope: path of modules, outermost first.
        calls: which call of each of these modules it was made in, counted from 0 in the order of the recording.
        shape, dtype: of the value; of the last value in a box.
        norm: |dL/dx|, the 2-norm of its gradient; in a box, of all gradients that arrive from outside.
        rms: the root mean square of the same.
        parameters: how many values of leaves are in it.
        blame: the leaves' share of the sum of squares of all leaves' gradients; see `viz/stages.py`.
        count: how many equal repeated boxes or values it stands for.
        formula: what the op computes, in one line; empty for a box and a leaf.
        value: of the array itself, where it is still known; see `engine.keep_values`. None for a box.
        gradient: of dL/dx; None for a box.
        hooked: whether a hook of the user's sees this gradient, and may change what goes on from here; all that is
            told of the gradient is as it arrived.
    """

    id: str
    op: str
    name: str | None
    scope: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    norm: float
    rms: float
    parameters: int = 0
    blame: float = 0.0
    count: int = 1
    formula: str = ""
    value: Numbers | None = None
    gradient: Numbers | None = None
    calls: tuple[int, ...] = ()
    hooked: bool = False

    @property
    def label(self) -> str:
        """What a person calls it: the last part of its path, its name, or its op."""
        return self.scope[-1] if self.op == "module" else self.name or self.op


@dataclass(frozen=True, slots=True, eq=False)
class Edge(Data):
    """Blame running from `source` (made later) into `target`.

    Fields:
        norm: the 2-norm of the contribution.
        share: signed share in the target's gradient; nan where that gradient is zero.
        argument: which argument of the source's op the target was, counted from 0; None between boxes.
        rule: the text of the rule that made the contribution; empty between boxes.
        local: the op's own derivative in this argument, as text, where it has few numbers; else empty.
        gathered: the norm of all that had arrived in the target by then, this contribution included; nan between boxes.
        each: the contribution's numbers, row by row; None where they are too many to read.
        count: how many contributions it stands for.
    """

    source: str
    target: str
    norm: float
    share: float
    argument: int | None = None
    rule: str = ""
    local: str = ""
    gathered: float = float("nan")
    each: tuple[float, ...] | None = None
    count: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Parameter(Data):
    """A leaf: the module that uses it first, its number of values, and the norm of its gradient."""

    scope: tuple[str, ...]
    name: str | None
    size: int
    norm: float

    @property
    def squared(self) -> float:
        """The squared norm."""
        return self.norm * self.norm

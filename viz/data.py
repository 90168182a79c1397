"""The plain data of a flow: nodes, edges, parameters and what else is known. Nothing here computes or draws.

Read next: `viz/trace.py`, how a loss becomes this data.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields


class Data:
    """Equal to another of the same class with equal fields, where nan equals nan.

    A plain dataclass calls two nan unequal: up to Python 3.12 sometimes, from 3.13 on always.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._comparable() == other._comparable()

    def __hash__(self) -> int:
        return hash(self._comparable())

    def _comparable(self) -> tuple[object, ...]:
        return tuple(_without_nan(getattr(self, field.name)) for field in fields(self))  # type: ignore[arg-type]


def _without_nan(value: object) -> object:
    """The value with the text "nan", which equals itself, for each nan."""
    if isinstance(value, tuple):
        return tuple(map(_without_nan, value))
    return "nan" if isinstance(value, float) and math.isnan(value) else value


@dataclass(frozen=True, slots=True, eq=False)
class Numbers(Data):
    """A summary of an array, with all elements of a small one.

    Fields:
        mean, std: mean and standard deviation of the elements, in float64.
        least, greatest: the smallest and the largest element.
        each: the elements, row by row; None if they are too many to list.
        zeros: the fraction of the elements that are exactly zero; nan if they were not counted.
    """

    mean: float
    std: float
    least: float
    greatest: float
    each: tuple[float, ...] | None = None
    zeros: float = math.nan


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the user's source: the file, the number of the line from 1, and its text, empty if it is not known."""

    file: str
    number: int
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.number}"


@dataclass(frozen=True, slots=True, eq=False)
class Node(Data):
    """A value in the graph, or a box that stands for several values.

    Fields:
        id: the same in every run of the same program.
        op: the op that computed it; "leaf" for a leaf; "module" for a box; "other" for all that was pruned.
        name: the user's name for it, or None.
        scope: path of modules, outermost first.
        calls: for each of these modules, the number of the call, counted from 0 in the order of the recording.
        shape, dtype: of the value; for a box, of its last value.
        norm: |dL/dx|, the 2-norm of its gradient; for a box, of all gradients that arrive from outside.
        rms: the root mean square of the same gradient.
        parameters: the number of elements of all leaves in it.
        blame: the share of these leaves in the sum of squares of all leaves' gradients, as for a stage.
        count: the number of equal repeated boxes or values it stands for.
        formula: what the op computes, in one line; empty for a box and a leaf.
        value: the elements of the array, if they are still known; None for a box.
        gradient: the elements of dL/dx; None for a box.
        hooked: whether the user has a hook on this gradient, which may change what flows on from here; `norm`, `rms`
            and `gradient` describe it before the hook.
        saved: the bytes that are kept for its backward pass, parameters left out; memory that several values keep is
            counted for the oldest of them. None if that is not known.
        line: the line of the user's source that made it; None if that was not recorded.
        trouble: whether its gradient is the first, going backward from the loss, with a nan or an infinite number; for
            a box, whether it holds this value.
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
    saved: int | None = None
    line: Line | None = None
    trouble: bool = False

    @property
    def label(self) -> str:
        """What to call it: a box by the last part of its path, a value by its name, or else by its op."""
        return self.scope[-1] if self.op == "module" else self.name or self.op


@dataclass(frozen=True, slots=True, eq=False)
class Edge(Data):
    """Blame that runs from `source` (computed later) into `target`.

    Fields:
        norm: the 2-norm of the contribution.
        share: signed share in the target's gradient; nan where that gradient is zero.
        argument: the target's position among the arguments of the source's op, from 0; None between boxes.
        rule: the text of the rule that computed the contribution; empty between boxes.
        local: the op's own derivative with respect to this argument, as text; empty if it has many elements.
        gathered: the norm of the sum of the contributions into the target up to this one; nan between boxes.
        each: the contribution's elements, row by row; None if they are too many to list.
        count: the number of contributions it stands for.
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
    """A leaf: the scope that uses it first, its name, its number of elements, and the norm of its gradient."""

    scope: tuple[str, ...]
    name: str | None
    size: int
    norm: float

    @property
    def squared(self) -> float:
        """The squared norm."""
        return self.norm * self.norm


@dataclass(frozen=True, slots=True)
class Kept:
    """The bytes that the values made in a scope keep for the backward pass, see `Node.saved`; inner scopes apart."""

    scope: tuple[str, ...]
    saved: int


@dataclass(frozen=True, slots=True)
class Absent:
    """A tensor of the user's that no blame reaches.

    Fields:
        name: the expression that leads to it, such as `model.head.weight`.
        size: its number of elements.
        frozen: True if it requires no gradient; False if it does, and the loss was not computed from it.
    """

    name: str
    size: int
    frozen: bool


def total(saved: Iterable[int | None]) -> int | None:
    """The sum of the numbers of bytes that are known; None if none is."""
    known = [number for number in saved if number is not None]
    return sum(known) if known else None

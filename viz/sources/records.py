"""What is known of one backward pass: a record for every value, every edge and every gradient.

A source makes these; nothing in them depends on whose backward pass it was. A *key* stands for a value: whatever the
source tells its values apart by, such as the node of a graph.

Read next: `viz/sources/watch.py`, how edges and gradients are recorded.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from viz.data import Absent, Edge, Kept, Line, Node, Numbers, Parameter

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Value(Generic[K]):
    """What a source knows of a value: the fields of a `viz.Node` that do not come from its gradient.

    `calls` holds a number for each module in `scope`: two values with equal scopes and equal numbers were made in one
    call. The numbers need only differ; they are counted from 0 later. A leaf has the scope and calls of its first use.
    """

    key: K
    op: str
    name: str | None
    scope: tuple[str, ...]
    calls: tuple[int, ...]
    shape: tuple[int, ...]
    dtype: str
    is_leaf: bool = False
    formula: str = ""
    value: Numbers | None = None
    hooked: bool = False
    saved: int | None = None
    line: Line | None = None


class Sent(NamedTuple, Generic[K]):
    """An edge before its contribution is measured: where it leads, and the fields of a `viz.Edge` with these names."""

    source: K
    target: K
    argument: int | None
    rule: str
    local: str


class Contribution(NamedTuple):
    """The measures of one contribution: the fields of a `viz.Edge` with these names."""

    norm: float
    share: float
    gathered: float
    each: tuple[float, ...] | None


class Gradient(NamedTuple):
    """The measures of a gradient, and of each contribution to it in the order of their arrival.

    Fields:
        norm, rms: its 2-norm, and the root mean square of its elements.
        numbers: its elements.
        contributions: the measures of each.
        rows: if asked for, the norm along the last axis, in rows of the axis before.
    """

    norm: float
    rms: float
    numbers: Numbers | None
    contributions: tuple[Contribution, ...]
    rows: tuple[tuple[float, ...], ...] = ()


class Recording(NamedTuple):
    """What one backward pass comes to: the fields of a `viz.BlameFlow`."""

    loss: float
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    parameters: tuple[Parameter, ...]
    positions: tuple[tuple[float, ...], ...] = ()
    unknown_value: str = ""
    unknown_line: str = ""
    memory: tuple[Kept, ...] = ()
    absent: tuple[Absent, ...] = ()

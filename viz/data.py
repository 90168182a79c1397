"""The plain data of a flow: values, edges between them, and the leaves. Nothing here computes or draws."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """A value in the graph, or a box of several.

    Fields:
        id: the same from run to run for the same program.
        op: the op that made it; "leaf" for what the user made; "module" for a box.
        name: the user's name for it, or None.
        scope: path of modules, outermost first.
        shape, dtype: of the value; of the last value in a box.
        norm: |dL/dx|, the 2-norm of its gradient; in a box, of all gradients that arrive from outside.
        rms: the root mean square of the same.
        parameters: how many values of leaves are in it.
        blame: the leaves' share of the sum of squares of all leaves' gradients; see `viz/stages.py`.
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

    @property
    def label(self) -> str:
        """What a person calls it: the last part of its path, its name, or its op."""
        return self.scope[-1] if self.op == "module" else self.name or self.op


@dataclass(frozen=True, slots=True)
class Edge:
    """Blame running from `source` (made later) into `target`.

    Fields:
        norm: the 2-norm of the contribution.
        share: signed share in the target's gradient; nan where that gradient is zero.
    """

    source: str
    target: str
    norm: float
    share: float


@dataclass(frozen=True, slots=True)
class Parameter:
    """A leaf: the module that uses it first, its number of values, and the squared norm of its gradient."""

    scope: tuple[str, ...]
    name: str | None
    size: int
    squared: float

"""stages: the share of each part of the model in the fall of the loss under a step of gradient descent.

The step moves theta by -lr g and lowers the loss, to first order, by lr |g|^2, which is a sum over parameters. So a
stage's share, |g|^2 of its parameters divided by |g|^2 of all, is its share of that fall, and the shares add up to 1. A
module without parameters is no stage: a step changes nothing in it.

Read next: `viz/trouble.py`, where gradients first break.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from viz.checks import check_depth
from viz.data import Data, Kept, Parameter, total


@dataclass(frozen=True, slots=True, eq=False)
class Stage(Data):
    """The parameters of a module together.

    Fields:
        name: the module's path, cut at the depth asked for; for a leaf used outside all modules, its own name.
        share: its share in the sum of squares of all gradients; nan if that sum is zero or not finite.
        norm: the 2-norm of the gradient of all its parameters.
        parameters: their number of elements.
        saved: the bytes that everything in the module keeps for the backward pass; None if that is not known.
    """

    name: str
    share: float
    norm: float
    parameters: int
    saved: int | None = None


def stages(parameters: Sequence[Parameter], memory: Sequence[Kept], depth: int) -> list[Stage]:
    """All stages, in the order in which the model runs through them."""
    check_depth("stages", depth)
    norms: dict[str, float] = {}
    sizes: dict[str, int] = {}
    for parameter in parameters:
        name = ".".join(parameter.scope[:depth]) or parameter.name or "(no module)"
        norms[name] = math.hypot(norms.get(name, 0.0), parameter.norm)
        sizes[name] = sizes.get(name, 0) + parameter.size
    saved: dict[str, list[int]] = {}
    for kept in memory:
        saved.setdefault(".".join(kept.scope[:depth]), []).append(kept.saved)
    shares = shares_of([*norms.values()])
    return [
        Stage(name, share, norm, sizes[name], total(saved.get(name, ())))
        for (name, norm), share in zip(norms.items(), shares, strict=True)
    ]


def shares_of(norms: Sequence[float]) -> list[float]:
    """The share of each square in the sum of squares; all nan if that sum is zero or not finite."""
    largest = max(norms, default=0.0)
    if not 0 < largest < math.inf or any(map(math.isnan, norms)):
        return [math.nan] * len(norms)
    squares = [(norm / largest) ** 2 for norm in norms]  # scaled to at most 1, so that no square overflows
    total = math.fsum(squares)
    return [square / total for square in squares]

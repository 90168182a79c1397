"""stages: which part of the model a step would change, and by how much it would help.

A step of gradient descent moves theta by -lr g and lowers the loss, to first order, by lr |g|^2, which is a sum
over parameters. So a stage's share, the |g|^2 of its parameters over all of it, is its share of that fall, and
the shares add up to 1. A stage without parameters has none: nothing in it can be changed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from viz.checks import check_depth
from viz.data import Data, Parameter


@dataclass(frozen=True, slots=True, eq=False)
class Stage(Data):
    """A module's parameters together.

    Fields:
        name: the module's path, cut at the depth asked for; a leaf used outside any module goes by its own name.
        share: of the sum of squares of all gradients; nan where that is zero or not finite.
        norm: the 2-norm of the gradient of all its parameters.
        parameters: how many values they have.
    """

    name: str
    share: float
    norm: float
    parameters: int


def stages(parameters: Sequence[Parameter], depth: int) -> list[Stage]:
    """All stages, in the order in which the model runs through them."""
    check_depth("stages", depth)
    norms: dict[str, float] = {}
    sizes: dict[str, int] = {}
    for parameter in parameters:
        name = ".".join(parameter.scope[:depth]) or parameter.name or "(no module)"
        norms[name] = math.hypot(norms.get(name, 0.0), parameter.norm)
        sizes[name] = sizes.get(name, 0) + parameter.size
    shares = shares_of([*norms.values()])
    return [Stage(name, share, norm, sizes[name]) for (name, norm), share in zip(norms.items(), shares, strict=True)]


def shares_of(norms: Sequence[float]) -> list[float]:
    """The part of each in the sum of their squares; nan for all where that is zero or not finite."""
    largest = max(norms, default=0.0)
    if not 0 < largest < math.inf or any(map(math.isnan, norms)):
        return [math.nan] * len(norms)
    squares = [(norm / largest) ** 2 for norm in norms]  # of numbers up to 1, which do not overflow
    total = math.fsum(squares)
    return [square / total for square in squares]

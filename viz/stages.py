"""stages: which part of the model a step would change, and by how much it would help.

A step of gradient descent moves theta by -lr g and lowers the loss, to first order, by lr |g|^2, which is a sum
over parameters. So a stage's share, the |g|^2 of its parameters over all of it, is its share of that fall, and
the shares add up to 1. A stage without parameters has none: nothing in it can be changed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from viz.data import Parameter


@dataclass(frozen=True, slots=True)
class Stage:
    """A module's parameters together.

    Fields:
        name: the module's path, cut at the depth asked for; a leaf used outside any module goes by its own name.
        share: of the sum of squares of all gradients; nan where that is zero.
        norm: the 2-norm of the gradient of all its parameters.
        parameters: how many values they have.
    """

    name: str
    share: float
    norm: float
    parameters: int


def stages(parameters: Sequence[Parameter], depth: int) -> list[Stage]:
    """All stages, in the order in which the model runs through them."""
    if depth < 1:
        raise ValueError(f"stages: depth must be at least 1, not {depth}")
    squared: dict[str, float] = {}
    sizes: dict[str, int] = {}
    for parameter in parameters:
        name = ".".join(parameter.scope[:depth]) or parameter.name or "(no module)"
        squared[name] = squared.get(name, 0.0) + parameter.squared
        sizes[name] = sizes.get(name, 0) + parameter.size
    total = math.fsum(squared.values())
    return [
        Stage(name, value / total if total else math.nan, math.sqrt(value), sizes[name])
        for name, value in squared.items()
    ]

"""What the reverse rule of a point claims, and the two laws that need no numerical truth: linearity, and precision.

Read next: `engine/testing/comparison.py`, where these claims are held against the truth.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.arrays import Array
from engine.testing.judge import Judge
from engine.testing.numeric import precision
from engine.testing.points import Point, random, shaken

__tracebackhide__ = True  # in pytest's tracebacks: what failed is what was checked

ROUNDED = 64 * np.finfo(np.float64).eps  # what a rule may lose of the largest entry it makes
LINEAR = 1e-6  # relative, since a rule may compute in float32
SLIGHT = 100.0  # times what rounding explains
NARROW = 64.0  # units in the last place by which a rule may be off that computes in a lower precision


def pulled(point: Point, g: Array, judge: Judge, xs: Sequence[Array] | None = None) -> list[Array]:
    """The gradients that the reverse rule claims, each in the shape of its argument."""
    return [
        judge.shaped(f"{point.subject}: the vjp rule of {name}", found, x.shape)
        for name, x, found in zip(point.names, point.xs, point.pull(g, xs), strict=True)
    ]


def linear_to(out: Array) -> float:
    """How much two cotangents may differ, relatively, that are the same but for rounding. A rule may use float32."""
    return max(LINEAR, 64 * precision(out))


def hold_linear(judge: Judge, name: str, found: Array, expected: Array, room: Array, g: Array) -> None:
    """A mistake in linearity is gross; what is slight may come from a rule that cancels, and is left undecided."""
    off = np.abs(found - expected)
    gross = np.maximum(SLIGHT * room, ROUNDED * np.abs(g).max(initial=0))
    if (off > room).any() and (off < gross).all():
        judge.leave(found.size, f"the vjp of {name} is linear in g to few digits only, so it loses some")
    else:
        judge.equal("linear in g", name, found, expected, room)


def compare_narrow(narrow: Point, wide: Point, judge: Judge, seed: int) -> None:
    """Hold the reverse rule in the arguments' own precision against itself in float64.

    It may be off by as much as it moves when arguments and cotangent are moved by a unit in the last place.
    """
    rng = np.random.default_rng([seed, 2])
    unit, largest = (max(float(getattr(np.finfo(x.dtype), what)) for x in narrow.xs) for what in ("eps", "max"))
    smallest = max(float(np.finfo(x.dtype).tiny) for x in narrow.xs)
    out = wide.value(*wide.xs)
    g = random(rng, out.shape).astype(np.float16).astype(np.float64)
    shakes = [
        pulled(narrow, g * (1 + unit * rng.choice([-1, 1], g.shape)), judge, shaken(narrow.xs, rng)) for _ in range(4)
    ]
    for k, (found, truth) in enumerate(zip(pulled(narrow, g, judge), pulled(wide, g, judge), strict=True)):
        with np.errstate(all="ignore"):
            moves = np.max([np.nan_to_num(np.abs(shake[k] - found), posinf=0.0) for shake in shakes], axis=0)
            size = np.abs(truth) + np.abs(truth).max(initial=0, where=np.isfinite(truth))
            least = unit * np.abs(g).max(initial=0) * np.abs(out).max(initial=0, where=np.isfinite(out)) + smallest
            tolerance = NARROW * (unit * size + moves.max(initial=0)) + 4 * least
        beyond = ~(np.abs(truth) < largest / 4)  # what overflows in the narrow dtype
        judge.equal("narrow = wide", narrow.names[k], found, truth, np.where(beyond, np.inf, tolerance))

"""The gradients that the reverse rule of a point claims, and two laws that need no numerical truth.

The rule is linear in the cotangent, and in a lower precision it agrees with itself in float64.

Read next: `engine/testing/comparison.py`, where these claims are compared with the truth.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.arrays import Array
from engine.testing.judge import Judge
from engine.testing.numeric import precision
from engine.testing.points import Point, random, shaken

__tracebackhide__ = True  # in pytest's tracebacks: what failed is what was checked

RULE_ROUNDING = 64 * np.finfo(np.float64).eps  # the rounding of a rule, relative to the largest entry it computes
LINEARITY = 1e-6  # relative tolerance of linearity; a rule may compute in float32
SLIGHT = 100.0  # an error of linearity larger than this many tolerances is a mistake
NARROW_UNITS = 64.0  # units in the last place by which a rule in a lower precision may be off,
MOVED_UNITS = 16.0  # this many times as far as it moves with its arguments,
TERM_UNITS = 8.0  # and units of the terms it may be the small difference of


def pulled(point: Point, g: Array, judge: Judge, xs: Sequence[Array] | None = None) -> list[Array]:
    """The gradients that the reverse rule claims, each in the shape of its argument."""
    return [
        judge.shaped(f"{point.subject}: the vjp rule of {name}", found, x.shape)
        for name, x, found in zip(point.names, point.xs, point.pull(g, xs), strict=True)
    ]


def linear_to(out: Array) -> float:
    """The relative tolerance of linearity for results of this dtype."""
    return max(LINEARITY, 64 * precision(out))


def hold_linear(judge: Judge, name: str, found: Array, expected: Array, room: Array, g: Array) -> None:
    """Check linearity: a large error is a mistake; a slight one may come from cancellation, and is left undecided."""
    off = np.abs(found - expected)
    gross = np.maximum(SLIGHT * room, RULE_ROUNDING * np.abs(g).max(initial=0))
    if (off > room).any() and (off < gross).all():
        judge.leave_undecided(found.size, f"the vjp of {name} is linear in g to a few digits only: it loses precision")
    else:
        judge.equal("linear in g", name, found, expected, room)


def compare_narrow(narrow: Point, wide: Point, judge: Judge, seed: int) -> None:
    """Compare the reverse rule in the arguments' own precision with the same rule in float64.

    It may be off by as much as it changes when arguments and cotangent are moved by a unit in the last place, and by
    the rounding of the terms in it. That is of the size of g, not of the function.
    """
    rng = np.random.default_rng([seed, 2])
    unit, largest = (max(float(getattr(np.finfo(x.dtype), what)) for x in narrow.xs) for what in ("eps", "max"))
    smallest = max(float(np.finfo(x.dtype).tiny) for x in narrow.xs)
    out = wide.value(*wide.xs)
    g = random(rng, out.shape).astype(np.float16).astype(np.float64)
    terms = np.abs(g).max(initial=0) * min(1.0, np.abs(out).max(initial=0, where=np.isfinite(out)))  # as in 1 - out**2
    shakes = [
        pulled(narrow, g * (1 + unit * rng.choice([-1, 1], g.shape)), judge, shaken(narrow.xs, rng)) for _ in range(4)
    ]
    for k, (found, truth) in enumerate(zip(pulled(narrow, g, judge), pulled(wide, g, judge), strict=True)):
        with np.errstate(all="ignore"):
            moves = np.max([np.nan_to_num(np.abs(shake[k] - found), posinf=0.0) for shake in shakes], axis=0)
            beside = np.abs(truth).max(initial=0, where=np.isfinite(truth)) / 8 + terms
            tolerance = NARROW_UNITS * unit * np.abs(truth) + TERM_UNITS * unit * beside + 4 * smallest
            tolerance += MOVED_UNITS * np.maximum(moves, moves.max(initial=0) / 8)
        overflows = ~(np.abs(truth) < largest / 4)  # in the narrow dtype
        judge.equal("narrow = wide", narrow.names[k], found, truth, np.where(overflows, np.inf, tolerance))

"""A second look at one slope that seems wrong: is it the slope, or is it the difference quotient?

By Taylor, a right slope a leaves f(h) - f(-h) - 2 a h = O(h^3); a wrong one leaves a term of first order, at every
scale, whatever the step. So a claim is called wrong only if all of these hold:

    agreed       two of three families of steps agree on the slope, a hundred times better than with the claim
    excluded     and both exclude the claim by ten times their own error
    first order  the remainder falls like h^1 where it stands out from rounding
    no kink      right and left slope are the same
    no mirage    the claim is not the slope of f as seen from farther away, as that of round(x, 6) seems to be 1

Else it is inconclusive, which is no pass either.

Read next: `engine/testing/judge.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.arrays import Array
from engine.testing.numeric import FLAT, LEAST, STEP, Estimate, derivative, moved, precision

Line = Callable[[float], Any]  # f along a line through the point, the point itself at 0

SAFETY = 10.0  # a claim may be off by this many estimated errors,
EXACT = 1e-6  # by this much of the slope, since rules round as well,
ROUNDED = 4.0  # by so many units in the last place of f,
TINY = 1e-300  # and by what has no full precision any more
BARELY = 64 * np.finfo(np.float64).eps  # what may be lost where f stands still, if its parts are of size one
AGREES, DISAGREES, UNDECIDED = "agrees", "disagrees", "inconclusive"

# Steps to begin with, and how fast they shrink: multiples of one another would all meet a fast wave in the same phase.
FAMILIES = ((STEP, 2.0), (1433 * 2.0**-15, 4.0), (1187 * 2.0**-15, 3.0))
RUN = 3  # a slope seen at that many scales in a row is a slope


class Finding(NamedTuple):
    """What a second look found: a verdict, the slope, and the order of the remainder where it was needed."""

    verdict: str
    truth: Estimate
    order: float | None = None


def along(
    f: Callable[..., Any], arrays: Sequence[Any], directions: Sequence[Any], weigh: Callable[[Array], Any]
) -> Line:
    """The function of one number that moves the arrays along directions and weighs the result of f."""
    like = np.asarray(f(*arrays))
    return lambda h: weigh(np.asarray(moved(f, arrays, directions, h, like)))


def allowed(truth: Estimate, slack: Array | float = 0.0) -> Array:
    """How far from the truth a right claim may be: by the truth's error, its own rounding, and some slack."""
    return SAFETY * truth.error + EXACT * np.abs(truth.value) + truth.flat / FLAT * ROUNDED + TINY + slack


def distance(claim: Array, truth: Estimate, subgradient: bool) -> Array:
    """How far a claim is from the truth; at a kink, if `subgradient`, from the interval between its two slopes."""
    far = np.abs(claim - truth.value)
    return np.maximum(far - np.abs(truth.jump) / 2, 0) if subgradient else far


def examine(line: Line, claim: float, *, subgradient: bool = False, slack: float = 0.0) -> Finding:
    """Whether a claimed slope of a line at 0 is certainly wrong, or right after all."""
    estimates = [derivative(line, step, shrink) for step, shrink in FAMILIES]
    with np.errstate(all="ignore"):
        for one, other in ((0, 1), (1, 2), (0, 2)):
            truth, second = estimates[one], estimates[other]
            off = distance(np.asarray(claim), truth, subgradient)
            doubt = SAFETY * (truth.error + second.error) + 0.01 * np.nan_to_num(off)
            if not (truth.decided and second.decided and abs(truth.value - second.value) <= doubt):
                continue
            if not subgradient and (truth.jump != 0 or second.jump != 0):
                break
            near = [distance(np.asarray(claim), a, subgradient) <= allowed(a, slack) for a in (truth, second)]
            if any(near):
                return Finding(AGREES if all(near) else UNDECIDED, truth)
            if not np.isfinite(claim) or truth.jump != 0:
                return Finding(DISAGREES, truth)
            seen = _Slopes(line)
            order = seen.order(claim)
            certain = abs(order - 1) < 0.25 and not seen.mirage(claim, float(truth.value))
            return Finding(DISAGREES if certain else UNDECIDED, truth, order)
    return Finding(UNDECIDED, estimates[0])


class _Slopes:
    """Central differences of a line at every scale where it has a value, the largest first.

    Fields: the steps, the slopes, how far rounding may put them off, and how far f moved to the right and to the left.
    """

    def __init__(self, line: Line) -> None:
        middle = np.asarray(line(0.0))
        steps = STEP * 0.5 ** np.arange(int(np.log2(STEP / LEAST)))
        pairs = np.array([[line(h), line(-h)] for h in steps], np.float64)
        there = np.isfinite(pairs).all(axis=1)
        self.steps, pairs = steps[there], pairs[there]
        self.slopes = (pairs[:, 0] - pairs[:, 1]) / (2 * self.steps)
        self.rounding = precision(middle) * np.abs(pairs).max(axis=1, initial=0) / self.steps
        self.moves = np.abs(pairs - float(middle))

    def order(self, claim: float) -> float:
        """p, where the remainder falls like h^p: at the smallest scales at which it stands out from rounding."""
        size = np.abs(self.slopes - claim)
        clear = (size[1:] > 16 * self.rounding[1:]) & (size[:-1] > 0)
        ratios = np.log2(size[:-1][clear] / size[1:][clear])
        return 1 + float(np.median(ratios[-5:])) if len(ratios) else np.nan

    def mirage(self, claim: float, truth: float) -> bool:
        """Whether f has the claimed slope, not zero, at several larger scales, and the true one only below.

        Noise, seen in the differences at scales smaller than the best, may hide a slope; so may the rounding of a part
        of f, of size one, that cancels. Where f moves to both sides, but stands still at small scales, its slope of 0
        there may come from rounding, as that of round(x, 3) does. On the flat side of a kink it moves to one side only.
        """
        off = abs(claim - truth)
        if claim == 0 or not len(self.steps):
            return False
        best = int(np.argmin(np.abs(self.slopes - truth)))
        noise = (np.abs(self.slopes - truth) * self.steps)[best + 1 :].max(initial=0)
        if off * STEP <= 16 * noise:
            return True
        if truth == 0 and not self.moves[-RUN:].any():
            grid = (self.moves > 0).all(axis=1) & (np.abs(self.slopes - claim) <= 0.5 * abs(claim))
            if grid.any() or off * STEP < BARELY:
                return True
        room = min(0.02 * abs(claim), 0.1 * off)
        near = (np.abs(self.slopes - claim) <= room) & (self.rounding <= room)
        return len(near) >= RUN and bool(np.lib.stride_tricks.sliding_window_view(near, RUN).all(axis=1).any())

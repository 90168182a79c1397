"""A second test for one slope that seems wrong: is the claim wrong, or the difference quotient?

By Taylor's theorem a right slope a leaves the remainder f(h) - f(-h) - 2 a h = O(h^3); a wrong slope leaves a remainder
of first order at every scale. So a claim is called wrong only if all of these hold:

    agreed       two of three families of steps agree on the slope, a hundred times better than with the claim
    excluded     both exclude the claim by ten times their own error
    first order  the remainder falls like h^1 where it is larger than rounding
    no kink      the right and the left slope are the same
    no mirage    the claim is not the slope of f at larger scales, as 1 is for round(x, 6)

Otherwise the verdict is inconclusive, which is not a pass either.

Read next: `engine/testing/judge.py`, the three verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.arrays import Array
from engine.testing.numeric import FLAT, LEAST, STEP, Estimate, derivative, moved, precision

Line = Callable[[float], Any]  # f along a line through the point, the point itself at 0

# A claim may differ from the truth by the sum of:
SAFETY = 10.0  # this many estimated errors,
EXACT = 1e-6  # this fraction of the slope, because rules round too,
ROUNDED = 4.0  # this many units in the last place of f,
TINY = 1e-300  # and this much, because smaller floats lose precision
BARELY = 64 * np.finfo(np.float64).eps  # a change of f that rounding may hide, if terms of size one cancel in f
AGREES, DISAGREES, UNDECIDED = "agrees", "disagrees", "inconclusive"

# The first step of each family, and the factor by which its steps shrink. Steps that are multiples of one another would
# all sample a fast oscillation at the same phase.
FAMILIES = ((STEP, 2.0), (1433 * 2.0**-15, 4.0), (1187 * 2.0**-15, 3.0))
FAR = (1.0, 16.0, 256.0)  # a slope that is hidden by the rounding of f at 1/16 shows at these steps
SCALES = 3  # the same difference quotient at this many scales in a row counts as a slope


class Finding(NamedTuple):
    """The result of the second test: a verdict, the slope, and the order of the remainder if it was computed."""

    verdict: str
    truth: Estimate
    order: float | None = None


def along(
    f: Callable[..., Any], arrays: Sequence[Any], directions: Sequence[Any], weigh: Callable[[Array], Any]
) -> Line:
    """The function of one number h that calls f at arrays + h directions and takes `weigh` of the result."""
    like = np.asarray(f(*arrays))
    return lambda h: weigh(np.asarray(moved(f, arrays, directions, h, like)))


def allowed(truth: Estimate, slack: Array | float = 0.0) -> Array:
    """How far a right claim may be from the truth: the truth's error, the claim's rounding, and the slack."""
    return SAFETY * truth.error + EXACT * np.abs(truth.value) + truth.flat / FLAT * ROUNDED + TINY + slack


def distance(claim: Array, truth: Estimate, subgradient: bool) -> Array:
    """How far a claim is from the truth; with `subgradient`, at a kink, from the interval between the two slopes."""
    far = np.abs(claim - truth.value)
    return np.maximum(far - np.abs(truth.jump) / 2, 0) if subgradient else far


def examine(line: Line, claim: float, *, subgradient: bool = False, slack: float = 0.0, noise: float = 0.0) -> Finding:
    """Decide whether the claimed slope of a line at 0 is right, certainly wrong, or neither."""
    estimates = [derivative(line, step, shrink, noise=noise) for step, shrink in FAMILIES]
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
            slopes = _Slopes(line, noise)
            order = slopes.order(claim)
            certain = abs(order - 1) < 0.25 and not slopes.mirage(claim, float(truth.value))
            return Finding(DISAGREES if certain else UNDECIDED, truth, order)
    return Finding(UNDECIDED, estimates[0])


def constant(line: Line, noise: float = 0.0) -> bool:
    """Whether a line does not move at large steps either, but for its rounding; where it has values there."""
    middle = np.asarray(line(0.0))
    moves = np.array([abs(float(line(h)) - float(middle)) for size in FAR for h in (size, -size)])
    there, rounding = np.isfinite(moves), max(precision(middle) * abs(float(middle)), noise)
    return bool(there[:2].all() and (moves[there] <= ROUNDED * rounding).all())


class _Slopes:
    """Central differences of a line at every step at which it is finite, the largest step first.

    Attributes: the steps, the slopes, the error of each slope by rounding, and how far f moved to the right and left.
    """

    def __init__(self, line: Line, noise: float) -> None:
        middle = np.asarray(line(0.0))
        steps = STEP * 0.5 ** np.arange(int(np.log2(STEP / LEAST)))
        pairs = np.array([[line(h), line(-h)] for h in steps], np.float64)
        there = np.isfinite(pairs).all(axis=1)
        self.steps, pairs = steps[there], pairs[there]
        self.slopes = (pairs[:, 0] - pairs[:, 1]) / (2 * self.steps)
        self.rounding = np.maximum(precision(middle) * np.abs(pairs).max(axis=1, initial=0), noise) / self.steps
        self.moves = np.abs(pairs - float(middle))

    def order(self, claim: float) -> float:
        """The p for which the remainder falls like h^p, at the smallest scales at which it is larger than rounding."""
        size = np.abs(self.slopes - claim)
        clear = (size[1:] > 16 * self.rounding[1:]) & (size[:-1] > 0)
        ratios = np.log2(size[:-1][clear] / size[1:][clear])
        return 1 + float(np.median(ratios[-5:])) if len(ratios) else np.nan

    def mirage(self, claim: float, truth: float) -> bool:
        """Whether f has the claimed slope, not zero, at several larger scales, and the true slope only at smaller ones.

        Noise may hide a slope; it shows in the differences at scales smaller than the best. The rounding of terms of
        size one that cancel in f may hide one too. If f moves on both sides at large scales, but not at small ones, its
        slope of 0 may come from rounding, as that of round(x, 3) does; at a kink with one flat side, f moves on one
        side only.
        """
        off = abs(claim - truth)
        if claim == 0 or not len(self.steps):
            return False
        best = int(np.argmin(np.abs(self.slopes - truth)))
        noise = (np.abs(self.slopes - truth) * self.steps)[best + 1 :].max(initial=0)
        if off * STEP <= 16 * noise:
            return True
        if truth == 0 and not self.moves[-SCALES:].any():
            grid = (self.moves > 0).all(axis=1) & (np.abs(self.slopes - claim) <= 0.5 * abs(claim))
            if grid.any() or off * STEP < BARELY:
                return True
        room = min(0.02 * abs(claim), 0.1 * off)
        near = (np.abs(self.slopes - claim) <= room) & (self.rounding <= room)
        return len(near) >= SCALES and bool(np.lib.stride_tricks.sliding_window_view(near, SCALES).all(axis=1).any())

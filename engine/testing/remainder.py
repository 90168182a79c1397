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

from engine.tensor import Array
from engine.testing.numeric import FLAT, LEAST, STEP, Estimate, derivative, moved, precision

Line = Callable[[float], Any]  # f along a line through the point, the point itself at 0

SAFETY = 10.0  # a claim may be off by this many estimated errors
EXACT = 1e-6  # and by this much of the slope, since rules round as well,
ROUNDED = 64.0  # and by so many units in the last place of f
AGREES, DISAGREES, UNDECIDED = "agrees", "disagrees", "inconclusive"

# Steps to begin with, and how fast they shrink: multiples of one another would all meet a fast wave in the same phase.
FAMILIES = ((STEP, 2.0), (1433 * 2.0**-15, 4.0), (1187 * 2.0**-15, 3.0))
RUN = 4  # a slope seen at that many scales in a row is a slope


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
    return SAFETY * truth.error + EXACT * np.abs(truth.value) + truth.flat / FLAT * ROUNDED + slack


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
            slopes, rounding = _slopes(line)
            order = _order(slopes - claim, rounding)
            certain = abs(order - 1) < 0.25 and not _mirage(slopes, rounding, claim, off)
            return Finding(DISAGREES if certain else UNDECIDED, truth, order)
    return Finding(UNDECIDED, estimates[0])


def _slopes(line: Line) -> tuple[Array, Array]:
    """Central differences at every scale, largest first, and how far rounding may put them off."""
    steps = STEP * 0.5 ** np.arange(int(np.log2(STEP / LEAST)))
    pairs = np.array([[line(h), line(-h)] for h in steps], np.float64)
    rounding = precision(np.asarray(line(0.0))) * np.abs(pairs).max(axis=1) / steps
    return (pairs[:, 0] - pairs[:, 1]) / (2 * steps), rounding


def _order(excess: Array, rounding: Array) -> float:
    """p, where the remainder falls like h^p: at the smallest scales at which it stands out from rounding."""
    size = np.abs(excess)
    clear = size[:-1] * (size[1:] > 16 * rounding[1:])
    ratios = np.log2(clear / size[1:])[np.isfinite(size[:-1]) & (clear > 0)]
    return 1 + float(np.median(ratios[-5:])) if len(ratios) else np.nan


def _mirage(slopes: Array, rounding: Array, claim: float, off: Array) -> bool:
    """Whether f has the claimed slope, not zero, at several larger scales, and the true one only below."""
    room = min(0.02 * abs(claim), 0.1 * float(off))
    near = (np.abs(slopes - claim) <= room) & (rounding <= room)
    return claim != 0 and bool(np.lib.stride_tricks.sliding_window_view(near, RUN).all(axis=1).any())

"""A second look at one slope that seems wrong: is it the slope, or is it the difference quotient?

By Taylor, a right slope a leaves f(h) - f(-h) - 2 a h = O(h^3); a wrong one leaves a term of first order, at every scale,
whatever the step. So a claim is called wrong only if all of these hold:

    excluded    two families of steps, with nothing in common but 0, each exclude it by ten times their own error
    agreed      and agree with each other a hundred times better than with the claim: noise does not do that
    first order the remainder falls like h^1 where it was measured
    no kink     right and left slope are the same
    no mirage   the claim is not the slope of f as seen from farther away, as that of round(x, 6) seems to be 1

Else it is inconclusive, which is no pass either.

Read next: `engine/testing/judge.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from engine.tensor import Array
from engine.testing.numeric import FLAT, LEAST, STEP, Estimate, derivative, precision

Line = Callable[[float], float]  # f along a line through the point, the point itself at 0

SAFETY = 10.0  # a claim may be off by this many estimated errors
EXACT = 1e-6  # and by this much of the slope, since rules round as well,
ROUNDED = 64.0  # and by so many units in the last place of f
RUN = 4  # a slope seen at that many scales in a row is a slope


class Finding(NamedTuple):
    """What a second look found: whether the claim is certainly wrong, the slope, and the order of the remainder."""

    wrong: bool
    truth: Estimate
    order: float | None


def allowed(truth: Estimate, slack: Array | float = 0.0) -> Array:
    """How far from the truth a right claim may be: by the truth's error, its own rounding, and some slack."""
    return SAFETY * truth.error + EXACT * np.abs(truth.value) + truth.flat / FLAT * ROUNDED + slack


def distance(claim: Array, truth: Estimate, subgradient: bool) -> Array:
    """How far a claim is from the truth; at a kink, if `subgradient`, from the interval between its two slopes."""
    far = np.abs(claim - truth.value)
    return np.maximum(far - np.abs(truth.jump) / 2, 0) if subgradient else far


def examine(line: Line, claim: float, *, subgradient: bool = False, slack: float = 0.0) -> Finding:
    """Whether a claimed slope of a line at 0 is certainly wrong."""
    first, second = derivative(line), derivative(line, step=0.75 * STEP, shrink=4.0)
    at = np.asarray(claim)
    with np.errstate(all="ignore"):
        off = distance(at, first, subgradient)
        known = first.decided and second.decided
        excluded = not any(distance(at, one, subgradient) <= allowed(one, slack) for one in (first, second))
        agreed = abs(first.value - second.value) <= SAFETY * (first.error + second.error) + 0.01 * np.nan_to_num(off)
        smooth = subgradient or (first.jump == 0 and second.jump == 0)
        wrong = bool(known and excluded and agreed and smooth)
        if not wrong or not np.isfinite(claim) or first.jump != 0:
            return Finding(wrong, first, None)
        slopes, rounding = _slopes(line)
        order = _order(slopes - claim, rounding)
        return Finding(abs(order - 1) < 0.25 and not _mirage(slopes, claim, off), first, order)


def _slopes(line: Line) -> tuple[Array, Array]:
    """Central differences at every scale, largest first, and how far rounding may put them off."""
    steps = STEP * 0.5 ** np.arange(int(np.log2(STEP / LEAST)))
    pairs = np.array([[_value(line, h), _value(line, -h)] for h in steps])
    rounding = precision(np.asarray(line(0.0))) * np.abs(pairs).max(axis=1) / steps
    return (pairs[:, 0] - pairs[:, 1]) / (2 * steps), rounding


def _value(line: Line, h: float) -> float:
    try:
        return float(line(h))
    except (ValueError, ArithmeticError):
        return np.nan


def _order(excess: Array, rounding: Array) -> float:
    """p, where the remainder falls like h^p: at the smallest scales at which it stands out from rounding."""
    size = np.abs(excess)
    clear = size[:-1] * (size[1:] > 16 * rounding[1:])
    ratios = np.log2(clear / size[1:])[np.isfinite(size[:-1]) & (clear > 0)]
    return 1 + float(np.median(ratios[-5:])) if len(ratios) else np.nan


def _mirage(slopes: Array, claim: float, off: Array) -> bool:
    """Whether f has the claimed slope at several larger scales, and the true one only below."""
    near = np.abs(slopes - claim) <= min(0.02 * abs(claim), 0.1 * float(off))
    return bool(np.lib.stride_tricks.sliding_window_view(near, RUN).all(axis=1).any())

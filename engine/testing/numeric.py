"""Numerical truth: derivatives by extrapolated central differences, with an estimate of their own error.

A central difference (f(h) - f(-h)) / 2h has the error c h^2 + d h^4 + ...; two of them with different h cancel the
first term, three the next, and so on (Richardson). The difference between neighbours in that tableau is the error
estimate (Ridders 1982). No step size is chosen: h is halved from 1/16 on until the estimate is good; if it never is,
the best estimate of all scales is returned, with its error. So the logarithm is differentiated as well at 1e-8 as at 1,
and noise shows as a large error.

Central differences do not see a kink: for relu at 0 they give the slope 1/2 with a tiny error estimate. So the second
difference (f(h) + f(-h) - 2 f(0)) / h is computed as well. It tends to the right slope minus the left one, the `jump`.

The invariant: all arithmetic is in float64, and the rounding of f itself, known from the dtype of its result, is part
of the error.

Read next: `engine/testing/remainder.py`, a second test for a slope that seems wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.arrays import Array

STEP = 0.0625  # the largest h; a power of two, so that x + h is exact
LEAST = 2.0**-60  # the smallest h
DEPTH = 4  # how many terms of the error are cancelled
GOOD = 1e-9  # relative error at which to stop
ENOUGH = 1e-4  # relative error up to which an entry is decided; more where f is rounded to fewer digits
HUGE = 1e250  # larger differences overflow
FLAT = 16.0  # smaller slopes, in units of rounding, cannot be told from that of a constant


class Estimate(NamedTuple):
    """A derivative, elementwise.

    Fields:
        value: the derivative, if f is smooth.
        error: a bound on the error of `value`; inf if it could not be estimated.
        jump: the right slope minus the left one; 0 where there is no kink.
        scale: the steepest slope of f around the point, from the largest h to that of `value`.
        decided: whether `value` is accurate enough to tell a right slope from one that is wrong by a thousandth, or by
            a hundredth if f returns float32.
        flat: slopes smaller than this cannot be told from rounding.
    """

    value: Any
    error: Any
    jump: Any
    scale: Any
    decided: Any
    flat: Any


class Tableau:
    """Extrapolates q(h), given at smaller and smaller h, to h = 0, when its error has the powers h^p, h^(p+2), ..."""

    def __init__(self, power: int, shrink: float) -> None:
        self.first, self.next = shrink**power, shrink**2
        self.row: list[Array] = []

    def add(self, q: Array, rounding: Array) -> tuple[Array, Array]:
        """Add q at the next h, with its error `rounding`. Returns the best value of the new row and its error."""
        row, factor = [q], self.first
        value, error = q, np.full(q.shape, np.inf)
        for coarse in self.row[:DEPTH]:
            fine = row[-1]
            refined = fine + (fine - coarse) / (factor - 1)
            doubt = np.maximum(np.abs(refined - fine), np.abs(refined - coarse)) + rounding
            better = doubt < error
            value, error = np.where(better, refined, value), np.where(better, doubt, error)
            row.append(refined)
            factor *= self.next
        self.row = row
        return value, error


def derivative(f: Callable[[float], Any], step: float = STEP, shrink: float = 2.0) -> Estimate:
    """f'(0) for a function of one number that returns an array; `step` is the largest h."""
    middle = np.asarray(f(0.0))
    unit = precision(middle)
    middle = middle.astype(np.float64)
    flat, enough = FLAT * unit * np.abs(middle) / step, _enough(unit)
    zeros = np.zeros(middle.shape)
    best = Estimate(zeros * np.nan, zeros + np.inf, zeros, zeros, zeros > 0, flat)
    slope, bend, steepest = Tableau(2, shrink), Tableau(1, shrink), zeros
    h, goal = step, zeros
    with np.errstate(all="ignore"):
        while h > LEAST:
            right, left = np.asarray(f(h), np.float64), np.asarray(f(-h), np.float64)
            rounding = unit * np.maximum(np.maximum(np.abs(right), np.abs(left)), np.abs(middle)) / h
            right, left = right - middle, left - middle
            steepest = np.fmax(steepest, (np.abs(right) + np.abs(left)) / (2 * h))
            central, second = slope.add((right - left) / (2 * h), rounding), bend.add((right + left) / h, 4 * rounding)
            lost = (right == 0) & (left == 0) & best.decided & (best.jump == 0)  # in rounding: keep the old estimate
            best = _better(best, _estimate(central, second, steepest, flat, enough), lost)
            goal = 8 * rounding if h == step else goal
            if (best.decided & (best.error <= GOOD * np.abs(best.value) + goal)).all():
                break
            h /= shrink
    return best


def _estimate(
    central: tuple[Array, Array], second: tuple[Array, Array], scale: Array, flat: Array, enough: float
) -> Estimate:
    """The estimate at one scale. It is decided only if the second difference is accurate too, as for a smooth f."""
    (value, error), (bend, doubt) = central, second
    steep = np.maximum(np.abs(value), scale)
    decided = (error <= enough * steep) & (doubt <= 100 * enough * steep)
    decided |= (error <= flat) & (np.abs(value) <= flat) & (doubt <= flat)
    decided &= error < HUGE
    jump = np.where(np.abs(bend) > 10 * doubt + 1e-4 * steep, bend, 0.0)
    return Estimate(value, error, jump, scale, decided, flat)


def _better(old: Estimate, new: Estimate, lost: Array) -> Estimate:
    """For each entry the decided estimate, or the one with the smaller error; the old one where the new one is lost."""
    smaller = new.error < old.error
    take = np.where(old.decided, new.decided & smaller, new.decided | smaller) & ~lost
    return Estimate(*(np.where(take, after, before) for after, before in zip(new, old, strict=True)))


def _enough(unit: float) -> float:
    """The relative error up to which an entry is decided, for a function whose results are rounded to this unit."""
    return max(ENOUGH, 3 * unit**0.5)


def precision(values: Array) -> float:
    """The unit in the last place of 1, in the dtype of the values."""
    return float(np.finfo(values.dtype if values.dtype.kind == "f" else np.float64).eps)


def moved(f: Callable[..., Any], arrays: Sequence[Any], directions: Sequence[Any], h: float, like: Array) -> Any:
    """f(arrays + h directions), where a direction of None does not move its array; nan if f fails there.

    Also nan if h is so small that rounding changes the step itself.
    """
    if not h:
        return like
    points = [a if d is None else np.asarray(a + h * d) for a, d in zip(arrays, directions, strict=True)]
    for a, d, point in zip(arrays, directions, points, strict=True):
        if d is not None and not (np.abs((point - a) - h * d) <= 1e-6 * np.abs(h * d)).all():
            return np.full(like.shape, np.nan)
    try:
        found = np.asarray(f(*points))
    except (ValueError, ArithmeticError):  # as for a matrix that is no longer positive definite
        return np.full(like.shape, np.nan)
    return found if found.shape == like.shape else np.full(like.shape, np.nan)  # as for x[x > 0]


def directional(f: Callable[..., Any], arrays: Sequence[Any], directions: Sequence[Any]) -> Estimate:
    """d/dh f(arrays + h directions) at h = 0; a direction of None does not move its array.

    No element moves further than 1/16, however long the directions are, so points that are farther than that from every
    kink do not reach one.
    """
    like = np.array(f(*arrays))
    longest = max([float(np.abs(d).max(initial=1)) for d in directions if d is not None], default=1.0)
    return derivative(lambda h: moved(f, arrays, directions, h, like), STEP / 2.0 ** np.ceil(np.log2(longest)))


def jacobian(f: Callable[..., Any], arrays: Sequence[Any], position: int) -> Estimate:
    """The derivative of each element of f(arrays) in each element of one array: (size of the array, *result shape)."""
    like = np.array(f(*arrays))
    units = _units(arrays[position])

    def stacked(h: float) -> Any:
        found = np.empty((len(units), *like.shape), like.dtype)
        for row, unit in enumerate(units):
            found[row] = moved(f, arrays, only(unit, position, len(arrays)), h, like)
        return found

    found = derivative(stacked)
    reach = np.array([unit.max() for unit in units]).reshape(-1, *[1] * like.ndim)
    value, error, jump, scale, decided, flat = found
    if like.dtype.itemsize < 8:  # float32 has no accurate small entries beside large ones: the largest decides
        decided = decided | (error <= _enough(precision(like)) * np.abs(value).max(axis=0, keepdims=True, initial=0))
    return Estimate(value / reach, error / reach, jump / reach, scale / reach, decided, flat / reach)


def only(direction: Array, position: int, count: int) -> list[Array | None]:
    """Directions in which only one of several arrays moves."""
    return [direction if k == position else None for k in range(count)]


def _units(x: Array) -> list[Array]:
    """A direction for each element, which moves only that one: by 1, or by more if it is large, because of rounding."""
    large = np.nan_to_num(np.abs(x.astype(np.float64)), posinf=1.0)
    reach = np.maximum(1.0, 2.0 ** np.floor(np.log2(large + 1.0) - 6)).reshape(-1)
    return [np.reshape(row, x.shape) for row in np.diag(reach)]


def weighed(found: Estimate, g: Array) -> Estimate:
    """The gradient of <g, f>, from the derivative of f: a sum over the trailing axes with weights g.

    Errors add up, and so do absolute jumps, so that kinks in several places do not cancel.
    """
    axes = tuple(range(found.value.ndim - g.ndim, found.value.ndim))
    value, size = (found.value * g).sum(axis=axes), np.abs(g)
    error, jump, scale, flat = (
        (np.abs(field) * size).sum(axis=axes) for field in (found.error, found.jump, found.scale, found.flat)
    )
    return Estimate(value, error, jump, scale, found.decided.all(axis=axes), flat)

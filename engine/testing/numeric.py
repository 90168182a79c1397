"""Numerical truth: derivatives by extrapolated central differences, with an estimate of their own error.

A central difference (f(h) - f(-h)) / 2h has the error c h^2 + d h^4 + ...; two of them with different h cancel the
first term, three the next, and so on (Richardson). The difference between neighbours in that tableau is the error
estimate (Ridders 1982). No step size is chosen: h is halved from 1/16 on until the estimate is good; if it never is,
the best estimate of all scales is returned, with its error. So the logarithm is differentiated as well at 1e-8 as at 1,
and noise shows as a large error.

Central differences do not see a kink: for relu at 0 they give the slope 1/2 with a tiny error estimate. So the second
difference (f(h) + f(-h) - 2 f(0)) / h is computed as well. It tends to the right slope minus the left one, the `jump`.

The invariant: all arithmetic is in float64, and the rounding of f itself is part of the error, known from the dtype of
its result or measured.

Read next: `engine/testing/noise.py`, the rounding that no dtype tells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from engine.arrays import Array

STEP = 0.0625  # the largest h; a power of two, so that x + h is exact
LEAST = 2.0**-60  # the smallest h
DEPTH = 4  # how many terms of the error are cancelled
GOOD = 1e-9  # relative error at which to stop
FEW = 5  # steps after which most smooth functions are done; if f is not, its noise is measured
ENOUGH = 1e-4  # relative error up to which an entry is decided; more where f is rounded to fewer digits
COARSEST = 0.1  # but never more than this
SHARE = (
    1e-6  # or error relative to the largest slope beside it, as much as a rule may be off by rounding; likewise more
)
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
        doubt: a bound on the error of `jump`; inf if it could not be estimated.
    """

    value: Any
    error: Any
    jump: Any
    scale: Any
    decided: Any
    flat: Any
    doubt: Any


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


def derivative(
    f: Callable[[float], Any],
    step: float = STEP,
    shrink: float = 2.0,
    *,
    noise: Any = 0.0,
    least: float = LEAST,
    beside: Callable[[Array], Any] = np.zeros_like,
) -> Estimate:
    """f'(0) for a function of one number that returns an array.

    Args:
        f: the function.
        step, shrink, least: the largest h, the factor by which h shrinks, and the smallest h.
        noise: how far f is off by rounding, if that is more than its dtype says.
        beside: the slopes beside which those given are judged; errors that are negligible there are small.
    """
    middle = np.asarray(f(0.0))
    unit = precision(middle)
    middle = middle.astype(np.float64)
    floor = np.maximum(unit * np.abs(middle), noise)
    flat, enough = FLAT * floor / step, _enough(unit)
    zeros = np.zeros(middle.shape)
    best = Estimate(zeros * np.nan, zeros + np.inf, zeros, zeros, zeros > 0, flat, zeros + np.inf)
    slope, bend, steepest = Tableau(2, shrink), Tableau(1, shrink), zeros
    h, goal = step, zeros
    with np.errstate(all="ignore"):
        while h > least:
            right, left = np.asarray(f(h), np.float64), np.asarray(f(-h), np.float64)
            height = np.maximum(np.abs(right), np.abs(left))
            rounding = np.maximum(unit * height, floor) / h
            if h == step:
                enough = _enough(np.maximum(unit, np.nan_to_num(noise / height)))
            right, left = right - middle, left - middle
            steepest = np.fmax(steepest, (np.abs(right) + np.abs(left)) / (2 * h))
            central, second = slope.add((right - left) / (2 * h), rounding), bend.add((right + left) / h, 4 * rounding)
            lost = (right == 0) & (left == 0) & best.decided & (best.jump == 0)  # in rounding: keep the old estimate
            best = _better(best, _estimate(central, second, steepest, flat, enough), lost)
            goal = 8 * rounding if h == step else goal
            good = best.decided & (best.error <= GOOD * np.abs(best.value) + goal)
            good |= small_beside(best, GOOD * beside(best.value))
            done = (best.decided | (noise > 0)) & (rounding > best.error)  # smaller steps are no better
            if (good | done).all():
                break
            h /= shrink
    return best


def _estimate(
    central: tuple[Array, Array], second: tuple[Array, Array], scale: Array, flat: Array, enough: Any
) -> Estimate:
    """The estimate at one scale. It is decided only if the second difference is accurate too, as for a smooth f."""
    (value, error), (bend, doubt) = central, second
    steep = np.maximum(np.abs(value), scale)
    decided = (error <= enough * steep) & (doubt <= 100 * enough * steep)
    decided |= (error <= flat) & (np.abs(value) <= flat) & (doubt <= flat)
    decided &= error < HUGE
    jump = np.where(np.abs(bend) > 10 * doubt + 1e-4 * steep, bend, 0.0)
    return Estimate(value, error, jump, scale, decided, flat, doubt)


def _better(old: Estimate, new: Estimate, lost: Array) -> Estimate:
    """For each entry the decided estimate, or the one with the smaller error; the old one where the new one is lost."""
    smaller = new.error < old.error
    take = np.where(old.decided, new.decided & smaller, new.decided | smaller) & ~lost
    return Estimate(*(np.where(take, after, before) for after, before in zip(new, old, strict=True)))


def _enough(unit: Any) -> Any:
    """The relative error up to which an entry is decided, for a function whose results are rounded to this unit."""
    return np.clip(3 * np.sqrt(unit), ENOUGH, COARSEST)


def precision(values: Array) -> float:
    """The unit in the last place of 1, in the dtype of the values."""
    return float(np.finfo(values.dtype if values.dtype.kind == "f" else np.float64).eps)


def attempt(f: Callable[..., Any], points: Sequence[Any], like: Array) -> Array:
    """f(points) as an array; nan if f fails there or returns another shape."""
    try:
        found = np.asarray(f(*points))
    except Exception:  # as for a matrix that is no longer positive definite; f has succeeded at the point itself
        return np.full(like.shape, np.nan)
    return found if found.shape == like.shape else np.full(like.shape, np.nan)  # as for x[x > 0]


def moved(f: Callable[..., Any], arrays: Sequence[Any], directions: Sequence[Any], h: float, like: Array) -> Array:
    """f(arrays + h directions), where a direction of None does not move its array; nan if f fails there.

    Also nan if h is so small that rounding changes the step itself.
    """
    if not h:
        return like
    points = [a if d is None else np.asarray(a + h * d) for a, d in zip(arrays, directions, strict=True)]
    for a, d, point in zip(arrays, directions, points, strict=True):
        if d is not None and not (np.abs((point - a) - h * d) <= 1e-6 * np.abs(h * d)).all():
            return np.full(like.shape, np.nan)
    return attempt(f, points, like)


Rounding = Callable[[], Array]  # how far each result of f is off by rounding, if that is more than its dtype says


def settled(
    f: Callable[[float], Any], step: float, rounding: Rounding | None, beside: Callable[[Array], Any]
) -> Estimate:
    """f'(0) in a few steps if they suffice; or else with the noise of f, which says how far smaller steps can help."""
    if rounding is None:
        return derivative(f, step, beside=beside)
    f = cache(f)
    found = derivative(f, step, least=step / 2**FEW, beside=beside)
    good = found.decided & (found.error <= GOOD * np.abs(found.value) + found.flat)
    good |= small_beside(found, GOOD * beside(found.value))
    return found if good.all() else derivative(f, step, noise=rounding(), beside=beside)


def small_beside(found: Estimate, room: Any) -> Any:
    """Whether the error is within this room, and that of the second difference, which shows kinks."""
    return (found.error <= room) & (found.doubt <= 100 * room)


def directional(
    f: Callable[..., Any], arrays: Sequence[Any], directions: Sequence[Any], rounding: Rounding | None = None
) -> Estimate:
    """d/dh f(arrays + h directions) at h = 0; a direction of None does not move its array.

    No element moves further than 1/16, however long the directions are, so points that are farther than that from every
    kink do not reach one.
    """
    like = np.array(f(*arrays))
    longest = max([float(np.abs(d).max(initial=1)) for d in directions if d is not None], default=1.0)
    step = STEP / 2.0 ** np.ceil(np.log2(longest))
    return settled(lambda h: moved(f, arrays, directions, h, like), step, rounding, largest_of_all)


def jacobian(f: Callable[..., Any], arrays: Sequence[Any], position: int, rounding: Rounding | None = None) -> Estimate:
    """The derivative of each element of f(arrays) in each element of one array: (size of the array, *result shape)."""
    like = np.array(f(*arrays))
    units = _units(arrays[position])

    def stacked(h: float) -> Any:
        found = np.empty((len(units), *like.shape), like.dtype)
        for row, unit in enumerate(units):
            found[row] = moved(f, arrays, only(unit, position, len(arrays)), h, like)
        return found

    reach = np.array([unit.max() for unit in units]).reshape(-1, *[1] * like.ndim)
    found = settled(stacked, STEP, rounding, lambda value: _largest(value / reach, axis=0) * reach)
    return Estimate(*(field if field is found.decided else field / reach for field in found))


def in_rows(found: Sequence[Estimate], share: Any) -> list[Estimate]:
    """Jacobians in several arrays, decided by rows: an entry is also decided if its error is a small share of a slope.

    That slope is the largest of the same result, in any element of any array. Beside it an entry of 0 is known to be
    small, though not whether it is 0.
    """
    room = share * largest(found)
    return [one._replace(decided=one.decided | small_beside(one, room)) for one in found]


def largest(found: Sequence[Estimate]) -> Array:
    """The largest slope of each result, in any element of any array."""
    return np.asarray(np.max([_largest(one.value, axis=0) for one in found], axis=0))


def largest_of_all(value: Array) -> Any:
    """The largest slope of all results, for those that are the terms of one sum."""
    return _largest(value, axis=None)


def _largest(value: Array, axis: int | None) -> Any:
    return np.abs(np.where(np.isfinite(value), value, 0.0)).max(axis=axis, initial=0.0)


def negligible(unit: Any) -> Any:
    """The share of a slope that counts as nothing beside it, for a function whose results are rounded to this unit."""
    enough = _enough(unit)
    return np.where(enough > ENOUGH, enough, SHARE)


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
    error, jump, scale, flat, doubt = (
        (np.abs(field) * size).sum(axis=axes)
        for field in (found.error, found.jump, found.scale, found.flat, found.doubt)
    )
    return Estimate(value, error, jump, scale, found.decided.all(axis=axes), flat, doubt)

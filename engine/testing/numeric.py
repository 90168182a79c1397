"""Numerical truth: derivatives by central differences, extrapolated, which know how good they are.

A central difference (f(h) - f(-h)) / 2h is off by c h^2 + d h^4 + ...; two of them with different h cancel the leading
term, three the next, and so on (Richardson). How well neighbours in that tableau agree is the error estimate (Ridders
1982). No step size is chosen: h is halved from 1/16 on until the estimate is good, and if it never is, the best of all
scales remains, with its error. So the logarithm at 1e-8 is as good as at 1, and noise is seen as a large error.

Central differences are blind to a kink: at 0 they give the slope 1/2 for relu, with great confidence. So the second
difference (f(h) + f(-h) - 2 f(0)) / h is followed as well. It tends to the right slope minus the left one: the `jump`.

The invariant: everything happens in float64, and the rounding of f itself, by the dtype that it returns, is part of the
error.

Read next: `engine/testing/judge.py`, which holds a claim against such an estimate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.tensor import Array

STEP = 0.0625  # the largest h; a power of two, so that x + h is exact
LEAST = 2.0**-60  # the smallest
DEPTH = 4  # how many terms of the error are cancelled
GOOD = 1e-9  # relative error at which to stop
FLAT = 4096.0  # in units of rounding: slopes below are those of a constant


class Estimate(NamedTuple):
    """A derivative, elementwise.

    Fields:
        value: what it is, were f smooth.
        error: how far off that may be; inf where nothing is known.
        jump: the right slope minus the left one; 0 where there is no kink.
        scale: how steep f is around the point, from the largest h to the one the value is from.
        flat: slopes below this cannot be told from rounding.
    """

    value: Array
    error: Array
    jump: Array
    scale: Array
    flat: Array

    @property
    def decided(self) -> Array:
        """Where the value is good enough to tell a right slope from one that is off by a thousandth."""
        fine = self.error <= 1e-4 * np.maximum(np.abs(self.value), self.scale)
        return fine | ((self.error <= self.flat) & (np.abs(self.value) <= self.flat))


class Limit:
    """What q(h) tends to, known at smaller and smaller h, when its error has the powers h^p, h^(p+2), ...

    Fields: the best `value` so far and its `error`, elementwise.
    """

    def __init__(self, power: int, shrink: float) -> None:
        self.first, self.next = shrink**power, shrink**2
        self.row: list[Array] = []
        self.value: Array = np.array(np.nan)
        self.error: Array = np.array(np.inf)

    def add(self, q: Array, rounding: Array, usable: Array) -> Array:
        """Take q at the next smaller h, known up to `rounding`, where usable. Says where the value was improved."""
        improved = np.zeros(q.shape, bool)
        row, factor = [q], self.first
        for coarse in self.row[:DEPTH]:
            fine = row[-1]
            refined = fine + (fine - coarse) / (factor - 1)
            doubt = np.maximum(np.abs(refined - fine), np.abs(refined - coarse)) + rounding
            better = usable & (doubt < self.error)
            self.value, self.error = np.where(better, refined, self.value), np.where(better, doubt, self.error)
            improved |= better
            row.append(refined)
            factor *= self.next
        self.row = row
        return improved


def derivative(f: Callable[[float], Any], step: float = STEP, shrink: float = 2.0) -> Estimate:
    """f'(0) for a function of one number with array values; `step` is the largest it is moved by."""
    middle = np.asarray(f(0.0))
    unit = precision(middle)
    middle = middle.astype(np.float64)
    slope, bend = Limit(2, shrink), Limit(1, shrink)
    steepest = scale = goal = np.zeros(middle.shape)
    flat = FLAT * unit * np.abs(middle) / step
    usable: Array = np.ones(middle.shape, bool)
    h = step
    with np.errstate(all="ignore"):
        while h > LEAST:
            right, left = _moved(f, h, middle), _moved(f, -h, middle)
            rounding = unit * np.maximum(np.abs(right), np.abs(left)) / h
            right, left = right - middle, left - middle
            still = (right == 0) & (left == 0)  # constant, or lost in rounding: no reason to leave a good estimate
            usable = ~(still & (slope.error <= 1e-4 * np.maximum(np.abs(slope.value), scale)) & ~_kinked(slope, bend, scale))
            improved = slope.add((right - left) / (2 * h), rounding, usable)
            bend.add((right + left) / h, 4 * rounding, usable)
            steepest = np.fmax(steepest, (np.abs(right) + np.abs(left)) / (2 * h))
            scale = np.where(improved, steepest, scale)
            goal = goal if h < step else 8 * rounding
            if len(slope.row) > 2 and (slope.error <= GOOD * np.abs(slope.value) + goal).all():
                break
            h /= shrink
        jump = np.where(_kinked(slope, bend, scale), bend.value, 0.0)
    value, error = (np.broadcast_to(field, middle.shape) for field in (slope.value, slope.error))
    return Estimate(value, error, jump, scale, flat)


def precision(values: Array) -> float:
    """The unit in the last place of 1, in the dtype of the values."""
    return float(np.finfo(values.dtype if values.dtype.kind == "f" else np.float64).eps)


def _moved(f: Callable[[float], Any], h: float, middle: Array) -> Array:
    """f(h), or nan where it has no value."""
    try:
        return np.asarray(f(h), np.float64)
    except (ValueError, ArithmeticError):  # as for a matrix that is no longer positive definite
        return np.full(middle.shape, np.nan)


def _kinked(slope: Limit, bend: Limit, scale: Array) -> Array:
    """Where right and left slope differ for certain."""
    return np.abs(bend.value) > 10 * bend.error + 1e-4 * np.maximum(np.abs(slope.value), scale)


def directional(f: Callable[..., Any], arrays: Sequence[Any], directions: Sequence[Any]) -> Estimate:
    """d/dh f(arrays + h directions) at h = 0; a direction of None leaves its array alone.

    No element moves further than 1/16, however long the directions are, so points can be known to stay clear of kinks.
    """

    def along(h: float) -> Any:
        return f(*[a if d is None else a + h * d for a, d in zip(arrays, directions, strict=True)])

    longest = max([float(np.abs(d).max(initial=1)) for d in directions if d is not None], default=1.0)
    return derivative(along, step=STEP / 2 ** np.ceil(np.log2(longest)))


def jacobian(f: Callable[..., Any], arrays: Sequence[Any], position: int) -> Estimate:
    """The derivative of every element of f(arrays) in every element of one array: shape (size of it, *result's)."""
    x = arrays[position]
    if x.size == 0:
        return derivative(lambda h: np.zeros((0, *np.shape(f(*arrays)))))
    units = _units(x)

    def moved(h: float) -> Any:
        return np.stack([np.asarray(f(*arrays[:position], x + h * unit, *arrays[position + 1 :])) for unit in units])

    found = derivative(moved)
    reach = np.array([unit.max() for unit in units]).reshape(-1, *[1] * (found.value.ndim - 1))
    return Estimate(*(field / reach for field in found))


def _units(x: Array) -> list[Array]:
    """One direction for each element: it alone moves, by 1, or further where it is large, lest rounding eat the step."""
    reach = np.maximum(1.0, 2.0 ** np.floor(np.log2(np.abs(x) + 1.0) - 6)).reshape(-1)
    return [np.reshape(row, x.shape) for row in np.diag(reach)]


def weighed(found: Estimate, g: Array) -> Estimate:
    """The gradient of <g, f>, from the derivative of f: the trailing axes are summed, weighed by g."""
    axes = tuple(range(found.value.ndim - g.ndim, found.value.ndim))
    value, jump = ((field * g).sum(axis=axes) for field in (found.value, found.jump))
    error, scale, flat = ((field * np.abs(g)).sum(axis=axes) for field in (found.error, found.scale, found.flat))
    kinked = ((found.jump != 0) & (g != 0)).any(axis=axes)
    return Estimate(value, error, np.where(kinked & (jump == 0), np.inf, jump), scale, flat)

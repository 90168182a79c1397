"""Comparison: the claims of a point, held against numerical truth, whole or in a few directions.

Where the function is small, the whole Jacobian is compared, entry by entry, so that a wrong entry of size 1e-9 is found
beside one of size 1e9. Where it is large, random directions are: <g, J t> sees every entry at once, and when it
disagrees with <J' g, t>, halving the direction finds the entry that is to blame.

Cotangents are random, never ones: under ones softmax and layer norm have no gradient, and a rule that returns zeros
would pass. float32 rules are not differenced; they are compared with the same rules in float64.

Read next: `engine/testing/checks.py`, the two public checks made of this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from engine.tensor import Array
from engine.testing.hints import hint
from engine.testing.judge import Entries, Judge
from engine.testing.numeric import Estimate, directional, jacobian, only, weighed
from engine.testing.points import Point, random
from engine.testing.remainder import Line, along
from engine.testing.report import Inconclusive, element

SMALL = 256  # elements of arguments and results together, up to which the whole Jacobian is compared
ROUNDS = 4  # random directions otherwise
ROUNDED = 64 * np.finfo(np.float64).eps  # what a rule may lose of the largest entry it makes
FACTORS = (1.0, -1000.0, 0.001)  # of a cotangent: a rule is linear in it, whatever its size and sign
LINEAR = 1e-6  # relative, since a rule may compute in float32
NARROW = 64.0  # units in the last place by which such a rule may be off


def compare(point: Point, judge: Judge, modes: Sequence[str], seed: int) -> None:
    """Hold the claims of a point against the truth. Raises GradientError."""
    out = point.value(*point.xs)
    if not np.array_equal(out, point.value(*point.xs), equal_nan=True):
        raise Inconclusive(
            f"{point.subject}: inconclusive, two calls with the same arguments differ; fix its randomness"
        )
    rng = np.random.default_rng([seed, 1])  # not the generator of somebody's test data
    if out.size + sum(x.size for x in point.xs) > SMALL:
        for _ in range(ROUNDS):
            _compare_directions(point, out, judge, modes, rng)
        return
    truths = [jacobian(point.value, point.xs, k) for k in range(len(point.xs))]
    if "reverse" in modes:
        _compare_pulls(point, out, truths, judge, random(rng, out.shape))
    if "forward" in modes:
        _compare_pushes(point, out, truths, judge)


# ---- the whole Jacobian, of shape (elements of an argument, elements of the result) --------------------------------


def _compare_pulls(point: Point, out: Array, truths: Sequence[Estimate], judge: Judge, g: Array) -> None:
    pulled = [_pulled(point, unit, judge) for unit in np.eye(out.size)]
    scaled = [(factor, _pulled(point, factor * g, judge)) for factor in FACTORS]
    for k, (name, x, truth) in enumerate(zip(point.names, point.xs, truths, strict=True)):
        claim = np.array([found[k].reshape(-1) for found in pulled]).reshape(out.size, x.size).T

        def guess(at: int, x: Array = x, claim: Array = claim, truth: Estimate = truth, name: str = name) -> str:
            i, j = divmod(at, out.size)
            if out.size > 1 and np.array_equal(claim, np.broadcast_to(claim[:, :1], claim.shape)):
                return "the same for every cotangent: g is ignored"
            known = {name: x, "the result": out.reshape(x.shape) if out.size == x.size else out}
            return hint(claim[:, j].reshape(x.shape), truth.value[:, j].reshape(x.shape), i, known)

        slack = ROUNDED * np.abs(claim).max(axis=0, initial=0, keepdims=True, where=np.isfinite(claim))
        judge.hold("vjp rule", name, claim, truth, _entries(point, out, truths, k, judge, slack, guess))
        tolerance = (LINEAR * np.abs(claim) + truth.flat) @ np.abs(g)
        for factor, found in scaled:
            expected, room = factor * (claim @ g).reshape(x.shape), abs(factor) * tolerance.reshape(x.shape)
            judge.equal("linear", name, found[k], expected, room)


def _compare_pushes(point: Point, out: Array, truths: Sequence[Estimate], judge: Judge) -> None:
    assert point.push is not None
    for k, (name, x, truth) in enumerate(zip(point.names, point.xs, truths, strict=True)):
        zeros = [np.zeros(other.shape) for other in point.xs]
        rows = [point.push([*zeros[:k], unit, *zeros[k + 1 :]]) for unit in _units(x)]
        claim = np.array(rows, np.float64).reshape(x.size, out.size)
        slack = ROUNDED * np.abs(claim).max(axis=1, initial=0, keepdims=True, where=np.isfinite(claim))
        judge.hold("jvp rule", name, claim, truth, _entries(point, out, truths, k, judge, slack))


def _entries(
    point: Point,
    out: Array,
    truths: Sequence[Estimate],
    k: int,
    judge: Judge,
    slack: Array,
    guess: Callable[[int], str] | None = None,
) -> Entries:
    """For the Jacobian in one argument: the line behind each entry, where it is, and which cannot be wrong.

    Of a result with a kink in any direction, and along an argument that meets one, no slope is a derivative: a function
    may be flat along each axis and have a slope in between, as the middle one of three equal eigenvalues.
    """
    x, units = point.xs[k], _units(point.xs[k])

    def line(at: int) -> Line:
        i, j = divmod(at, out.size)
        return along(point.value, point.xs, only(units[i], k, len(point.xs)), lambda y: y[j])

    def where(at: int) -> str:
        i, j = divmod(at, out.size)
        return f"{element(point.names[k], x.shape, i)}, for result {j} of {out.size}"

    odd = [(truth.jump != 0) | ~np.isfinite(truth.value) for truth in truths]
    unsure = np.any([one.any(axis=0) for one in odd], axis=0) | odd[k].any(axis=1, keepdims=True)
    return Entries(line, where, guess, slack, unsure & (not judge.subgradient))


def _units(x: Array) -> list[Array]:
    return list(np.eye(x.size).reshape(x.size, *x.shape))


# ---- random directions ---------------------------------------------------------------------------------------------


def _compare_directions(point: Point, out: Array, judge: Judge, modes: Sequence[str], rng: np.random.Generator) -> None:
    """Compare in one random direction of all arguments at once."""
    ts = [random(rng, x.shape) for x in point.xs]
    truth = directional(point.value, point.xs, ts)
    if "forward" in modes:
        assert point.push is not None

        def line(at: int) -> Line:
            return along(point.value, point.xs, ts, lambda y: y[at])

        judge.hold("jvp rule", "a random direction", point.push(ts), truth, Entries(line, unsure=truth.jump != 0))
    if "reverse" in modes:
        g = random(rng, out.shape)
        unclear = ~truth.decided | (truth.jump != 0)
        if unclear.any():  # look at the others alone, lest they hide behind these
            judge.leave(int(unclear.sum()), f"{int(unclear.sum())} results have a kink, or no slope, near the point")
            g[unclear] = 0.0
        gradients = _pulled(point, g, judge)
        _blame(point, judge, g, ts, gradients, truth._replace(jump=np.where(unclear, 0.0, truth.jump)))
        for factor in FACTORS[1:]:
            for name, once, found in zip(point.names, gradients, _pulled(point, factor * g, judge), strict=True):
                tolerance = abs(factor) * (LINEAR * np.abs(once) + ROUNDED * np.abs(once).max(initial=0))
                judge.equal("linear", name, found, factor * once, tolerance)


def _blame(
    point: Point, judge: Judge, g: Array, ts: Sequence[Array], gradients: Sequence[Array], truth: Estimate
) -> None:
    """Compare <gradient, t> with <g, J t>; where they differ, halve the direction until one entry is left."""
    ends = np.cumsum([0, *(x.size for x in point.xs)])
    t, gradient = (np.concatenate([a.reshape(-1) for a in arrays]) for arrays in (ts, gradients))
    seen = g != 0

    def part(low: int, high: int) -> list[Array]:
        kept = np.where((np.arange(t.size) >= low) & (np.arange(t.size) < high), t, 0.0)
        return [kept[a:b].reshape(x.shape) for a, b, x in zip(ends[:-1], ends[1:], point.xs, strict=True)]

    def total(y: Array) -> Array:
        return np.asarray(np.vdot(g[seen], y[seen]), y.dtype)

    def slope(low: int, high: int) -> Estimate:
        found = directional(point.value, point.xs, part(low, high))
        return weighed(Estimate(*(field[seen] for field in found)), g[seen])

    def far(low: int, high: int) -> float:
        found = slope(low, high)
        return float(abs(found.value - gradient[low:high] @ t[low:high]) - found.error)

    whole, slack = (
        weighed(Estimate(*(field[seen] for field in truth)), g[seen]),
        1e-10 * np.nansum(np.abs(gradient * t)),
    )
    low, high, name, place = 0, t.size, "a random direction", "a random direction of all arguments"
    if not abs(whole.value - gradient @ t) <= 10 * whole.error + slack:
        broken = np.flatnonzero(~np.isfinite(gradient))
        if broken.size:
            low, high = int(broken[0]), int(broken[0]) + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if far(low, middle) >= far(middle, high) else (middle, high)
        k = int(np.searchsorted(ends, low, side="right")) - 1
        name, whole = point.names[k], slope(low, high)
        place = f"{element(name, point.xs[k].shape, low - int(ends[k]))}, under a random cotangent"
    behind = Entries(lambda _: along(point.value, point.xs, part(low, high), total), lambda _: place, slack=slack)
    judge.hold("vjp rule", name, np.asarray(gradient[low:high] @ t[low:high]), whole, behind)


# ---- what both need ------------------------------------------------------------------------------------------------


def _pulled(point: Point, g: Array, judge: Judge) -> list[Array]:
    """The gradients that the reverse rule claims, each in the shape of its argument."""
    return [
        judge.shaped(f"{point.subject}: the vjp rule of {name}", found, x.shape)
        for name, x, found in zip(point.names, point.xs, point.pull(g), strict=True)
    ]


def compare_narrow(narrow: Point, wide: Point, shaken: Point, judge: Judge, seed: int) -> None:
    """Hold the reverse rule in the arguments' own precision against itself in float64.

    It may be off by as much as the one in float64 moves when the arguments are `shaken` by a unit in the last place.
    """
    g = random(np.random.default_rng([seed, 2]), wide.value(*wide.xs).shape).astype(np.float32).astype(np.float64)
    unit = float(max(np.finfo(x.dtype).eps for x in narrow.xs))
    claims = zip(
        narrow.names, _pulled(narrow, g, judge), _pulled(wide, g, judge), _pulled(shaken, g, judge), strict=True
    )
    for name, found, truth, near in claims:
        largest = np.abs(truth).max(initial=0, where=np.isfinite(truth))
        tolerance = NARROW * (unit * (np.abs(truth) + largest) + np.abs(near - truth))
        judge.equal("narrow = wide", name, found, truth, tolerance)

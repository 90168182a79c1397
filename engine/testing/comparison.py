"""Comparison: the claims of a point, held against numerical truth, whole or in a few directions.

Where the function is small, the whole Jacobian is compared, entry by entry, so that a wrong entry of size 1e-9 is found
beside one of size 1e9. Where it is large, random directions are: <g, J t> sees every entry at once, and when it
disagrees with <J' g, t>, halving the direction finds the entry that is to blame.

Cotangents are random, never ones: under ones softmax and layer norm have no gradient, and a rule that returns zeros
would pass. float32 rules are not differenced; they are compared with the same rules in float64.

Read next: `engine/testing/checks.py`, the two public checks made of this.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.tensor import Array
from engine.testing.hints import hint
from engine.testing.judge import Entries, Judge
from engine.testing.numeric import Estimate, directional, jacobian, only, precision, weighed
from engine.testing.points import Point, random, shaken
from engine.testing.remainder import Line, along
from engine.testing.report import Inconclusive, element

__tracebackhide__ = True  # in pytest's tracebacks: what failed is what was checked

SMALL = 256  # elements of arguments and results together, up to which the whole Jacobian is compared
ROUNDS = 4  # random directions otherwise
ROUNDED = 64 * np.finfo(np.float64).eps  # what a rule may lose of the largest entry it makes
BLIND = 1e-9  # of the largest entry: smaller differences may come from structure finer than any step resolves
SLIGHT = 100.0  # times what rounding explains
TINY = 1e-300  # where floating numbers begin to lose their precision
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
        _compare_pulls(point, out, truths, judge, rng)
    if "forward" in modes:
        _compare_pushes(point, out, truths, judge)


# ---- the whole Jacobian, of shape (elements of an argument, elements of the result) --------------------------------


def _compare_pulls(
    point: Point, out: Array, truths: Sequence[Estimate], judge: Judge, rng: np.random.Generator
) -> None:
    claims = _jacobians(point, out, judge)
    g, linear = random(rng, out.shape).astype(out.dtype), _rounding(out)
    others = [(other, _pulled(point, other, judge)) for other in (g, -1024 * g, g / 1024, np.abs(g))]
    for k, (name, x, claim, truth) in enumerate(zip(point.names, point.xs, claims, truths, strict=True)):

        def again(k: int = k) -> Array:
            return _jacobians(point, out, judge, rng)[k]

        def guess(at: int, x: Array = x, claim: Array = claim, truth: Estimate = truth, name: str = name) -> str:
            i, j = divmod(at, out.size)
            if out.size > 1 and claim.any() and np.array_equal(claim, np.broadcast_to(claim[:, :1], claim.shape)):
                return "the same for every cotangent: g is ignored"
            known = {name: x, "the result": out.reshape(x.shape) if out.size == x.size else out}
            return hint(claim[:, j].reshape(x.shape), truth.value[:, j].reshape(x.shape), i, known)

        behind = _entries(point, out, truths, k, judge)
        largest = np.abs(claim).max(axis=0, initial=0, keepdims=True, where=np.isfinite(claim))
        behind.unsure = behind.unsure | (np.abs(claim - truth.value) < BLIND * largest)
        behind.slack, behind.guess, behind.shaken = ROUNDED * largest, guess, again
        judge.hold("vjp rule", name, claim, truth, behind)
        for other, found in others:
            room = (linear * np.abs(claim) + truth.flat) @ np.abs(other) + TINY
            _hold_linear(judge, name, found[k], (claim @ other).reshape(x.shape), room.reshape(x.shape), other)


def _compare_pushes(point: Point, out: Array, truths: Sequence[Estimate], judge: Judge) -> None:
    assert point.push is not None
    for k, (name, x, truth) in enumerate(zip(point.names, point.xs, truths, strict=True)):
        zeros = [np.zeros(other.shape) for other in point.xs]
        rows = [point.push([*zeros[:k], unit, *zeros[k + 1 :]]) for unit in _units(x)]
        claim = np.array(rows, np.float64).reshape(x.size, out.size)
        behind = _entries(point, out, truths, k, judge)
        behind.slack = ROUNDED * np.abs(claim).max(axis=1, initial=0, keepdims=True, where=np.isfinite(claim))
        judge.hold("jvp rule", name, claim, truth, behind)


def _jacobians(point: Point, out: Array, judge: Judge, rng: np.random.Generator | None = None) -> list[Array]:
    """What the reverse rule claims, one row of results after the other; with rng, where rounding may have put them."""
    units, xs = list(np.eye(out.size)), None
    if rng is not None:
        units, xs = shaken(units, rng), shaken(point.xs, rng)
    pulled = [_pulled(point, unit, judge, xs) for unit in units]
    return [
        np.array([found[k].reshape(-1) for found in pulled]).reshape(out.size, x.size).T for k, x in enumerate(point.xs)
    ]


def _entries(point: Point, out: Array, truths: Sequence[Estimate], k: int, judge: Judge) -> Entries:
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
        return element(point.names[k], x.shape, i) + (f", for result {j} of {out.size}" if out.size > 1 else "")

    odd = [(truth.jump != 0) | ~np.isfinite(truth.value) for truth in truths]
    unsure = np.any([one.any(axis=0) for one in odd], axis=0) | odd[k].any(axis=1, keepdims=True)
    return Entries(line, where, unsure=unsure & (not judge.subgradient), group=max(out.size, 1))


def _units(x: Array) -> list[Array]:
    return list(np.eye(x.size).reshape(x.size, *x.shape))


# ---- random directions ---------------------------------------------------------------------------------------------


def _compare_directions(point: Point, out: Array, judge: Judge, modes: Sequence[str], rng: np.random.Generator) -> None:
    """Compare in one random direction of all arguments at once."""
    if not np.isfinite(out).all():
        judge.leave(out.size, "a result is not a finite number")
        return
    ts = [random(rng, x.shape) for x in point.xs]
    truth = directional(point.value, point.xs, ts)
    if "forward" in modes:
        assert point.push is not None

        def line(at: int) -> Line:
            return along(point.value, point.xs, ts, lambda y: y[at])

        judge.hold("jvp rule", "a random direction", point.push(ts), truth, Entries(line, unsure=truth.jump != 0))
    if "reverse" in modes:
        g = random(rng, out.shape).astype(out.dtype)
        unclear = ~truth.decided | (truth.jump != 0)
        if unclear.any():  # look at the others alone, lest they hide behind these
            if judge.subgradient:
                _blame(point, judge, g, ts, truth, rng)
            else:
                count = int(unclear.sum())
                judge.leave(count, f"{count} of {out.size} results have a kink, or no slope, near the point")
            g[unclear] = 0.0
        _blame(point, judge, g, ts, truth, rng)
        _check_linear(point, g, judge, _rounding(out))


def _check_linear(point: Point, g: Array, judge: Judge, linear: float) -> None:
    """Neither the size of a cotangent matters nor its signs."""
    once, rest = _pulled(point, g, judge), _pulled(point, np.abs(g) - g, judge)
    cases = [(factor * g, [factor * a for a in once]) for factor in (-1024.0, 1 / 1024)]
    for other, expected in (*cases, (np.abs(g), [a + b for a, b in zip(once, rest, strict=True)])):
        for name, found, one in zip(point.names, _pulled(point, other, judge), expected, strict=True):
            room = linear * (np.abs(one) + np.abs(one).max(initial=0, where=np.isfinite(one))) + TINY
            _hold_linear(judge, name, found, one, room, other)


def _hold_linear(judge: Judge, name: str, found: Array, expected: Array, room: Array, g: Array) -> None:
    """A mistake in linearity is gross; what is slight may come from a rule that cancels, and is left undecided."""
    off = np.abs(found - expected)
    gross = np.maximum(SLIGHT * room, ROUNDED * np.abs(g).max(initial=0))
    if (off > room).any() and (off < gross).all():
        judge.leave(found.size, f"the vjp of {name} is linear in g to few digits only, so it loses some")
    else:
        judge.equal("linear in g", name, found, expected, room)


def _blame(
    point: Point, judge: Judge, g: Array, ts: Sequence[Array], truth: Estimate, rng: np.random.Generator
) -> None:
    """Compare <gradient, t> with <g, J t>; where they differ, halve the direction until one entry is left."""
    ends = np.cumsum([0, *(x.size for x in point.xs)])
    t, gradient = (np.concatenate([a.reshape(-1) for a in arrays]) for arrays in (ts, _pulled(point, g, judge)))
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
    if not abs(whole.value - gradient @ t) <= 10 * whole.error + whole.jump / 2 + slack:
        broken = np.flatnonzero(~np.isfinite(gradient))
        if broken.size:
            low, high = int(broken[0]), int(broken[0]) + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if far(low, middle) >= far(middle, high) else (middle, high)
        k = int(np.searchsorted(ends, low, side="right")) - 1
        name, whole = point.names[k], slope(low, high)
        place = f"{element(name, point.xs[k].shape, low - int(ends[k]))}, under a random cotangent"

    def claimed(gradient: Array) -> Array:
        return np.asarray(gradient[low:high] @ t[low:high])

    def again() -> Array:
        return claimed(np.concatenate([a.reshape(-1) for a in _pulled(point, g, judge, shaken(point.xs, rng))]))

    line = along(point.value, point.xs, part(low, high), total)
    behind = Entries(lambda _: line, lambda _: place, slack=slack, unsure=whole.jump != 0, shaken=again)
    judge.hold("vjp rule", name, claimed(gradient), whole, behind)


# ---- what both need ------------------------------------------------------------------------------------------------


def _pulled(point: Point, g: Array, judge: Judge, xs: Sequence[Array] | None = None) -> list[Array]:
    """The gradients that the reverse rule claims, each in the shape of its argument."""
    return [
        judge.shaped(f"{point.subject}: the vjp rule of {name}", found, x.shape)
        for name, x, found in zip(point.names, point.xs, point.pull(g, xs), strict=True)
    ]


def _rounding(out: Array) -> float:
    """How much two cotangents may differ, relatively, that are the same but for rounding. A rule may use float32."""
    return max(LINEAR, 64 * precision(out))


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
        _pulled(narrow, g * (1 + unit * rng.choice([-1, 1], g.shape)), judge, shaken(narrow.xs, rng)) for _ in range(4)
    ]
    for k, (found, truth) in enumerate(zip(_pulled(narrow, g, judge), _pulled(wide, g, judge), strict=True)):
        with np.errstate(all="ignore"):
            moves = np.max([np.nan_to_num(np.abs(shake[k] - found), posinf=0.0) for shake in shakes], axis=0)
            size = np.abs(truth) + np.abs(truth).max(initial=0, where=np.isfinite(truth))
            least = unit * np.abs(g).max(initial=0) * np.abs(out).max(initial=0, where=np.isfinite(out)) + smallest
            tolerance = NARROW * (unit * size + moves.max(initial=0)) + 4 * least
        beyond = ~(np.abs(truth) < largest / 4)  # what overflows in the narrow dtype
        judge.equal("narrow = wide", narrow.names[k], found, truth, np.where(beyond, np.inf, tolerance))

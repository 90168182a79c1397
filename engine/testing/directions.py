"""Directions: the claims of a point whose Jacobian is too large to compare whole, along random directions.

<g, J t> contains every entry. If it differs from <J' g, t>, halving the direction t again and again finds the wrong
entry. Results with a kink or without a slope along t get a zero in g, so that the other results are still checked.

Read next: `engine/testing/checks.py`, the two public checks of a function.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.arrays import Array
from engine.testing.judge import Context, Judge
from engine.testing.noise import Noise
from engine.testing.numeric import SHARE, Estimate, directional, largest_of_all, negligible, small_beside, weighed
from engine.testing.points import Point, random, shaken
from engine.testing.pulls import hold_linear, linear_to, pulled
from engine.testing.remainder import SAFETY, TINY, Line, along
from engine.testing.report import element

__tracebackhide__ = True  # in pytest's tracebacks: what failed is what was checked

ROUNDING = 1e-10  # of a sum, relative to the sum of the absolute values of its terms


def compare_direction(
    point: Point, out: Array, judge: Judge, modes: Sequence[str], rng: np.random.Generator, noise: Noise
) -> None:
    """Compare along one random direction of all arguments together. Raises GradientError."""
    if not np.isfinite(out).all():
        judge.leave_undecided(out.size, "a result is not a finite number")
        return
    ts = [random(rng, x.shape) for x in point.xs]
    found = directional(point.value, point.xs, ts, noise.measure)
    size, share = largest_of_all(found.value), negligible(noise.unit)
    truth = found._replace(decided=found.decided | small_beside(found, share * size))  # the results are one sum's terms
    if "forward" in modes:
        assert point.push is not None

        def line(at: int) -> Line:
            return along(point.value, point.xs, ts, lambda y: y[at])

        context = Context(line, unsure=truth.jump != 0, size=size, share=share)
        context.noise = lambda at: float(noise.measure()[at])
        judge.hold("jvp rule", "a random direction", point.push(ts), truth, context)
    if "reverse" in modes:
        g = random(rng, out.shape).astype(out.dtype)
        unclear = ~truth.decided | (truth.jump != 0)
        if unclear.any():
            if judge.subgradient:
                _compare_sum(_Sum(point, judge, g, ts, rng, noise), truth)
            else:
                count = int(unclear.sum())
                judge.leave_undecided(count, f"{count} of {out.size} results have a kink, or no slope, near the point")
            g[unclear] = 0.0
        _compare_sum(_Sum(point, judge, g, ts, rng, noise), truth)
        _compare_linear(point, g, judge, linear_to(out))


class _Sum:
    """<g, J t> and the reverse rule's <J' g, t>, where t may be limited to the elements low:high of all arguments."""

    def __init__(
        self, point: Point, judge: Judge, g: Array, ts: Sequence[Array], rng: np.random.Generator, noise: Noise
    ) -> None:
        self.point, self.judge, self.g, self.rng, self.noise = point, judge, g, rng, noise
        self.t = _row(ts)
        self.ends = np.cumsum([0, *(x.size for x in point.xs)])
        self.gradient = _row(pulled(point, g, judge))

    def claimed(self, low: int, high: int) -> Array:
        return np.asarray(self.gradient[low:high] @ self.t[low:high])

    def again(self, low: int, high: int) -> Array:
        """The claim at arguments moved by rounding."""
        gradient = _row(pulled(self.point, self.g, self.judge, shaken(self.point.xs, self.rng)))
        return np.asarray(gradient[low:high] @ self.t[low:high])

    def true(self, low: int, high: int) -> Estimate:
        return self.weigh(directional(self.point.value, self.point.xs, self.part(low, high), self.noise.measure))

    def weigh(self, truth: Estimate) -> Estimate:
        """The derivative of <g, f> from that of f; results that do not move add nothing, and no rounding either.

        The signs of g are random, so errors add up like a random walk.
        """
        self.seen = (self.g != 0) & ((truth.value != 0) | (truth.scale != 0))
        found = weighed(Estimate(*(field[self.seen] for field in truth)), self.g[self.seen])
        error = np.sqrt(np.sum((truth.error * self.g)[self.seen] ** 2))
        size = float(np.abs((truth.value * self.g)[self.seen]).sum())
        sure = (SAFETY * error <= abs(found.value) / 2) | (error <= SHARE * size)  # so that twice the value is too much
        return found._replace(error=error, decided=found.decided & (sure | (size == 0)))

    def part(self, low: int, high: int) -> list[Array]:
        """The direction t with zeros outside low:high."""
        places = np.arange(self.t.size)
        kept = np.where((places >= low) & (places < high), self.t, 0.0)
        pairs = zip(self.ends[:-1], self.ends[1:], self.point.xs, strict=True)
        return [kept[a:b].reshape(x.shape) for a, b, x in pairs]

    def line(self, low: int, high: int) -> Line:
        seen = self.g != 0

        def total(y: Array) -> Array:
            return np.asarray(np.vdot(self.g[seen], y[seen]), y.dtype)

        return along(self.point.value, self.point.xs, self.part(low, high), total)

    def worst(self) -> int:
        """The wrong element: one whose gradient is not finite, or the one left after halving the direction."""
        broken = np.flatnonzero(~np.isfinite(self.gradient))
        low, high = (int(broken[0]), int(broken[0]) + 1) if broken.size else (0, self.t.size)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.off(low, middle) >= self.off(middle, high) else (middle, high)
        return low

    def off(self, low: int, high: int) -> float:
        truth = self.true(low, high)
        return float(abs(truth.value - self.claimed(low, high)) - truth.error)

    def named(self, at: int) -> tuple[str, str]:
        """The names of an element's argument and of the element."""
        k = int(np.searchsorted(self.ends, at, side="right")) - 1
        return self.point.names[k], element(self.point.names[k], self.point.xs[k].shape, at - int(self.ends[k]))


def _compare_sum(total: _Sum, truth: Estimate) -> None:
    """Compare <J' g, t> with <g, J t>, or the terms of the wrong element alone if the sums differ."""
    low, high, name, place = 0, total.t.size, "a random direction", "a random direction of all arguments"
    whole, judge = total.weigh(truth), total.judge
    terms, weight = np.abs(total.gradient * total.t), np.abs(total.t) * np.abs(total.g).max(initial=0)
    slack = ROUNDING * float(np.nansum(terms))
    room = slack + judge.rtol * float(np.nansum(terms)) + judge.atol * float(weight.sum())
    if not abs(whole.value - total.claimed(low, high)) <= SAFETY * whole.error + whole.jump / 2 + room:
        low = total.worst()
        high, whole = low + 1, total.true(low, low + 1)
        name, place = total.named(low)
        place += ", under a random cotangent"
    line = total.line(low, high)
    context = Context(
        lambda _: line, lambda _: place, slack=slack, unsure=whole.jump != 0, shaken=lambda: total.again(low, high)
    )
    context.terms, context.weight = float(np.nansum(terms[low:high])), float(weight[low:high].sum())
    context.size = float(np.abs(np.where(total.g != 0, truth.value * total.g, 0.0)).sum())
    context.share = np.max(negligible(total.noise.unit), initial=0.0)
    context.noise = lambda _: float(np.abs(total.g[total.seen]) @ total.noise.measure()[total.seen])
    total.judge.hold("vjp rule", name, total.claimed(low, high), whole, context)


def _compare_linear(point: Point, g: Array, judge: Judge, linear: float) -> None:
    """Check that the rule is linear in cotangents of other sizes and of other signs."""
    once, rest = pulled(point, g, judge), pulled(point, np.abs(g) - g, judge)
    cases = [(factor * g, [factor * a for a in once]) for factor in (-1024.0, 1 / 1024)]
    for other, expected in (*cases, (np.abs(g), [a + b for a, b in zip(once, rest, strict=True)])):
        for name, found, one in zip(point.names, pulled(point, other, judge), expected, strict=True):
            room = linear * (np.abs(one) + np.abs(one).max(initial=0, where=np.isfinite(one))) + TINY
            hold_linear(judge, name, found, one, room, other)


def _row(arrays: Sequence[Array]) -> Array:
    return np.concatenate([a.reshape(-1) for a in arrays])

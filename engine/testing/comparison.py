"""Comparison of a point's claims with numerical truth, entry by entry or in a few directions.

For small functions the whole Jacobian is compared, entry by entry, so that a wrong entry of size 1e-9 is found beside
one of size 1e9. For large ones random directions are compared (`directions.py`).

Cotangents are random, never ones: under ones softmax and layer norm have zero gradient, and a rule that returns zeros
would pass. float32 rules are not compared with differences but with the same rules in float64 (`pulls.py`).

Read next: `engine/testing/directions.py`, the comparison for large functions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.arrays import Array
from engine.testing.directions import compare_direction
from engine.testing.hints import hint, hint_of_all
from engine.testing.judge import Context, Judge
from engine.testing.noise import Noise
from engine.testing.numeric import Estimate, in_rows, jacobian, largest, negligible, only
from engine.testing.points import Point, random, shaken
from engine.testing.pulls import RULE_ROUNDING, hold_linear, linear_to, pulled
from engine.testing.remainder import SAFETY, TINY, Line, along
from engine.testing.report import Inconclusive, element

__tracebackhide__ = True  # in pytest's tracebacks: what failed is what was checked

SMALL = 256  # up to this many elements of arguments and results together, the whole Jacobian is compared
ROUNDS = 4  # how many random directions otherwise
NOTHING = 1e-10  # of the largest slope of a result: a rule may give as much where central differences find none
UNRESOLVED = 1e-9  # of the largest entry: smaller differences may come from structure of f finer than every step


def compare(point: Point, judge: Judge, modes: Sequence[str], seed: int) -> None:
    """Compare the claims of a point with the truth. Raises GradientError."""
    out = point.value(*point.xs)
    if not np.array_equal(out, point.value(*point.xs), equal_nan=True):
        raise Inconclusive(
            f"{point.subject}: inconclusive, two calls with the same arguments differ; fix its randomness"
        )
    rng = np.random.default_rng([seed, 1])  # differs from default_rng(seed), which may have made the arguments
    noise = Noise(point.value, point.xs, out)
    judge.noise = judge.noise if judge.noise and judge.noise.words else noise
    if out.size + sum(x.size for x in point.xs) > SMALL:
        for _ in range(ROUNDS):
            compare_direction(point, out, judge, modes, rng, noise)
        return
    found = [jacobian(point.value, point.xs, k, noise.measure) for k in range(len(point.xs))]
    truths = in_rows(found, negligible(noise.unit))
    if "reverse" in modes:
        _compare_pulls(point, out, truths, judge, rng, noise)
    if "forward" in modes:
        _compare_pushes(point, out, truths, judge, noise)


# ---- the whole Jacobian, of shape (elements of an argument, elements of the result) --------------------------------


def _compare_pulls(
    point: Point, out: Array, truths: Sequence[Estimate], judge: Judge, rng: np.random.Generator, noise: Noise
) -> None:
    claims = _jacobians(point, out, judge)
    g, linear = random(rng, out.shape).astype(out.dtype), linear_to(out)
    others = [(other, pulled(point, other, judge)) for other in (g, -1024 * g, g / 1024, np.abs(g))]
    for k, (name, x, claim, truth) in enumerate(zip(point.names, point.xs, claims, truths, strict=True)):

        def again(k: int = k) -> Array:
            return _jacobians(point, out, judge, rng)[k]

        def guess(at: int, x: Array = x, claim: Array = claim, truth: Estimate = truth, name: str = name) -> str:
            i, j = divmod(at, out.size)
            whole = hint_of_all(claim, truth.value)
            if whole:
                return whole
            factors = {name: x, "the result": out.reshape(x.shape) if out.size == x.size else out}
            return hint(claim[:, j].reshape(x.shape), truth.value[:, j].reshape(x.shape), i, factors)

        context = _context(point, out, truths, k, judge, noise)
        biggest = np.abs(claim).max(axis=0, initial=0, keepdims=True, where=np.isfinite(claim))
        context.unsure = context.unsure | (np.abs(claim - truth.value) < UNRESOLVED * biggest)
        context.slack, context.guess, context.shaken = context.slack + RULE_ROUNDING * biggest, guess, again
        judge.hold("vjp rule", name, claim, truth, context)
        for other, found in others:
            room = (linear * np.abs(claim) + truth.flat) @ np.abs(other) + TINY
            room[~(truth.decided | (truth.jump != 0)).all(axis=1)] = np.inf  # where f has no slope, no rule has a law
            hold_linear(judge, name, found[k], (claim @ other).reshape(x.shape), room.reshape(x.shape), other)


def _compare_pushes(point: Point, out: Array, truths: Sequence[Estimate], judge: Judge, noise: Noise) -> None:
    assert point.push is not None
    for k, (name, x, truth) in enumerate(zip(point.names, point.xs, truths, strict=True)):
        zeros = [np.zeros(other.shape) for other in point.xs]
        rows = [point.push([*zeros[:k], unit, *zeros[k + 1 :]]) for unit in _units(x)]
        claim = np.array(rows, np.float64).reshape(x.size, out.size)
        context = _context(point, out, truths, k, judge, noise)
        biggest = np.abs(claim).max(axis=1, initial=0, keepdims=True, where=np.isfinite(claim))
        context.slack = context.slack + RULE_ROUNDING * biggest
        judge.hold("jvp rule", name, claim, truth, context)


def _jacobians(point: Point, out: Array, judge: Judge, rng: np.random.Generator | None = None) -> list[Array]:
    """The Jacobians that the reverse rule claims, one result at a time; with rng, at arguments moved by rounding."""
    units, xs = list(np.eye(out.size)), None
    if rng is not None:
        units, xs = shaken(units, rng), shaken(point.xs, rng)
    rows = [pulled(point, unit, judge, xs) for unit in units]
    return [
        np.array([found[k].reshape(-1) for found in rows]).reshape(out.size, x.size).T for k, x in enumerate(point.xs)
    ]


def _context(point: Point, out: Array, truths: Sequence[Estimate], k: int, judge: Judge, noise: Noise) -> Context:
    """The context of the Jacobian in one argument.

    A result with a kink in any argument has no derivative, and neither has any result in an element along which some
    result has a kink. Slopes along the axes do not decide there: the middle one of three equal eigenvalues is flat
    along each axis and has a slope between them.
    """
    x, units = point.xs[k], _units(point.xs[k])

    def line(at: int) -> Line:
        i, j = divmod(at, out.size)
        return along(point.value, point.xs, only(units[i], k, len(point.xs)), lambda y: y[j])

    def where(at: int) -> str:
        i, j = divmod(at, out.size)
        return element(point.names[k], x.shape, i) + (f", for result {j} of {out.size}" if out.size > 1 else "")

    kinks = [(truth.jump != 0) | ~np.isfinite(truth.value) | ~truth.decided for truth in truths]
    unsure = np.any([kink.any(axis=0) for kink in kinks], axis=0) | kinks[k].any(axis=1, keepdims=True)
    size = largest(truths)
    unresolved = np.abs(truths[k].value) <= SAFETY * truths[k].error
    return Context(
        line,
        where,
        unsure=unsure & (not judge.subgradient),
        group=max(out.size, 1),
        slack=np.where(unresolved, NOTHING * size, 0.0),
        size=size,
        share=negligible(noise.unit),
        noise=lambda at: float(noise.measure()[at % out.size]),
    )


def _units(x: Array) -> list[Array]:
    return list(np.eye(x.size).reshape(x.size, *x.shape))

"""gradcheck and check_vjp: the derivatives of one function at one point, held against numerical truth.

Where function and arguments are small, the whole Jacobian is compared, entry by entry, so that a wrong entry of size
1e-9 is found beside one of size 1e9. Where they are large, random directions are: <g, J v> in a few of them at once sees
every entry, and when one disagrees, halving the direction finds the entry that is to blame.

Cotangents are random, never ones: under ones softmax and layer norm have no gradient, and a rule that returns zeros
would pass. float32 rules are not differenced; they are compared with the same rules in float64, and may be off by what
a few units in the last place of the inputs do to those.

Order n checks the derivative of order n - 1 as the function that it is, by every mode at every order.

Read next: `engine/testing/properties.py`, many points instead of one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.tensor import Array
from engine.testing.judge import Judge
from engine.testing.numeric import Estimate, directional, jacobian, moved, weighed
from engine.testing.points import Function, Inputs, Point, like, of_callables, of_engine, random
from engine.testing.remainder import Line
from engine.testing.report import GradientError, Inconclusive, element
from engine.testing.snippets import call
from engine.transforms import jvp, vjp

SMALL = 256  # elements of arguments and results together, up to which the whole Jacobian is compared
ROUNDS = 4  # random directions otherwise
NARROW = 64.0  # units in the last place by which a float32 rule may be off


@dataclass(frozen=True)
class Report:
    """What was checked, where all of it agreed: how many entries, and the largest relative error."""

    checked: int
    worst: float
    modes: tuple[str, ...]

    def __str__(self) -> str:
        return f"agrees: {self.checked} entries, {' and '.join(self.modes)}, to a relative error of {self.worst:.1g}"


def gradcheck(
    f: Function,
    *arrays: Any,
    order: int = 1,
    modes: Sequence[str] | None = None,
    subgradient: bool = False,
    seed: int = 0,
) -> Report:
    """Hold the engine's derivatives of f at one point against central differences.

    Args:
        f: a function of tensors, returning a tensor or a tree of them.
        arrays: its arguments: arrays, numbers, tensors, or lists, tuples and dicts of these. Integers are not moved.
        order: of the derivatives; 2 checks the derivatives of the derivatives as well.
        modes: "reverse", "forward" or both; both by default, but forward only where every op has a jvp rule.
        subgradient: at a kink, accept any value between the slopes of the two sides.
        seed: of the random cotangents and tangents.

    Raises GradientError where a derivative is wrong, and Inconclusive, which is one, where that cannot be told.
    """
    subject = name_of(f)
    for mode in modes or ():
        if mode not in ("reverse", "forward"):
            raise ValueError(f"gradcheck: no mode {mode!r}; there are 'reverse' and 'forward'")
    try:
        judge, used = Judge(subject, subgradient), modes_of(f, arrays, modes)
        _check(subject, f, arrays, order, used, judge, seed)
        judge.finish()
    except GradientError as error:
        asked = {"order": order} if order != 1 else {}
        asked |= {"modes": tuple(modes)} if modes else {}
        error.snippet = call("gradcheck", [f], arrays, **asked, **_options(subgradient, seed))
        raise
    return Report(judge.checked, judge.worst, used)


def check_vjp(f: Function, vjp: Function, *arrays: Any, subgradient: bool = False, seed: int = 0) -> Report:
    """Hold a hand-written backward pass against central differences. Any functions of ndarrays will do.

    Args:
        f: f(*arrays) returns an array, or a tree of them; anything that `np.asarray` takes counts as an array.
        vjp: vjp(g, *arrays) returns one cotangent per array, of its shape (None for no derivative); g is like f's result.
        arrays, subgradient, seed: as for `gradcheck`.

    Raises GradientError and Inconclusive as `gradcheck` does.
    """
    subject = name_of(vjp)
    try:
        judge = Judge(subject, subgradient)
        check_point(of_callables(subject, f, vjp, arrays, np.float64), judge, ("reverse",), seed)
        if Inputs(subject, f, arrays).narrow:
            check_narrow(lambda dtype: of_callables(subject, f, vjp, arrays, dtype), judge, seed)
        judge.finish()
    except GradientError as error:
        error.snippet = call("check_vjp", [f, vjp], arrays, **_options(subgradient, seed))
        raise
    return Report(judge.checked, judge.worst, ("reverse",))


def name_of(f: Function) -> str:
    """What reports call a function."""
    return getattr(f, "name", None) or getattr(f, "__name__", None) or type(f).__name__


def _options(subgradient: bool, seed: int) -> dict[str, Any]:
    return ({"subgradient": True} if subgradient else {}) | ({"seed": seed} if seed else {})


def modes_of(f: Function, arrays: Sequence[Any], modes: Sequence[str] | None) -> tuple[str, ...]:
    """The modes asked for, or all that the ops of f have rules for."""
    if modes is not None:
        return tuple(modes)
    point = of_engine(name_of(f), f, arrays)
    assert point.push is not None
    try:
        point.push([np.zeros_like(x) for x in point.xs])
    except RuntimeError as error:
        if "has no jvp rule" not in str(error):
            raise
        return ("reverse",)
    return ("reverse", "forward")


def _check(
    subject: str, f: Function, arrays: Sequence[Any], order: int, modes: Sequence[str], judge: Judge, seed: int
) -> None:
    """Check f, then each of its derivatives as a function of lower order."""
    judge.subject = subject
    point = of_engine(subject, f, arrays, np.float64)
    check_point(point, judge, modes, seed)
    if Inputs(subject, f, arrays).narrow:
        check_narrow(lambda dtype: of_engine(subject, f, arrays, dtype), judge, seed)
    if order < 2:
        return
    rng = np.random.default_rng(seed + 1)
    inputs = Inputs(subject, f, arrays, np.float64)
    g, ts = random(rng, point.value(*point.xs).shape), [random(rng, x.shape) for x in point.xs]

    def flat(*xs: Any) -> Any:
        return f(*inputs.arguments(xs))

    def gradient(*xs: Any) -> Any:
        out, pullback = vjp(flat, *xs)
        return pullback(like(out, g))

    def tangent(*xs: Any) -> Any:
        return jvp(flat, xs, tuple(ts))[1]

    for mode, derived in (("reverse", gradient), ("forward", tangent)):
        if mode in modes:
            _check(f"{mode} derivative of {subject}", derived, point.xs, order - 1, modes, judge, seed + 1)


def check_point(point: Point, judge: Judge, modes: Sequence[str], seed: int) -> None:
    """Hold the claims of a point against the truth. Raises GradientError."""
    out = point.value(*point.xs)
    if not np.array_equal(out, point.value(*point.xs), equal_nan=True):
        raise Inconclusive(
            f"{point.subject}: inconclusive, two calls with the same arguments differ; fix its randomness"
        )
    rng = np.random.default_rng(seed)
    if out.size + sum(x.size for x in point.xs) <= SMALL:
        _check_whole(point, out, judge, modes, rng)
    else:
        _check_directions(point, out, judge, modes, rng)


def _check_whole(point: Point, out: Array, judge: Judge, modes: Sequence[str], rng: np.random.Generator) -> None:
    """Compare the whole Jacobian, one argument after the other."""
    g = random(rng, out.shape)
    pulled = [point.pull(unit) for unit in np.eye(out.size, dtype=out.dtype)] if "reverse" in modes else []
    mixed = [point.pull(g)] if "reverse" in modes else []
    _check_shapes(point, [*pulled, *mixed], judge)
    truths = [jacobian(point.value, point.xs, k) for k in range(len(point.xs))]
    odd_results = ~np.isfinite(out) | np.any([(truth.jump != 0).any(axis=0) for truth in truths], axis=0)
    for k, (name, x, truth) in enumerate(zip(point.names, point.xs, truths, strict=True)):
        units = list(np.eye(x.size).reshape(x.size, *x.shape))
        odd = (truth.jump != 0) | ~np.isfinite(truth.value)
        unsure = (odd_results | odd.any(axis=1, keepdims=True)) & (not judge.subgradient)

        def line(at: int, k: int = k, units: Any = units) -> Line:
            i, j = divmod(at, out.size)
            return along(point, [units[i] if k == other else None for other in range(len(point.xs))], lambda y: y[j])

        def where(at: int, name: str = name, x: Array = x) -> str:
            i, j = divmod(at, out.size)
            return f"{element(name, x.shape, i)} from {element('result', out.shape, j)}"

        if "reverse" in modes:
            rows = np.array([np.asarray(_array(found[k]), np.float64).reshape(-1) for found in pulled])
            claim = rows.reshape(out.size, x.size).T
            judge.hold("vjp rule", name, claim, truth, line, where=where, unsure=unsure, slack=rounding(claim, axis=0))
            tolerance = (1e-6 * np.abs(claim) + truth.flat) @ np.abs(g)
            judge.equal("linear", name, mixed[0][k], (claim @ g).reshape(x.shape), tolerance.reshape(x.shape))
        if "forward" in modes:
            assert point.push is not None
            others = [np.zeros(other.shape) for other in point.xs]
            pushes = [point.push([*others[:k], unit, *others[k + 1 :]]) for unit in units]
            claim = np.array([_array(t) for t in pushes], np.float64).reshape(x.size, out.size)
            judge.hold("jvp rule", name, claim, truth, line, where=where, unsure=unsure, slack=rounding(claim, axis=1))


def _check_directions(point: Point, out: Array, judge: Judge, modes: Sequence[str], rng: np.random.Generator) -> None:
    """Compare in a few random directions of all arguments at once."""
    for _ in range(ROUNDS):
        g, ts = random(rng, out.shape), [random(rng, x.shape) for x in point.xs]
        truth = directional(point.value, point.xs, ts)
        if "reverse" in modes:
            gradients = point.pull(g)
            _check_shapes(point, [gradients], judge)
            _blame(point, judge, g, ts, [np.asarray(_array(one), np.float64) for one in gradients], truth)
            again = point.pull((2 * g).astype(g.dtype))
            for name, one, two in zip(point.names, gradients, again, strict=True):
                doubled = 2 * np.asarray(_array(one), np.float64)
                tolerance = 1e-6 * np.abs(doubled).max(initial=0)
                judge.equal("linear", name, two, doubled, tolerance)
        if "forward" in modes:
            assert point.push is not None
            judge.hold(
                "jvp rule", "a random direction", point.push(ts), truth, lambda j: along(point, ts, lambda y: y[j])
            )


def _blame(point: Point, judge: Judge, g: Array, ts: list[Array], gradients: list[Array], truth: Estimate) -> None:
    """Compare <gradient, t> with <g, J t>; where they differ, halve the direction until one entry is left."""
    sizes = np.cumsum([0, *(x.size for x in point.xs)])
    flat_t, flat_g = (np.concatenate([a.reshape(-1) for a in arrays]) for arrays in (ts, gradients))

    def part(low: int, high: int) -> list[Array]:
        kept = np.where((np.arange(flat_t.size) >= low) & (np.arange(flat_t.size) < high), flat_t, 0.0)
        return [kept[a:b].reshape(x.shape) for a, b, x in zip(sizes[:-1], sizes[1:], point.xs, strict=True)]

    def total(y: Array) -> Any:
        return np.asarray(np.vdot(g, y), y.dtype)

    def excess(low: int, high: int) -> float:
        found = weighed(directional(point.value, point.xs, part(low, high)), g)
        return float(abs(found.value - flat_g[low:high] @ flat_t[low:high]) - found.error)

    low, high = 0, flat_t.size
    whole = weighed(truth, g)
    if not abs(whole.value - flat_g @ flat_t) <= 10 * whole.error + 1e-9 * (np.abs(flat_g) @ np.abs(flat_t)):
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if excess(low, middle) >= excess(middle, high) else (middle, high)
    k = int(np.searchsorted(sizes, low, side="right")) - 1
    place = element(point.names[k], point.xs[k].shape, low - int(sizes[k])) if high - low == 1 else "all of them"
    found = whole if high - low > 1 else weighed(directional(point.value, point.xs, part(low, high)), g)
    judge.hold(
        "vjp rule",
        "a random direction" if high - low > 1 else point.names[k],
        np.asarray(flat_g[low:high] @ flat_t[low:high]),
        found,
        lambda _: along(point, part(low, high), total),
        where=lambda _: place,
        slack=1e-10 * float(np.abs(flat_g) @ np.abs(flat_t)),
    )


def _check_shapes(point: Point, claims: Sequence[Sequence[Any]], judge: Judge) -> None:
    for claim in claims:
        for name, x, found in zip(point.names, point.xs, claim, strict=True):
            judge.shaped(f"{point.subject}: the vjp rule of {name}", found, x.shape)


def check_narrow(at: Callable[[Any], Point], judge: Judge, seed: int) -> None:
    """Hold the rule in the arguments' own precision against itself in float64, at the same point."""
    narrow, wide = at(None), at(np.float64)
    rng = np.random.default_rng(seed)
    g = random(rng, narrow.value(*narrow.xs).shape)
    found, truth = narrow.pull(g.astype(narrow.value(*narrow.xs).dtype)), wide.pull(g)
    unit = float(max(np.finfo(x.dtype).eps for x in narrow.xs))
    moved = [x * (1 + unit * random(rng, x.shape)) for x in wide.xs]
    shaken = Point(wide.subject, wide.names, moved, wide.value, wide.pull)
    del shaken
    for name, one, other in zip(narrow.names, found, truth, strict=True):
        other = np.asarray(_array(other), np.float64)
        tolerance = NARROW * unit * (np.abs(other) + np.abs(other).max(initial=0))
        judge.equal("narrow = float64", name, one, other, tolerance)


def along(point: Point, ts: Sequence[Array | None], weigh: Callable[[Array], Any]) -> Line:
    """The function of one number that moves the point along ts and weighs the result."""
    like = point.value(*point.xs)
    return lambda h: weigh(moved(point.value, point.xs, ts, h, like) if h else like)


def rounding(claim: Array, axis: int) -> Array:
    """What rounding may do to entries that one call of a rule has made, along an axis."""
    finite = np.where(np.isfinite(claim), np.abs(claim), 0.0)
    return 64 * np.finfo(np.float64).eps * finite.max(axis=axis, keepdims=True, initial=0)


def _array(value: Any) -> Any:
    return getattr(value, "array", value)

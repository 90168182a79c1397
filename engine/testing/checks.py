"""gradcheck and check_vjp: compare the derivatives of one function at one point with numerical truth.

Order n checks the derivative of order n - 1 like any other function, in every mode at every order.

Read next: `engine/testing/adapters/__init__.py`, the same check for other frameworks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.testing.comparison import compare
from engine.testing.judge import Judge
from engine.testing.names import name_of, named
from engine.testing.points import Function, Inputs, Point, like, of_callables, of_engine, random
from engine.testing.pulls import compare_narrow
from engine.testing.report import GradientError
from engine.testing.snippets import call
from engine.transforms import jvp, vjp

__tracebackhide__ = True  # in pytest's tracebacks: what failed is what was checked

MODES = ("reverse", "forward")


@dataclass(frozen=True)
class Report:
    """The result of a check in which all entries agreed.

    Fields:
        entries: how many entries of Jacobians, or of their products with random directions, were compared.
        elements: how many elements of the arguments they belong to.
        modes: the modes that were checked.
        worst: the largest relative error.
        calls: how often the function was called.
        remarks: the deliberate deviations that were allowed, and how the function is rounded, if that mattered.
        points, seconds: how many points were checked and agreed, and the time they took, if they were drawn.
    """

    entries: int
    elements: int
    modes: tuple[str, ...]
    worst: float
    calls: int = 0
    remarks: tuple[str, ...] = ()
    points: int = 1
    seconds: float | None = None

    def __str__(self) -> str:
        parts = [f"{self.entries:,} entries", " and ".join(self.modes), f"to a relative error of {self.worst:.1g}"]
        spent = f"{self.calls:,} calls of f"
        if self.seconds is not None:
            parts, spent = [f"{self.points:,} points", *parts], f"{spent} in {self.seconds:.1f} s"
        return "; ".join([f"agrees: {', '.join(parts)}", *self.remarks, spent])

    __repr__ = __str__


def gradcheck(
    f: Function,
    *arrays: Any,
    order: int = 1,
    modes: Sequence[str] | None = None,
    subgradient: bool = False,
    surrogate: Function | None = None,
    rtol: float = 0.0,
    atol: float = 0.0,
    name: str | None = None,
    seed: int = 0,
) -> Report:
    """Compare the engine's derivatives of f at one point with central differences.

    Args:
        f: a function of tensors, returning a tensor or a tree of them.
        arrays: its arguments: arrays, numbers, tensors, or lists, tuples and dicts of these. Integers are not moved.
        order: of the derivatives; 2 checks the derivatives of the derivatives as well.
        modes: "reverse", "forward" or both; by default both, or only reverse if some op has no jvp rule.
        subgradient: at a kink, accept any value between the slopes of the two sides.
        surrogate: where the gradient of f is deliberately that of another function, that function; or, if it depends
            on the point, a function of the point that returns it.
        rtol, atol: deliberate deviations of a derivative, as a share of it and absolute. Rounding needs none.
        name: of f in reports; by default its own.
        seed: of the random cotangents and tangents.

    Raises GradientError if a derivative is wrong, and its subclass Inconclusive if that cannot be decided.
    """
    unknown = [mode for mode in modes or () if mode not in MODES]
    if unknown or (modes is not None and not modes) or not isinstance(order, int) or order < 1:
        raise ValueError(
            f"gradcheck: order is 1, 2, ..., and modes are some of {MODES}; got order={order!r}, modes={modes!r}"
        )
    if surrogate is not None and order > 1:
        raise ValueError("gradcheck: a surrogate has the gradient of f, not its higher derivatives; use order=1")
    judge = _judge("gradcheck", name or name_of(f), subgradient, rtol, atol)
    options = _changed(surrogate=surrogate, subgradient=subgradient, rtol=rtol, atol=atol, name=name, seed=seed)
    try:
        used = tuple(modes) if modes is not None else _modes(f, arrays)
        _check_order(judge.counted(f), arrays, order, used, judge, seed, surrogate=surrogate)
        judge.finish()
    except GradientError as error:
        given = ({"order": order} if order > 1 else {}) | ({"modes": used} if modes is not None else {})
        error.snippet = call("gradcheck", {"f": f}, arrays, **given, **options)
        raise
    return _report(judge, used)


def check_vjp(
    f: Function,
    vjp: Function,
    *arrays: Any,
    subgradient: bool = False,
    surrogate: Function | None = None,
    rtol: float = 0.0,
    atol: float = 0.0,
    name: str | None = None,
    seed: int = 0,
) -> Report:
    """Compare a hand-written backward pass, of any function of ndarrays, with central differences.

    Args:
        f: f(*arrays) returns an array or a tree of arrays; anything that `np.asarray` accepts counts as an array.
        vjp: vjp(g, *arrays) returns one cotangent per array, of its shape, or None for no derivative; g has the form
            of f's result. Cotangents of integer arrays may be left out.
        arrays, subgradient, surrogate, rtol, atol, name, seed: as for `gradcheck`.

    Raises GradientError and Inconclusive as `gradcheck` does.
    """
    options = _changed(surrogate=surrogate, subgradient=subgradient, rtol=rtol, atol=atol, name=name, seed=seed)
    return check_rule(
        Rule("check_vjp", name or name_of(f, vjp), named(len(arrays), f, vjp), f, vjp, surrogate),
        arrays,
        lambda: call("check_vjp", {"f": f, "vjp": vjp}, arrays, **options),
        subgradient=subgradient,
        rtol=rtol,
        atol=atol,
        seed=seed,
    )


@dataclass(frozen=True)
class Rule:
    """A function of arrays and its backward pass, as `check_vjp` takes them, with the names that reports give them.

    Fields:
        check: the name of the public check.
        subject: the name of the function.
        names: the names of its arguments.
        f, vjp, surrogate: as for `check_vjp`.
    """

    check: str
    subject: str
    names: Sequence[str]
    f: Function
    vjp: Function
    surrogate: Function | None = None


def check_rule(
    rule: Rule,
    arrays: Sequence[Any],
    snippet: Callable[[], str],
    *,
    subgradient: bool,
    rtol: float,
    atol: float,
    seed: int,
) -> Report:
    """What `check_vjp` does, for a rule with names; `snippet` writes the source that repeats a check that failed."""
    judge = _judge(rule.check, rule.subject, subgradient, rtol, atol)
    f = judge.counted(rule.f)

    def at(args: Sequence[Any]) -> Point:
        return of_callables(rule.subject, rule.names, f, rule.vjp, args, rule.surrogate)

    try:
        _check_point(at, Inputs(rule.subject, rule.names, arrays), ("reverse",), judge, seed)
        judge.finish()
    except GradientError as error:
        error.snippet = snippet()
        raise
    return _report(judge, ("reverse",))


def together(reports: Sequence[Report], calls: int, seconds: float) -> Report:
    """One report of checks at several points."""
    return Report(
        sum(one.entries for one in reports),
        sum(one.elements for one in reports),
        reports[0].modes if reports else (),
        max((one.worst for one in reports), default=0.0),
        calls,
        tuple(dict.fromkeys(remark for one in reports for remark in one.remarks)),
        len(reports),
        seconds,
    )


def _judge(check: str, subject: str, subgradient: bool, rtol: float, atol: float) -> Judge:
    for name, value in (("rtol", rtol), ("atol", atol)):
        if not 0 <= value < np.inf:
            raise ValueError(f"{check}: {name} is a number from 0 on, not {value!r}")
    return Judge(subject, subgradient, rtol, atol)


def _report(judge: Judge, modes: tuple[str, ...]) -> Report:
    return Report(judge.entries, judge.checked, modes, judge.worst, judge.calls, tuple(judge.remarks()))


def _changed(**options: Any) -> dict[str, Any]:
    """The options of a call that differ from the defaults."""
    return {key: value for key, value in options.items() if value}


def _modes(f: Function, arrays: Sequence[Any]) -> tuple[str, ...]:
    """The modes for which every op in f has a rule."""
    with np.errstate(all="ignore"):
        point = of_engine(name_of(f), f, arrays)
        assert point.push is not None
        try:
            point.push([np.zeros_like(x) for x in point.xs])
        except RuntimeError as error:
            if "has no jvp rule" in str(error):
                return ("reverse",)
            raise
    return MODES


def _check_point(
    at: Callable[[Sequence[Any]], Point], inputs: Inputs, modes: Sequence[str], judge: Judge, seed: int
) -> None:
    """Check at the point in float64, and check the rule in the arguments' own precision if that is lower."""
    with np.errstate(all="ignore"):  # the judge handles values that are not finite
        wide = at(inputs.widened())
        compare(wide, judge, modes, seed)
        if "reverse" in modes and any(x.dtype.itemsize < 8 for x in inputs.xs):
            compare_narrow(at(inputs.arguments(inputs.xs)), wide, judge, seed)


def _check_order(
    f: Function,
    args: Sequence[Any],
    order: int,
    modes: Sequence[str],
    judge: Judge,
    seed: int,
    name: str = "",
    surrogate: Function | None = None,
) -> None:
    """Check f, then each of its derivatives, to an order lower by one."""
    subject = name or judge.subject
    judge.subject = subject
    inputs = Inputs(subject, named(len(args), f), args)
    _check_point(lambda args: of_engine(subject, f, args, surrogate), inputs, modes, judge, seed)
    if order > 1:
        for mode, derived in zip(MODES, _derivatives(f, inputs, seed), strict=True):
            if mode in modes:
                xs = [x.astype(np.float64) for x in inputs.xs]
                _check_order(derived, xs, order - 1, modes, judge, seed + 1, f"{mode} derivative of {subject}")


def _derivatives(f: Function, inputs: Inputs, seed: int) -> tuple[Function, Function]:
    """Functions of the floating inputs: the gradient of <g, f>, and the derivative of f along t, for random g and t."""
    rng = np.random.default_rng([seed, 4])
    ts = tuple(random(rng, x.shape) for x in inputs.xs)
    g = random(rng, of_engine("", f, inputs.widened()).value(*inputs.xs).shape)

    def flat(*xs: Any) -> Any:
        return f(*inputs.arguments(xs))

    def gradient(*xs: Any) -> Any:
        out, pullback = vjp(flat, *xs)
        return pullback(like(out, g))

    def tangent(*xs: Any) -> Any:
        return jvp(flat, xs, ts)[1]

    return gradient, tangent

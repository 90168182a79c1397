"""Cases for the gradient checker: a function, a backward pass somebody wrote, a point, and the verdicts allowed.

The truth about a case comes from here, by other means than the checker's own: a complex step, which has no
cancellation (Squire and Trapp 1998), or, where a function has no complex form, a five-point difference.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import pytest

from engine.testing import GradientError, check_vjp

Function = Callable[..., Any]
AGREES, DISAGREES, UNSURE = {"agrees"}, {"disagrees"}, {"inconclusive"}
NOT_WRONG = AGREES | UNSURE  # true, but nobody can demand that differences find it out
NOT_RIGHT = DISAGREES | UNSURE
SEEDS = range(1, 21 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 3)  # of random cotangents; 0 is the default


def verdict(f: Function, vjp: Function, *arrays: Any, **options: Any) -> str:
    """What the checker says; NumPy's warnings at an awkward point are not its verdict."""
    try:
        with np.errstate(all="ignore"):
            check_vjp(f, vjp, *arrays, **options)
    except GradientError as error:
        return str(error.verdict)
    return "agrees"


def surprises(case: Case, seeds: Iterable[int] = SEEDS) -> dict[int, str]:
    """The verdicts that the row does not allow, by seed."""
    found = {seed: verdict(case.f, case.vjp, *case.point, seed=seed, **case.options) for seed in seeds}
    return {seed: said for seed, said in found.items() if said not in case.expected}


class Case(NamedTuple):
    """One row of a table.

    Fields:
        name: the mistake, or what is awkward about the point.
        truth: makes the true rule of `f` by other means than the checker's, or None where a row is only reasoned out.
    """

    name: str
    f: Function
    vjp: Function
    point: tuple[Any, ...]
    expected: set[str]
    truth: Callable[[Function], Function] | None
    options: dict[str, Any]


def complex_step(f: Function) -> Function:
    """The true backward pass of an analytic function: Im f(x + ih) / h, exact to the last digits for a tiny h."""

    def slope(k: int, index: Any, arrays: tuple[Any, ...]) -> Any:
        moved = arrays[k].astype(complex)
        moved[index] += 1e-30j
        return np.imag(f(*arrays[:k], moved, *arrays[k + 1 :])) / 1e-30

    return _entry_by_entry(slope)


def five_points(f: Function) -> Function:
    """The backward pass by central differences of fourth order: about ten digits where `f` is tame."""

    def slope(k: int, index: Any, arrays: tuple[Any, ...]) -> Any:
        def at(h: float) -> Any:
            moved = arrays[k].astype(float)
            moved[index] += h
            return np.asarray(f(*arrays[:k], moved, *arrays[k + 1 :]), float)

        h = 1e-3
        return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)

    return _entry_by_entry(slope)


def _entry_by_entry(slope: Callable[[int, Any, tuple[Any, ...]], Any]) -> Function:
    def vjp(g: Any, *arrays: Any) -> tuple[Any, ...]:
        arrays = tuple(np.asarray(a) for a in arrays)
        found = [None if a.dtype.kind != "f" else np.zeros(a.shape, a.dtype) for a in arrays]
        for k, gradient in enumerate(found):
            for index in np.ndindex(arrays[k].shape if gradient is not None else (0,)):
                gradient[index] = np.sum(g * slope(k, index, arrays))  # type: ignore[index]
        return tuple(found)

    return vjp


def case(
    name: str,
    f: Function,
    vjp: Function,
    *point: Any,
    expect: set[str] = DISAGREES,
    truth: Callable[[Function], Function] | None = complex_step,
    **options: Any,
) -> Case:
    arrays = tuple(np.asarray(x, float) if isinstance(x, float | list) else x for x in point)
    return Case(name, f, vjp, arrays, expect, truth, options)


def distance(case: Case) -> float:
    """How far the row's rule is from the truth, relative to each entry, at worst; infinite for a wrong shape."""
    assert case.truth
    with np.errstate(all="ignore"):
        out = np.asarray(case.f(*case.point))
        g = np.random.default_rng(7).normal(size=out.shape).astype(out.dtype)
        found, true = case.vjp(g.copy(), *case.point), case.truth(case.f)(g, *case.point)
    found = found if isinstance(found, tuple | list) else (found,)
    if [np.shape(a) for a in found] != [np.shape(b) for b in true]:
        return np.inf
    pairs = [(np.asarray(a, float), b) for a, b in zip(found, true) if b is not None]
    gaps = [np.abs(a - b) / (np.abs(b) + 1e-12 * np.abs(b).max(initial=1e-30)) for a, b in pairs]
    return max(float(np.nan_to_num(gap, nan=np.inf).max(initial=0)) for gap in gaps)


def over(cases: Iterable[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in cases])


def normal(*shapes: Any) -> list[Any]:
    """Arrays of ordinary numbers, from the seed that everybody takes: the checker's cotangents must not be the same."""
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape) for shape in shapes]


def spaced(*shape: int) -> Any:
    """Numbers apart from each other by 1/2, and from 0 by 1/5, in no order."""
    size = int(np.prod(shape))
    return (np.random.default_rng(1).permutation(size) * 0.5 - size // 2 * 0.5 + 0.2).reshape(shape)

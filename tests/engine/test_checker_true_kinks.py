"""Near kinks, at kinks, and at joints that are smooth enough: true is never called wrong, and undecidable not true.

At a kink the one-sided slopes differ: inconclusive, unless subgradients are asked for, which lie between the two.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.engine.verdicts import (
    AGREES,
    DISAGREES,
    NOT_RIGHT,
    NOT_WRONG,
    SEEDS,
    UNSURE,
    Case,
    Function,
    case,
    distance,
    five_points,
    over,
    spaced,
    surprises,
    verdict,
)

FAR, NEAR = (1e-1, 1e-2, 1e-3, 1e-5), (1e-8, 1e-12)
KNOTS, HEIGHTS = np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 1.0, 2.0, -1.0])


def at(name: str, f: Function, slope: Any, *points: float, expect: set[str] = UNSURE, **options: Any) -> Case:
    """An elementwise function, its derivative there as a number or a function, and where."""
    vjp = (lambda g, x: g * slope(x)) if callable(slope) else (lambda g, x: g * np.asarray(slope, float))
    return case(name, f, vjp, np.array(points, float), expect=expect, truth=None, **options)


def relu(x: Any) -> Any:
    return np.maximum(x, 0)


def hinge(x: Any) -> Any:
    return relu(1 - x)


def smoothstep(x: Any) -> Any:
    t = np.clip(x, 0, 1)
    return t * t * (3 - 2 * t)


def huber(x: Any) -> Any:
    size = np.abs(x)
    return np.where(size < 1, x * x / 2, size - 0.5)


def interpolate(x: Any) -> Any:
    return np.interp(x, KNOTS, HEIGHTS)


def total_variation(x: Any) -> Any:
    return np.abs(np.diff(x)).sum()


def total_variation_vjp(g: Any, x: Any) -> Any:
    signs = g * np.sign(np.diff(x))
    return np.append(0, signs) - np.append(signs, 0)


def sort_vjp(g: Any, x: Any) -> Any:
    gradient = np.zeros_like(g)
    gradient[np.argsort(x, kind="stable")] = g
    return gradient


def median_vjp(g: Any, x: Any) -> Any:
    order, gradient = np.argsort(x), np.zeros_like(x)
    gradient[order[[(x.size - 1) // 2, x.size // 2]]] += g / (2 - x.size % 2)
    return gradient


def quantile_vjp(g: Any, x: Any) -> Any:
    place = 0.3 * (x.size - 1)
    low, gradient = int(place), np.zeros_like(x)
    gradient[np.argsort(x)[[low, low + 1]]] = g * (low + 1 - place), g * (place - low)
    return gradient


def top(x: Any) -> Any:
    return x.max(-1)


def top_vjp(g: Any, x: Any) -> Any:
    ties = x == x.max(-1, keepdims=True)
    return g[..., None] * ties / ties.sum(-1, keepdims=True)


def shares(*parts: float) -> Function:
    return lambda g, *xs: tuple(g * part for part in parts)


KINKS: list[tuple[str, Function, Function, float]] = [
    ("abs", np.abs, np.sign, 0.0),
    ("relu", relu, lambda x: x > 0, 0.0),
    ("leaky relu", lambda x: np.where(x > 0, x, 0.01 * x), lambda x: np.where(x > 0, 1, 0.01), 0.0),
    ("maximum with 1", lambda x: np.maximum(x, 1), lambda x: x > 1, 1.0),
    ("clip at 1", lambda x: np.clip(x, -1, 1), lambda x: abs(x) < 1, 1.0),
    ("hinge", hinge, lambda x: -1.0 * (x < 1), 1.0),
    ("interpolation at a knot", interpolate, lambda x: np.where(x < 2, 1, -3), 2.0),
    ("floor", np.floor, np.zeros_like, 2.0),
    ("round", np.round, np.zeros_like, 2.5),
    ("sign", np.sign, np.zeros_like, 0.0),
    ("a jump", lambda x: np.where(x > 1, x + 5, x), np.ones_like, 1.0),
    ("|sin| at 3 pi", lambda x: np.abs(np.sin(x)), lambda x: np.sign(np.sin(x)) * np.cos(x), 3 * np.pi),
]

BESIDE = [
    at(f"{name}, {side * gap:+g} away", f, slope, kink + side * gap, expect=AGREES if gap in FAR else NOT_WRONG)
    for name, f, slope, kink in KINKS
    for gap in (*FAR, *NEAR)
    for side in (-1, 1)
]

ON_IT = [at(f"at the kink of {name}", f, slope, kink) for name, f, slope, kink in KINKS if "sin" not in name] + [
    at("relu at 0, half a slope", relu, 0.5, 0.0),
    at("relu at 0, full slope", relu, 1.0, 0.0),
    at("relu, one of three at 0", relu, [1, 0, 0], 1.0, 0.0, -2.0),
    at("relu at 0, far too steep", relu, 7.0, 0.0, expect=NOT_RIGHT),
    at("clip at -1, passed", lambda x: np.clip(x, -1, 1), 1.0, -1.0),
    at("the square root of |x| at its cusp", lambda x: np.sqrt(np.abs(x)), 0.0, 0.0),
    case("maximum of equals, shared", np.maximum, shares(0.5, 0.5), [1.0, 2.0], [1.0, 2.0], expect=UNSURE),
    case("max of a tie, shared", top, top_vjp, [[2.0, 1.0, 2.0]], expect=UNSURE),
    case("sort of a tie", np.sort, sort_vjp, [2.0, 1.0, 2.0], expect=UNSURE),
    case("median of a tie", np.median, median_vjp, [2.0, 1.0, 2.0, 0.0, 3.0], expect=UNSURE),
    case("median of three equals: no single one moves it", np.median, median_vjp, [2.0, 1.0, 2.0, 2.0, 3.0],
         expect=NOT_RIGHT),
    case("total variation of equals", total_variation, total_variation_vjp, [1.0, 1.0, 2.0], expect=UNSURE),
    case("the norm at 0", np.linalg.norm, lambda g, x: 0 * x, [0.0, 0.0, 0.0], expect=UNSURE),
]  # fmt: skip

SMOOTH_ENOUGH = [
    at("x|x| at 0", lambda x: x * np.abs(x), lambda x: 2 * np.abs(x), 0.0, expect=AGREES),
    at("x|x| at 1e-4", lambda x: x * np.abs(x), lambda x: 2 * np.abs(x), 1e-4, -1e-4, expect=AGREES),
    at("relu squared at 0", lambda x: relu(x) ** 2, lambda x: 2 * relu(x), 0.0, expect=AGREES),
    at("|x|**3 at 0", lambda x: np.abs(x) ** 3, 0.0, 0.0, expect=AGREES),
    at("|x|**1.5 at 0", lambda x: np.abs(x) ** 1.5, 0.0, 0.0, expect=NOT_WRONG),
    at("x sqrt|x| at 0", lambda x: x * np.sqrt(np.abs(x)), 0.0, 0.0, expect=NOT_WRONG),
    at("huber at both joints", huber, lambda x: np.clip(x, -1, 1), -1.0, 1.0, expect=AGREES),
    at("huber 1e-6 from its joint", huber, lambda x: np.clip(x, -1, 1), 1 - 1e-6, 1 + 1e-6, expect=AGREES),
    at("smoothstep at both ends", smoothstep, 0.0, 0.0, 1.0, expect=AGREES),
    at("sin joined to the identity", lambda x: np.where(x > 0, np.sin(x), x), 1.0, 0.0, expect=AGREES),
    at("exp joined to 1 + x", lambda x: np.where(x > 0, 1 + x, np.exp(np.minimum(x, 0))), 1.0, 0.0, expect=AGREES),
    at("elu at 0", lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), 1.0, 0.0, expect=AGREES),
    at("|x| squared at 0", lambda x: np.abs(x) ** 2, 0.0, 0.0, expect=AGREES),
    at("relu(x) - relu(-x) at 0", lambda x: relu(x) - relu(-x), 1.0, 0.0, expect=AGREES),
    at("interpolation at a knot in line", interpolate, 1.0, 1.0, expect=AGREES),
    at("clip that never clips", lambda x: np.clip(x, -9, 9), 1.0, 0.0, 5.0, expect=AGREES),
    case("maximum plus minimum of equals", lambda x, y: np.maximum(x, y) + np.minimum(x, y), shares(1, 1),
         [1.0, 2.0], [1.0, 2.0], expect=AGREES),
    case("a symmetric sum over a sort with ties", lambda x: (np.sort(x) ** 2).sum(), lambda g, x: 2 * g * x,
         [2.0, 1.0, 2.0], expect=AGREES),
    case("the squared norm at 0", lambda x: np.linalg.norm(x) ** 2, lambda g, x: 0 * x, [0.0, 0.0, 0.0], expect=AGREES),
]  # fmt: skip

ORDERS = [
    case("sort", np.sort, sort_vjp, spaced(7), expect=AGREES, truth=five_points),
    case("sort, 1e-3 apart", np.sort, sort_vjp, spaced(7) / 500, expect=AGREES),
    case("sort, two 1e-3 apart", np.sort, sort_vjp, [2.0, 1.0, 2.001, 5.0], expect=AGREES),
    case("sort, two 1e-9 apart", np.sort, sort_vjp, [2.0, 1.0, 2 + 1e-9, 5.0], expect=NOT_WRONG),
    case("median of an odd number", np.median, median_vjp, spaced(7), expect=AGREES, truth=five_points),
    case("median of an even number", np.median, median_vjp, spaced(6), expect=AGREES, truth=five_points),
    case("quantile", lambda x: np.quantile(x, 0.3), quantile_vjp, spaced(9), expect=AGREES, truth=five_points),
    case("max of rows", top, top_vjp, spaced(4, 5), expect=AGREES, truth=five_points),
    case("max, runner-up 1e-3 behind", top, top_vjp, [[2.0, 1.0, 1.999]], expect=AGREES),
    case("max, runner-up 1e-10 behind", top, top_vjp, [[2.0, 1.0, 2 - 1e-10]], expect=NOT_WRONG),
    case("total variation", total_variation, total_variation_vjp, spaced(8), expect=AGREES, truth=five_points),
    case("relu of many, one 1e-5 from 0", relu, lambda g, x: g * (x > 0), np.append(spaced(30), 1e-5),
         expect=NOT_WRONG),
    case("relu of 10,000, some at every distance", relu, lambda g, x: g * (x > 0),
         np.random.default_rng(5).normal(size=10_000), expect=NOT_WRONG),
]  # fmt: skip

OTHER_BRANCH = [
    at(f"{name}, {gap:g} away, the slope beyond", f, lambda x, s=slope, k=kink: s(2 * k - x), kink + gap,
       expect=DISAGREES if gap in FAR else NOT_RIGHT)
    for name, f, slope, kink in KINKS[:7]
    for gap in (*FAR, *NEAR)
]  # fmt: skip

SUBGRADIENTS = [
    *[at(f"relu at 0, {s}", relu, s, 0.0, expect=AGREES, subgradient=True) for s in (0.0, 0.5, 1.0)],
    *[at(f"relu at 0, {s}", relu, s, 0.0, expect=DISAGREES, subgradient=True) for s in (-0.1, 1.1, 2.0)],
    *[at(f"abs at 0, {s}", np.abs, s, 0.0, expect=AGREES, subgradient=True) for s in (-1.0, 0.0, 0.3, 1.0)],
    *[at(f"abs at 0, {s}", np.abs, s, 0.0, expect=DISAGREES, subgradient=True) for s in (-1.2, 1.2)],
    *[at(f"-abs at 0, {s}", lambda x: -np.abs(x), s, 0.0, expect=AGREES, subgradient=True) for s in (-1.0, 0.0, 1.0)],
    *[at(f"clip at 1, {s}", lambda x: np.clip(x, -1, 1), s, 1.0, expect=e, subgradient=True)
      for s, e in ((0.0, AGREES), (0.5, AGREES), (1.0, AGREES), (-0.5, DISAGREES))],
    at("leaky relu at 0, 0", KINKS[2][1], 0.0, 0.0, expect=DISAGREES, subgradient=True),
    at("leaky relu at 0, 0.01", KINKS[2][1], 0.01, 0.0, expect=AGREES, subgradient=True),
    at("hinge at 1, 0", hinge, 0.0, 1.0, expect=AGREES, subgradient=True),
    at("hinge at 1, sign", hinge, 1.0, 1.0, expect=DISAGREES, subgradient=True),
    at("1e9 relu at 0, 5e8", lambda x: 1e9 * relu(x), 5e8, 0.0, expect=AGREES, subgradient=True),
    at("1e-9 relu at 0, 2e-9", lambda x: 1e-9 * relu(x), 2e-9, 0.0, expect=DISAGREES, subgradient=True),
    at("relu(x) - relu(-x) at 0, 0", lambda x: relu(x) - relu(-x), 0.0, 0.0, expect=DISAGREES, subgradient=True),
    at("relu(x) - relu(-x) at 0, 1", lambda x: relu(x) - relu(-x), 1.0, 0.0, expect=AGREES, subgradient=True),
    at("relu(x) + relu(-x) at 0, 0", lambda x: relu(x) + relu(-x), 0.0, 0.0, expect=AGREES, subgradient=True),
    at("|x| squared at 0, 1", lambda x: np.abs(x) ** 2, 1.0, 0.0, expect=DISAGREES, subgradient=True),
    at("relu at 0.5, 0", relu, 0.0, 0.5, expect=DISAGREES, subgradient=True),
    at("relu at 0.5, 1", relu, 1.0, 0.5, expect=AGREES, subgradient=True),
    at("relu at 1, 0, -2: right", relu, [1, 0.5, 0], 1.0, 0.0, -2.0, expect=AGREES, subgradient=True),
    at("relu at 1, 0, -2: wrong at -2", relu, [1, 0.5, 1], 1.0, 0.0, -2.0, expect=DISAGREES, subgradient=True),
    at("relu at 0 and 0, 1 and 0", relu, [1, 0], 0.0, 0.0, expect=AGREES, subgradient=True),
    at("relu at 50 zeros, any slopes", relu, np.linspace(0, 1, 50), *[0.0] * 50, expect=AGREES, subgradient=True),
    case("|x| - |y| at 0", lambda x: np.abs(x[0]) - np.abs(x[1]), lambda g, x: g * np.array([0.5, 0.5]), [0.0, 0.0],
         expect=AGREES, subgradient=True),
    *[case(f"maximum of equals, {a} and {b}", np.maximum, shares(a, b), [1.0], [1.0], expect=e, subgradient=True)
      for a, b, e in ((0.5, 0.5, AGREES), (1, 0, AGREES), (0.3, 0.7, AGREES), (1.2, -0.2, DISAGREES))],
    case("max of a tie, shared", top, top_vjp, [[2.0, 1.0, 2.0]], expect=AGREES, subgradient=True),
    case("max of a tie, to the first", top, lambda g, x: g[:, None] * np.eye(3)[x.argmax(-1)], [[2.0, 1.0, 2.0]],
         expect=AGREES, subgradient=True),
    case("max of a tie, to the loser", top, lambda g, x: g[:, None] * np.eye(3)[x.argmin(-1)], [[2.0, 1.0, 2.0]],
         expect=DISAGREES, subgradient=True),
    case("sort of a tie", np.sort, sort_vjp, [2.0, 1.0, 2.0], expect=AGREES, subgradient=True),
    case("the norm at 0, 0", np.linalg.norm, lambda g, x: 0 * x, [0.0, 0.0, 0.0], expect=AGREES, subgradient=True),
    case("the norm at 0, twice too long", np.linalg.norm, lambda g, x: 2 * g * np.array([1.0, 0, 0]), [0.0, 0.0, 0.0],
         expect=DISAGREES, subgradient=True),
]  # fmt: skip

CASES = [*BESIDE, *ON_IT, *SMOOTH_ENOUGH, *ORDERS, *OTHER_BRANCH, *SUBGRADIENTS]


@over(CASES)
def test_the_verdict_is_one_of_those_allowed(case: Case) -> None:
    assert surprises(case, [0, *SEEDS]) == {}


@pytest.mark.parametrize(("name", "f", "slope", "kink"), KINKS)
def test_the_slopes_beside_the_kinks_are_true(name: str, f: Function, slope: Function, kink: float) -> None:
    for x, h in [(kink + side * gap, gap / 9) for gap in FAR for side in (-1, 1)]:
        assert abs((f(x + h) - f(x - h)) / (2 * h) - float(slope(np.array(x)))) < 1e-4, name


@over([case for case in ORDERS if case.truth is five_points])
def test_the_gradients_away_from_ties_are_true(case: Case) -> None:
    assert distance(case) < 1e-7


def test_a_kink_does_not_hide_a_mistake_elsewhere() -> None:
    point, wrong = np.array([1.0, 0.0, -2.0]), np.array([2.0, 0.0, 0.0])
    assert verdict(relu, lambda g, x: g * wrong, point) == "disagrees"

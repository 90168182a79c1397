"""The law of the zero cotangent at singular points: nothing asked, nothing sent, in either mode and in every order."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor
from engine.sweeps import reverse_sweep
from engine.testing.claims import pull_back, push_forward

inf, nan = math.inf, math.nan
SINGULAR: list[tuple[Any, tuple[float, ...], int, float]] = [
    (engine.divide, (1.0, 0.0), 0, inf),
    (engine.divide, (1.0, 0.0), 1, -inf),
    (engine.divide, (0.0, 0.0), 0, inf),
    (engine.divide, (0.0, 0.0), 1, nan),
    (engine.pow, (0.0, 0.5), 0, inf),
    (engine.pow, (0.0, -1.0), 1, -inf),
    (engine.pow, (-2.0, 3.0), 1, nan),
    (engine.sqrt, (0.0,), 0, inf),
    (engine.sqrt, (-1.0,), 0, nan),
    (engine.exp, (1000.0,), 0, inf),
    (engine.expm1, (1000.0,), 0, inf),
    (engine.log, (0.0,), 0, inf),
    (engine.log1p, (-1.0,), 0, inf),
    (engine.multiply, (2.0, inf), 0, inf),
    (engine.asin, (1.0,), 0, inf),
    (engine.asin, (2.0,), 0, nan),
    (engine.acos, (1.0,), 0, -inf),
    (engine.acos, (-2.0,), 0, nan),
    (engine.atan2, (0.0, 1e-320), 0, inf),
    (engine.sinh, (1000.0,), 0, inf),
    (engine.cosh, (-1000.0,), 0, -inf),
]


@pytest.mark.parametrize("row", SINGULAR, ids=lambda row: f"{row[0].name}{row[1]}[{row[2]}]")
def test_a_singular_slope_is_sent_as_calculus_has_it_unless_nothing_was_asked(row: Any) -> None:
    op, values, k, slope = row
    arrays = [np.array([v, v]) for v in values]
    asked = np.array([0.0, 1.0])
    with np.errstate(all="ignore"):
        sent = pull_back(op, arrays, [k], asked)[k]
        recorded = pull_back(op, arrays, [k], asked, create_graph=True)[k].numpy()
        pushed = push_forward(op, arrays, {k: asked})
    for found in (sent, recorded, pushed):
        np.testing.assert_array_equal(found, [0.0, slope])


MASKED: list[tuple[Callable[[Any], Any], list[float], list[float], list[float]]] = [
    (lambda x: engine.where(x > 0, engine.sqrt(x), x), [-1.0, 0.0, 4.0], [1.0, 1.0, 0.25], [0.0, 0.0, -1 / 32]),
    (lambda x: engine.where(x < 10, engine.exp(x), 0.0), [1000.0, 0.0], [0.0, 1.0], [0.0, 1.0]),
    (lambda x: engine.where(x != 0, 1 / x, 0.0), [0.0, 2.0], [0.0, -0.25], [0.0, 0.25]),
    (lambda x: engine.where(x > 0, x * engine.log(x), 0.0), [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]),
    (lambda x: engine.where(x > 0, engine.log(x), x), [0.0, 2.0], [1.0, 0.5], [0.0, -0.25]),
    (lambda x: engine.where(x > 0, x**0.5, 0.0), [0.0, 4.0], [0.0, 0.25], [0.0, -1 / 32]),
    (lambda x: engine.where(x > 0, engine.sqrt(engine.sqrt(x)), x), [0.0, 1.0], [1.0, 0.25], [0.0, -3 / 16]),
    (lambda x: engine.where(x < 1, engine.acos(x), 0.0), [1.0, 7.0, 0.0], [0.0, 0.0, -1.0], [0.0, 0.0, 0.0]),
]


@pytest.mark.parametrize("row", MASKED, ids=range(len(MASKED)))
def test_a_branch_not_taken_sends_nothing_and_the_other_its_derivatives(row: tuple[Any, ...]) -> None:
    f, values, expected, curvature = row
    x: Any = Tensor(np.array(values), requires_grad=True)
    with np.errstate(all="ignore"):
        first: Any = reverse_sweep(f(x).sum().node, Tensor(np.array(1.0)), create_graph=True)[x.node]
        second = reverse_sweep(first.sum().node, np.array(1.0))[x.node]
    np.testing.assert_array_equal(first.numpy(), expected)
    np.testing.assert_allclose(second, curvature, rtol=1e-12)


@pytest.mark.parametrize("row", MASKED, ids=range(len(MASKED)))
@pytest.mark.parametrize("weight", [lambda x: 1.0, lambda x: x], ids=["plain", "weighted"])
def test_a_branch_not_taken_sends_nothing_in_sweeps_of_any_order(weight: Any, row: tuple[Any, ...]) -> None:
    x: Any = Tensor(np.array(row[1]), requires_grad=True)
    with np.errstate(all="ignore"):
        y = row[0](x)
        for _ in range(4):
            y = reverse_sweep((y * weight(x)).sum().node, Tensor(np.array(1.0)), create_graph=True)[x.node]
            assert np.isfinite(y.numpy()).all()


@pytest.mark.parametrize("f", [lambda x: engine.sqrt(engine.sqrt(x)), lambda x: 1 / engine.sqrt(x)])
def test_an_infinite_gradient_that_is_not_used_has_no_derivative(f: Any) -> None:
    x: Any = Tensor(np.array([0.0, 1.0]), requires_grad=True)
    with np.errstate(all="ignore"):
        first = reverse_sweep(f(x).sum().node, Tensor(np.array(1.0)), create_graph=True)[x.node]
        used = engine.where(np.array([False, True]), first, 0.0)
        second = reverse_sweep(used.sum().node, np.array(1.0))[x.node]
    assert np.isinf(first.numpy()[0])
    np.testing.assert_array_equal(second, [0.0, {0.25: -3 / 16, -0.5: 3 / 4}[first.numpy()[1]]])

"""Kinks, ties and the edges of the domain against PyTorch: where we agree, and where we differ on purpose."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

import engine
from tests.against.agreement import Function, Row, cases, compare, derivatives, torch

F = torch.nn.functional
INF, NAN = np.inf, np.nan
ENDS = [np.array(v) for v in (-INF, -1e3, -40.0, -0.0, 0.0, 40.0, 1e3, INF)]
ZERO = [np.array([0.0, -0.0])]
ORIGIN = [(np.array(x), np.array(y)) for x in (-2.0, 0.0, 2.0) for y in (-0.0, 0.0)]
TIE = [(np.array([1.0, 2.0, 0.0]), np.array([1.0, 2.0, -0.0]))]

AGREE = [
    Row("relu", engine.relu, torch.relu, [*ZERO, *ENDS]),
    Row("abs", engine.abs, torch.abs, ZERO),
    Row("sign", engine.sign, torch.sign, [*ZERO, *ENDS]),
    Row("maximum", engine.maximum, torch.maximum, TIE),
    Row("minimum", engine.minimum, torch.minimum, TIE),
    Row("clip at its bounds", lambda x: x.clip(-1, 1), lambda x: x.clip(-1, 1), [np.array([-1.0, 1.0, 2.0])]),
    Row("sqrt", engine.sqrt, torch.sqrt, [np.array(0.0), np.array(INF)]),
    Row("sqrt of less", engine.sqrt, torch.sqrt, [np.array(-1.0)]),
    Row("log", engine.log, torch.log, [np.array(0.0), np.array(INF), np.array(-1.0)]),
    Row("log1p", engine.log1p, torch.log1p, [np.array(-1.0), np.array(INF)]),
    Row("one over", lambda x: 1 / x, lambda x: 1 / x, [np.array(0.0), np.array(-0.0), np.array(INF)]),
    Row("asin", engine.asin, torch.asin, [np.array(1.0), np.array(-1.0), np.array(2.0)], 1),  # 2nd: nan, theirs inf
    Row("sigmoid", engine.sigmoid, torch.sigmoid, ENDS),
    Row("tanh", engine.tanh, torch.tanh, ENDS),
    Row("silu", engine.silu, F.silu, ENDS[1:-1]),
    Row("gelu", engine.gelu, F.gelu, ENDS[1:-1]),
    Row("softplus", engine.softplus, F.softplus, ENDS[1:-1]),
    Row("exp", engine.exp, torch.exp, ENDS),
    Row("square", engine.square, torch.square, ZERO),
    *[Row(f"pow {p}", lambda x, p=p: x**p, lambda x, p=p: x**p, [*ZERO, np.array(-2.0)]) for p in (0, 1, 2, 3, 4)],
    Row("pow", engine.pow, torch.pow, [(np.array(0.0), np.array(v)) for v in (0.0, 2.0)], order=1),
    Row("atan2", engine.atan2, torch.atan2, ORIGIN, order=1),
    Row("norm", engine.norm, torch.linalg.vector_norm, [np.zeros(3), np.zeros((2, 0))], order=1),
    Row("std", engine.std, lambda x: torch.std(x, correction=0), [np.full(4, 2.0)], order=1),
    Row("var", engine.var, lambda x: torch.var(x, correction=0), [np.full(4, 2.0)]),
    Row("logsumexp", engine.logsumexp, lambda x: x.logsumexp(0), [np.array([1000.0, -INF, 999.0]), np.full(2, -1e4)]),
    Row("softmax", engine.softmax, lambda x: x.softmax(0), [np.array([1000.0, -INF, 999.0]), np.full(2, -1e4)], 1),
    Row("layer_norm", engine.layer_norm, lambda x: F.layer_norm(x, x.shape), [np.full(4, 2.0), np.zeros(3)]),
]


@np.errstate(all="ignore")  # as NumPy does, ours warn where a value leaves the numbers
@pytest.mark.parametrize(("ours", "theirs", "arrays", "order"), cases(AGREE))
def test_agrees_with_pytorch(ours: Any, theirs: Any, arrays: Any, order: int) -> None:
    compare(ours, theirs, arrays, order)


class Difference(NamedTuple):
    """One function at one point where PyTorch's gradient (or value) is another, ours, and why."""

    name: str
    ours: Function
    theirs: Function
    point: Any
    gradient: Any
    why: str


UNUSED = "a branch that was not taken sends nothing: 0 times inf is 0"
SMOOTH = "the formula holds here, theirs leaves the range of float64 or is cut short"
NO_SLOPE = "among the slopes that the kink allows"
BROKEN = "the value is nan already; which of the arguments is blamed is a convention"

DIFFER = [
    Difference(
        "where",
        lambda x: engine.where(x.numpy() > 0, engine.sqrt(x), x),
        lambda x: torch.where(x > 0, torch.sqrt(x), x),
        [-1.0, 0.0, 4.0],
        [1.0, 1.0, 0.25],
        UNUSED,
    ),
    Difference("hypot", lambda x: engine.hypot(x, 0.0 * x), lambda x: torch.hypot(x, 0.0 * x), [0.0], [0.0], NO_SLOPE),
    Difference("logsumexp", engine.logsumexp, lambda x: x.logsumexp(0), [-INF, -INF], [0.0, 0.0], NO_SLOPE),
    Difference("huge logsumexp", engine.logsumexp, lambda x: x.logsumexp(0), [1e200, 1e200], [0.5, 0.5], SMOOTH),
    Difference("softplus", engine.softplus, F.softplus, [20.5], [1 / (1 + np.exp(-20.5))], SMOOTH),
    Difference("expm1", engine.expm1, torch.expm1, [-40.0], [np.exp(-40.0)], SMOOTH),
    Difference(
        "far atan2", lambda x: engine.atan2(x, 1e200), lambda x: x.atan2(x * 0 + 1e200), [1.0], [1e-200], SMOOTH
    ),
    Difference("std", engine.std, lambda x: torch.std(x, correction=0), [0.1, 0.1, 0.1], [0.0, 0.0, 0.0], SMOOTH),
    Difference("prod", engine.prod, torch.prod, [INF, 2.0], [2.0, INF], SMOOTH),
    Difference("relu of nan", engine.relu, torch.relu, [NAN], [0.0], BROKEN),
    Difference("clip of nan", lambda x: x.clip(-1, 1), lambda x: x.clip(-1, 1), [NAN], [1.0], BROKEN),
    Difference("max with nan", engine.max, torch.amax, [NAN, 1.0], [1.0, 0.0], BROKEN),
    Difference(
        "maximum with nan", lambda x: engine.maximum(x, 1.0), lambda x: x.maximum(x * 0 + 1.0), [NAN], [0.0], BROKEN
    ),
]


@np.errstate(all="ignore")
@pytest.mark.parametrize("case", DIFFER, ids=lambda case: case.name)
def test_differs_from_pytorch_on_purpose(case: Difference) -> None:
    point = np.array(case.point)
    value, pullback = engine.vjp(case.ours, point)
    (found,) = pullback(np.ones(value.shape))
    np.testing.assert_allclose(found.numpy(), case.gradient, rtol=1e-14, err_msg=case.why)
    x = torch.tensor(point, requires_grad=True)
    result = case.theirs(x)
    (theirs,) = derivatives([result], [x], [np.ones(result.shape)])
    assert not np.allclose(theirs.detach(), case.gradient, rtol=1e-12, atol=0, equal_nan=True), (
        "agrees: move the row up"
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_erf_is_exact_near_zero(dtype: Any) -> None:
    x = np.array([0.0, 1e-300, 1e-8, 1e-3, 0.1], dtype)
    expected = torch.erf(torch.tensor(x)).numpy()
    np.testing.assert_allclose(engine.erf(x), expected, rtol=8 * np.finfo(dtype).eps, atol=0)

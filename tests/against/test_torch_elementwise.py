"""Elementwise ops against PyTorch: one row each, tried on every layout and every way to broadcast."""

from __future__ import annotations

from typing import Any

import pytest

import engine
from tests.against.agreement import Row, arrays, cases, compare, normal, pairs, positive, torch, unit

F = torch.nn.functional


def boundless(*shape: int) -> Any:
    """Normal values, ten times as far out."""
    return 10 * normal(*shape)


def mask(*shape: int) -> Any:
    """True or False."""
    return normal(*shape) > 0


def below(*shape: int) -> Any:
    """Values between -3 and -0.5."""
    return -positive(*shape)


def triples(*draws: Any) -> list[tuple[Any, Any, Any]]:
    """Three arrays whose shapes broadcast."""
    shapes = [((), (), ()), ((2, 3),) * 3, ((3,), (2, 1), ()), ((2, 1), (3,), (2, 3)), ((1,), (0,), (1, 1))]
    return [(draws[0](*x), draws[1](*y), draws[2](*z)) for x, y, z in shapes]


UNARY = [
    Row("abs", engine.abs, torch.abs, arrays()),
    Row("acos", engine.acos, torch.acos, arrays(unit)),
    Row("asin", engine.asin, torch.asin, arrays(unit)),
    Row("atan", engine.atan, torch.atan, arrays()),
    Row("cos", engine.cos, torch.cos, arrays(boundless)),
    Row("cosh", engine.cosh, torch.cosh, arrays()),
    Row("erf", engine.erf, torch.erf, arrays()),
    Row("erfc", engine.erfc, torch.erfc, arrays()),
    Row("exp", engine.exp, torch.exp, arrays(boundless)),
    Row("expm1", engine.expm1, torch.expm1, arrays(boundless)),
    Row("log", engine.log, torch.log, arrays(positive)),
    Row("log1p", engine.log1p, torch.log1p, arrays(unit)),
    Row("negative", engine.negative, torch.negative, arrays()),
    Row("relu", engine.relu, torch.relu, arrays()),
    Row("sigmoid", engine.sigmoid, torch.sigmoid, arrays(boundless)),
    Row("sign", engine.sign, torch.sign, arrays()),
    Row("silu", engine.silu, F.silu, arrays(boundless)),
    Row("sin", engine.sin, torch.sin, arrays(boundless)),
    Row("sinh", engine.sinh, torch.sinh, arrays()),
    Row("softplus", engine.softplus, lambda x: F.softplus(x, threshold=700), arrays(boundless)),  # theirs cuts at 20
    Row("sqrt", engine.sqrt, torch.sqrt, arrays(positive)),
    Row("square", engine.square, torch.square, arrays()),
    Row("tan", engine.tan, torch.tan, arrays(unit)),
    Row("tanh", engine.tanh, torch.tanh, arrays(boundless)),
    Row("gelu", engine.gelu, F.gelu, arrays(boundless)),
    Row(
        "gelu of tanh", lambda x: engine.gelu(x, approximate="tanh"), lambda x: F.gelu(x, approximate="tanh"), arrays()
    ),
    Row("alias", lambda x: +x, lambda x: +x, arrays()),
    Row("pow 2", lambda x: x**2, lambda x: x**2, arrays()),
    Row("pow 3", lambda x: x**3, lambda x: x**3, arrays()),
    Row("pow -2", lambda x: x**-2, lambda x: x**-2, arrays(positive)),
    Row("pow 0.5", lambda x: x**0.5, lambda x: x**0.5, arrays(positive)),
    Row("pow of 2", lambda x: 2.0**x, lambda x: 2.0**x, arrays()),
    Row("one over", lambda x: 1 / x, lambda x: 1 / x, arrays(positive)),
    Row("number minus", lambda x: 3 - 2 * x, lambda x: 3 - 2 * x, arrays()),
    Row("clip below", lambda x: engine.clip(x, -0.4), lambda x: torch.clip(x, -0.4), arrays()),
    Row("clip above", lambda x: engine.clip(x, None, 0.4), lambda x: torch.clip(x, None, 0.4), arrays()),
    Row("clip", lambda x: engine.clip(x, -0.4, 0.4), lambda x: torch.clip(x, -0.4, 0.4), arrays()),
    Row("astype", lambda x: (x * 0.5).astype(float), lambda x: (x * 0.5).to(torch.float64), arrays()),
]

BINARY = [
    Row("add", engine.add, torch.add, pairs()),
    Row("subtract", engine.subtract, torch.subtract, pairs()),
    Row("multiply", engine.multiply, torch.multiply, pairs()),
    Row("divide", engine.divide, torch.divide, pairs(normal, positive)),
    Row("pow", engine.pow, torch.pow, pairs(positive, normal)),
    Row("atan2", engine.atan2, torch.atan2, pairs()),
    Row("hypot", engine.hypot, torch.hypot, pairs()),
    Row("maximum", engine.maximum, torch.maximum, pairs()),
    Row("minimum", engine.minimum, torch.minimum, pairs()),
    Row("where", engine.where, torch.where, triples(mask, normal, normal)),
    Row("clip", engine.clip, lambda *xs: torch.clip(*torch.broadcast_tensors(*xs)), triples(normal, below, positive)),
    Row("x * x", lambda x, y: x * x * y, lambda x, y: x * x * y, pairs()),
]


@pytest.mark.parametrize(("ours", "theirs", "arrays", "order"), cases([*UNARY, *BINARY]))
def test_agrees_with_pytorch(ours: Any, theirs: Any, arrays: Any, order: int) -> None:
    compare(ours, theirs, arrays, order)

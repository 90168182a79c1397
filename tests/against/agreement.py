"""Agreement with PyTorch: the same call in both libraries, at the same points, in float64.

A row of a table is (name, our call, PyTorch's call, points): a point is one array, or a tuple of them; integers and
booleans in it are handed on as they are. At each point must agree

    value, gradient        in every floating argument, under a random cotangent
    jvp                    ours against PyTorch's gradient: <g, J v> = <J' g, v>
    second derivative      of <gradient, random directions>, unless the row says order=1

`arrays` lays the same values out in many ways, because a rule that is right on a contiguous matrix may be wrong on a
view, an empty side or no axes at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import pytest

import engine
from engine.tensor import wrap

torch = pytest.importorskip("torch", reason="PyTorch is not installed; `make compare` installs it")

Function = Callable[..., Any]
RNG = np.random.default_rng(0)


class Row(NamedTuple):
    """One function in both libraries, where to try it, and how often it can be differentiated."""

    name: str
    ours: Function
    theirs: Function
    points: Iterable[Any]
    order: int = 2


def cases(rows: Iterable[Row]) -> list[Any]:
    """A test parameter (ours, theirs, arrays, order) for every point of every row."""
    found = []
    for row in rows:
        for point in row.points:
            arrays = [np.asarray(a) for a in (point if isinstance(point, tuple) else (point,))]
            shapes = "-".join("x".join(map(str, a.shape)) or "scalar" for a in arrays)
            found.append(pytest.param(row.ours, row.theirs, arrays, row.order, id=f"{row.name}-{shapes}"))
    return found


# ---- points --------------------------------------------------------------------------------------------------------


def normal(*shape: int) -> Any:
    """Standard normal values: distinct, and nowhere on a kink."""
    return np.asarray(RNG.normal(size=shape))


def positive(*shape: int) -> Any:
    """Values between 0.5 and 3."""
    return np.asarray(RNG.uniform(0.5, 3, size=shape))


def unit(*shape: int) -> Any:
    """Values inside (-1, 1)."""
    return np.asarray(RNG.uniform(-0.9, 0.9, size=shape))


def matrices(draw: Callable[..., Any] = normal) -> list[Any]:
    """Two axes, none of them empty: whole, turned, read backwards with gaps, stretched, and of size 1."""
    views = [draw(2, 3), draw(3, 2).T, draw(4, 9)[::-2, ::-3], np.broadcast_to(draw(3), (2, 3))]
    return [*views, draw(1, 3), draw(3, 1), draw(1, 1)]


def arrays(draw: Callable[..., Any] = normal) -> list[Any]:
    """Everything that `matrices` has, and other numbers of axes: none, one, three; and empty sides."""
    blocks = [draw(2, 3, 2), draw(2, 1, 3), draw(2, 6, 3).transpose(2, 0, 1)[::-1, :, ::-2]]
    return [draw(), draw(1), draw(3), draw(8)[::-3], *matrices(draw), *blocks, draw(0), draw(2, 0, 3)]


PAIRS = "; 3,; ,3; 3,3; 1,3; 2x3,3; 2,1x2; 2x1,1x3; 2x3,; 2x1x3,2x1; 0,1; 1,0; 2x0,1; 0x1,1x3; 3x1x1,2x0"


def pairs(left: Callable[..., Any] = normal, right: Callable[..., Any] = normal) -> list[tuple[Any, Any]]:
    """Two arrays whose shapes broadcast, some of them views."""
    written = [pair.partition(",") for pair in PAIRS.replace(" ", "").split(";")]
    whole = [(left(*sides(x)), right(*sides(y))) for x, _, y in written]
    return [*whole, (left(6, 4)[::-3, ::2], right(2, 2).T), (np.broadcast_to(left(3), (2, 3)), right(3, 2).T[::-1][:2])]


def sides(shape: str) -> list[int]:
    """The shape that "2x3" stands for."""
    return [int(side) for side in shape.split("x") if side]


# ---- comparing -----------------------------------------------------------------------------------------------------


def compare(ours: Function, theirs: Function, arrays: list[Any], order: int = 2) -> None:
    """Value and derivatives of one call agree with PyTorch's. AssertionError says which does not."""
    rng = np.random.default_rng(1)
    moving = [k for k, a in enumerate(arrays) if a.dtype.kind == "f"]
    xs = tuple(wrap(arrays[k], None) for k in moving)  # not copied: the layout is part of the test
    tensors = [torch.tensor(a.copy(), requires_grad=k in moving) for k, a in enumerate(arrays)]

    def call(*xs: Any) -> Any:
        given = iter(xs)
        return ours(*[next(given) if k in moving else a for k, a in enumerate(arrays)])

    value, pullback = engine.vjp(call, *xs)
    expected = theirs(*tensors)
    same("value", value, expected)
    g = rng.normal(size=value.shape)
    directions = tuple(rng.normal(size=x.shape) for x in xs)

    first = derivatives([expected], [tensors[k] for k in moving], [g])
    for k, found, truth in zip(moving, pullback(g), first, strict=True):
        same(f"gradient of argument {k}", found, truth)
    pushed = np.vdot(g, engine.jvp(call, xs, directions)[1].numpy())
    slope = sum(np.vdot(truth.numpy(force=True), v) for truth, v in zip(first, directions, strict=True))
    np.testing.assert_allclose(pushed, slope, rtol=1e-9, atol=1e-10, err_msg="jvp")
    if order < 2:
        return
    second = derivatives(first, [tensors[k] for k in moving], directions)
    _, pullback = engine.vjp(lambda *xs: engine.vjp(call, *xs)[1](g), *xs)
    for k, found, truth in zip(moving, pullback(directions), second, strict=True):
        same(f"second derivative in argument {k}", found, truth)


def derivatives(results: Any, inputs: Any, cotangents: Any) -> list[Any]:
    """PyTorch's gradients of the results in the inputs, zeros where there are none; can be differentiated again."""
    ways = [(y, torch.tensor(g)) for y, g in zip(results, cotangents, strict=True) if y.requires_grad]
    if not ways:
        return [torch.zeros_like(x) for x in inputs]
    ys, gs = zip(*ways, strict=True)
    found = torch.autograd.grad(ys, inputs, gs, create_graph=True, allow_unused=True)
    return [torch.zeros_like(x) if d is None else d for x, d in zip(inputs, found, strict=True)]


def same(what: str, found: Any, expected: Any) -> None:
    """Equal in shape and dtype, and in value to ten digits of the largest."""
    found, expected = np.asarray(getattr(found, "array", found)), expected.numpy(force=True)
    assert found.shape == expected.shape, f"{what}: shape {found.shape}, PyTorch's {expected.shape}"
    assert found.dtype == expected.dtype, f"{what}: {found.dtype}, PyTorch's {expected.dtype}"
    largest = max(1.0, float(np.abs(expected).max(initial=0, where=np.isfinite(expected))))
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-11 * largest, err_msg=what)

"""Backward passes of array functions as people get them wrong, at ordinary points: the checker says so of every one."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.engine.verdicts import Case, case, complex_step, distance, five_points, normal, over, spaced, verdict

X, VECTOR = normal((3, 4)), normal(6)
TWO, SQUARES = normal((3, 4), (3, 4)), normal((3, 3), (3, 3))
SQUARE = normal((3, 3))
ACCIDENT = normal((3, 3), 3)
POSITIVE = [np.exp(x) for x in TWO]
DEFINITE = [SQUARE[0] @ SQUARE[0].T + np.eye(3)]
REPEATED = np.array([0, 2, 2, 5, 0])
ORDER = np.array([2, 0, 3, 1])
KERNEL = np.array([0.5, -1.0, 0.25, 2.0, 0.1, -0.3])
KNOTS = np.array([0.3, 1.6, 2.25])
inv, det = np.linalg.inv, np.linalg.det


def forgetful(g: Any, x: Any, i: Any) -> Any:
    """`=` where there should be `np.add.at`."""
    gradient = np.zeros_like(x)
    gradient[i] = g
    return gradient


def scattered(g: Any, x: Any, i: Any) -> Any:
    gradient = np.zeros_like(x)
    np.add.at(gradient, i, g)
    return gradient


def symmetric(x: Any) -> Any:
    return (x + x.T) / 2


def cholesky(x: Any) -> Any:
    return np.linalg.cholesky(symmetric(x))


def cholesky_vjp(g: Any, x: Any, diagonal: float = 0.5, mirrored: bool = True) -> Any:
    out = cholesky(x)
    inner = np.tril(out.T @ g)
    inner[np.diag_indices(3)] *= diagonal
    gradient = inv(out).T @ inner @ inv(out)
    return symmetric(gradient) if mirrored else gradient


def eigenvalues(x: Any) -> Any:
    return np.linalg.eigvalsh(symmetric(x))


def norm(x: Any) -> Any:
    return np.sqrt((x * x).sum())


def unit(x: Any) -> Any:
    return x / norm(x)


def cosine(x: Any, y: Any) -> Any:
    return (unit(x) * unit(y)).sum()


def cosine_vjp(g: Any, x: Any, y: Any) -> Any:
    return g * (unit(y) - cosine(x, y) * unit(x)) / norm(x), g * (unit(x) - cosine(x, y) * unit(y)) / norm(y)


def distances(x: Any) -> Any:
    return ((x[:, None] - x[None]) ** 2).sum(-1)


def convolve(x: Any) -> Any:
    """Circular convolution by the Fourier transform."""
    return np.fft.ifft(np.fft.fft(x) * np.fft.fft(KERNEL)).real


def power(x: Any) -> Any:
    return np.abs(np.fft.fft(x)) ** 2


def pooled(x: Any) -> Any:
    return x.reshape(-1, 2).max(1)


def lerp(x: Any) -> Any:
    low = KNOTS.astype(int)
    return x[low] * (1 - KNOTS + low) + x[low + 1] * (KNOTS - low)


def lerp_vjp(g: Any, x: Any, left: Any, right: Any) -> Any:
    low = KNOTS.astype(int)
    return scattered(g * left, x, low) + scattered(g * right, x, low + 1)


def field(y: Any) -> Any:
    return np.stack([y[1], -np.sin(y[0])])


def field_vjp(g: Any, y: Any) -> Any:
    return np.stack([-np.cos(y[0]) * g[1], g[0]])


def midpoint(y: Any) -> Any:
    return y + 0.1 * field(y + 0.05 * field(y))


def midpoint_vjp(g: Any, y: Any, inner: float = 1, at: float = 1) -> Any:
    half = 0.1 * field_vjp(g, y + at * 0.05 * field(y))
    return g + half + inner * 0.05 * field_vjp(half, y)


def pendulum(y: Any) -> Any:
    for _ in range(10):
        y = y + 0.1 * field(y)
    return y


def pendulum_vjp(g: Any, y: Any, steps: int = 10, stale: bool = False) -> Any:
    states = [y]
    for _ in range(9):
        states.append(states[-1] + 0.1 * field(states[-1]))
    for state in states[::-1][:steps]:
        g = g + 0.1 * field_vjp(g, y if stale else state)
    return g


def momentum(x: Any) -> Any:
    """The exponential moving average, a scan."""
    out, state = [], 0.0
    for value in x:
        state = 0.9 * state + value
        out.append(state)
    return np.array(out)


def momentum_vjp(g: Any, decay: float) -> Any:
    out, state = [], 0.0
    for value in g[::-1]:
        state = decay * state + value
        out.append(state)
    return np.array(out[::-1])


def cube_root(x: Any) -> Any:
    y = np.ones_like(x)
    for _ in range(60):
        y = (2 * y + x / y**2) / 3
    return y


BROADCASTING = [
    case("mean: no 1/n", np.mean, lambda g, x: np.full(x.shape, g), *X),
    case("mean of rows: 1/n of everything", lambda x: x.mean(1), lambda g, x: np.repeat(g[:, None], 4, 1) / 12, *X),
    case("sum: divided by n", np.sum, lambda g, x: np.full(x.shape, g / 12), *X),
    case("subtract: plus twice", np.subtract, lambda g, x, y: (g, g), *TWO),
    case("subtract: sign of the first", np.subtract, lambda g, x, y: (-g, g), *TWO),
    case("multiply: own value", np.multiply, lambda g, x, y: (g * x, g * y), *TWO),
    case("divide: denominator's sign", np.divide, lambda g, x, y: (g / y, g * x / y**2), *POSITIVE),
    case("divide: denominator not squared", np.divide, lambda g, x, y: (g / y, -g * x / y), *POSITIVE),
    case("power: exponent not lowered", np.power, lambda g, x, y: (g * y * x**y, g * np.log(x) * x**y), *POSITIVE),
    case("power: no logarithm", np.power, lambda g, x, y: (g * y * x ** (y - 1), g * x**y), *POSITIVE),
    case("square by 2 g", np.square, lambda g, x: 2 * g, *X),
    case("add: summed over the wrong axis", lambda x, y: x + y, lambda g, x, y: (g, g.sum(1)), *ACCIDENT),
    case("multiply: summed over the wrong axis", lambda x, y: x * y,
         lambda g, x, y: (g * y, (g * x).sum(1)), *ACCIDENT),
    case("multiply: broadcast along the wrong axis", lambda x, y: x * y,
         lambda g, x, y: (g * y[:, None], (g * x).sum(0)), *ACCIDENT),
    case("a column summed as a row", lambda x, y: x * y,
         lambda g, x, y: (g * y, (g * x).sum(0)[:, None]), *normal((3, 3), (3, 1))),
    case("a number, averaged", lambda x, y: x * y, lambda g, x, y: (g * y, (g * x).mean()), *normal((3, 4), ())),
    case("a row, its first cotangent", lambda x, y: x + y, lambda g, x, y: (g, g[0]), *ACCIDENT),
    case("tile: one copy counted", lambda x: np.tile(x, 3), lambda g, x: g[:6], *VECTOR),
    case("tile: summed as repeat", lambda x: np.tile(x, 3), lambda g, x: g.reshape(6, 3).sum(1), *VECTOR),
    case("repeat: summed as tile", lambda x: np.repeat(x, 3), lambda g, x: g.reshape(3, 6).sum(0), *VECTOR),
    case("variance: n - 1", lambda x: ((x - x.mean()) ** 2).mean(), lambda g, x: 2 * g * (x - x.mean()) / 11, *X),
    case("variance: around zero", lambda x: ((x - x.mean()) ** 2).mean(), lambda g, x: 2 * g * x / 12, *X),
    case("deviation: not divided by itself", lambda x: np.sqrt(((x - x.mean()) ** 2).mean()),
         lambda g, x: g * (x - x.mean()) / 12, *X),
    case("centring: detached mean", lambda x: x - x.mean(0), lambda g, x: g, *X),
]  # fmt: skip

MATRICES = [
    case("matmul: right not transposed", np.matmul, lambda g, x, y: (g @ y, x.T @ g), *SQUARES),
    case("matmul: left not transposed", np.matmul, lambda g, x, y: (g @ y.T, x @ g), *SQUARES),
    case("matmul: factors in order", np.matmul, lambda g, x, y: (y.T @ g, g @ x.T), *SQUARES),
    case("matmul: cotangents swapped", np.matmul, lambda g, x, y: (x.T @ g, g @ y.T), *SQUARES),
    case("matmul: whole result transposed", np.matmul, lambda g, x, y: ((g @ y.T).T, x.T @ g), *SQUARES),
    case("batched matmul: batch reversed", np.matmul,
         lambda g, x, y: (g @ y[::-1].swapaxes(1, 2), x.swapaxes(1, 2) @ g), *normal((3, 3, 3), (3, 3, 3))),
    case("batched matmul: shared matrix, last of the batch", np.matmul,
         lambda g, x, y: (g @ y.T, x[-1].T @ g[-1]), *normal((2, 3, 3), (3, 3))),
    case("matrix times vector: not transposed", np.matmul, lambda g, a, x: (np.outer(g, x), a @ g), *ACCIDENT),
    case("matrix times vector: outer product swapped", np.matmul, lambda g, a, x: (np.outer(x, g), a.T @ g), *ACCIDENT),
    case("outer: swapped", np.outer, lambda g, x, y: (g.T @ y, g @ x), *normal(3, 3)),
    case("quadratic form: taken for symmetric", lambda x: x @ SQUARE[0] @ x,
         lambda g, x: 2 * g * SQUARE[0] @ x, *normal(3)),
    case("quadratic form: one side", lambda x: x @ SQUARE[0] @ x, lambda g, x: g * SQUARE[0] @ x, *normal(3)),
    case("A'A: one side", lambda a: a.T @ a, lambda g, a: a @ g, *SQUARE),
    case("A A: square of a matrix as of numbers", lambda a: a @ a, lambda g, a: 2 * a.T @ g, *SQUARE),
    case("trace: ones everywhere", np.trace, lambda g, a: np.full((3, 3), g), *SQUARE),
    case("trace of a product: not transposed", lambda a, b: np.trace(a @ b), lambda g, a, b: (g * b, g * a), *SQUARES),
    case("transpose: as it is", np.transpose, lambda g, a: g, *SQUARE),
    case("inverse: not transposed", inv, lambda g, a: -inv(a) @ g @ inv(a), *SQUARE),
    case("inverse: sign", inv, lambda g, a: inv(a).T @ g @ inv(a).T, *SQUARE),
    case("inverse: as of numbers", inv, lambda g, a: -g * inv(a).T ** 2, *SQUARE),
    case("inverse: g transposed", inv, lambda g, a: -inv(a).T @ g.T @ inv(a).T, *SQUARE),
    case("det: not transposed", det, lambda g, a: g * det(a) * inv(a), *SQUARE),
    case("det: without itself", det, lambda g, a: g * inv(a).T, *SQUARE),
    case("log det: not transposed", lambda a: np.log(det(a) ** 2), lambda g, a: 2 * g * inv(a), *SQUARE),
    case("solve: not transposed", np.linalg.solve, lambda g, a, b: (
         -np.outer(np.linalg.solve(a, g), np.linalg.solve(a, b)), np.linalg.solve(a, g)), *ACCIDENT),
    case("solve: sign of the matrix", np.linalg.solve, lambda g, a, b: (
         np.outer(np.linalg.solve(a.T, g), np.linalg.solve(a, b)), np.linalg.solve(a.T, g)), *ACCIDENT),
    case("Cholesky: whole diagonal", cholesky,
         lambda g, a: cholesky_vjp(g, a, diagonal=1), *DEFINITE, truth=five_points),
    case("Cholesky: not symmetrized", cholesky,
         lambda g, a: cholesky_vjp(g, a, mirrored=False), *DEFINITE, truth=five_points),
    case("eigenvalues: rows of the vectors", eigenvalues,
         lambda g, a: (lambda v: v.T * g @ v)(np.linalg.eigh(symmetric(a))[1]), *DEFINITE, truth=five_points),
    case("eigenvalues: only the diagonal", eigenvalues,
         lambda g, a: (lambda v: np.diag(np.diag(v * g @ v.T)))(np.linalg.eigh(symmetric(a))[1]),
         *DEFINITE, truth=five_points),
    case("symmetric part: passed through", symmetric, lambda g, a: g, *SQUARE),
    case("antisymmetric part: taken for symmetric", lambda a: a - a.T, lambda g, a: g + g.T, *SQUARE),
    case("lower triangle: mask forgotten", np.tril, lambda g, a: g, *SQUARE, truth=five_points),
    case("lower triangle: upper", np.tril, lambda g, a: np.triu(g), *SQUARE),
    case("lower triangle: diagonal lost", np.tril, lambda g, a: np.tril(g, -1), *SQUARE),
    case("Kronecker: factors swapped", np.kron, lambda g, a, b: (np.einsum("ikjl,ij->kl", g.reshape(3, 3, 3, 3), b),
         np.einsum("ikjl,kl->ij", g.reshape(3, 3, 3, 3), a)), *SQUARES),
    case("einsum: output swapped", lambda a, b: np.einsum("ij,kj->ki", a, b),
         lambda g, a, b: (g @ b, g.T @ a), *SQUARES),
    case("norm: not divided", norm, lambda g, x: g * x, *VECTOR),
    case("norm: divided by its square", norm, lambda g, x: g * x / norm(x) ** 2, *VECTOR),
    case("unit vector: no projection", unit, lambda g, x: g / norm(x), *VECTOR),
    case("unit vector: projection not by unit vectors", unit, lambda g, x: (g - x * (g * x).sum()) / norm(x), *VECTOR),
    case("cosine: no projection", cosine,
         lambda g, x, y: (g * unit(y) / norm(x), g * unit(x) / norm(y)), *normal(5, 5)),
    case("cosine: norms swapped", cosine, lambda g, x, y: (cosine_vjp(g, x, y)[0] * norm(x) / norm(y),
         cosine_vjp(g, x, y)[1] * norm(y) / norm(x)), *normal(5, 5)),
    case("distances: one end", distances, lambda g, x: 2 * (g[..., None] * (x[:, None] - x[None])).sum(1), *X),
    case("covariance: not symmetrized", lambda x: (x - x.mean(0)).T @ (x - x.mean(0)) / 3,
         lambda g, x: 2 * (x - x.mean(0)) @ g / 3, *X),
]  # fmt: skip

PLACES = [
    case("gather: = for add at repeats", lambda x: x[REPEATED], lambda g, x: forgetful(g, x, REPEATED), *VECTOR),
    case("gather: gathers g", lambda x: x[ORDER], lambda g, x: g[ORDER], *normal(4)),
    case("embedding: = for add at repeats", lambda w: np.tanh(w[REPEATED]),
         lambda g, w: forgetful(g / np.cosh(w[REPEATED]) ** 2, w, REPEATED), *normal((6, 2))),
    case("slice: off by one", lambda x: x[1:4], lambda g, x: np.pad(g, (0, 3)), *VECTOR),
    case("stride: g at the front", lambda x: x[::2], lambda g, x: np.append(g, 0 * g), *VECTOR),
    case("cumsum: not reversed", np.cumsum, lambda g, x: np.cumsum(g), *VECTOR),
    case("cumsum: exclusive", np.cumsum, lambda g, x: np.cumsum(g[::-1])[::-1] - g, *VECTOR),
    case("cumsum: reversed once", np.cumsum, lambda g, x: np.cumsum(g[::-1]), *VECTOR),
    case("cumprod: as a sum", np.cumprod, lambda g, x: np.cumsum((g * x)[::-1])[::-1], *VECTOR),
    case("diff: sign", np.diff, lambda g, x: np.append(g, 0) - np.append(0, g), *VECTOR),
    case("diff: only the later", np.diff, lambda g, x: np.append(0, g), *VECTOR),
    case("roll: the same way", lambda x: np.roll(x, 2), lambda g, x: np.roll(g, 2), *VECTOR),
    case("flip: not flipped back", np.flip, lambda g, x: g, *VECTOR),
    case("axes: permuted once more", lambda x: x.transpose(1, 2, 0),
         lambda g, x: g.transpose(1, 2, 0), *normal((3, 3, 3))),
    case("reshape: in Fortran's order", lambda x: x.reshape(4, 3), lambda g, x: g.reshape(3, 4, order="F"), *X),
    case("concat: parts swapped", lambda x, y: np.concatenate([x, y]), lambda g, x, y: (g[3:], g[:3]), *normal(3, 3)),
    case("pad: crops the end", lambda x: np.pad(x, (2, 1)), lambda g, x: g[:6], *VECTOR, truth=five_points),
    case("sort: g as it is", np.sort, lambda g, x: g, spaced(7)),
    case("sort: order for its inverse", np.sort, lambda g, x: g[np.argsort(x)], spaced(7)),
    case("sort: descending", np.sort, lambda g, x: g[::-1][np.argsort(np.argsort(x))], spaced(7)),
    case("max: to all", np.max, lambda g, x: np.full(x.shape, g), spaced(7)),
    case("max: to the smallest", np.max, lambda g, x: g * (x == x.min()), spaced(7)),
    case("max pooling: to all", pooled, lambda g, x: np.repeat(g, 2), spaced(8)),
    case("max pooling: to the first", pooled, lambda g, x: np.kron(g, [1, 0]), spaced(8)),
    case("max pooling: evenly", pooled, lambda g, x: np.repeat(g, 2) / 2, spaced(8)),
    case("mean pooling: no 1/k", lambda x: x.reshape(-1, 2).mean(1), lambda g, x: np.repeat(g, 2), *VECTOR),
    case("median: to the first", np.median, lambda g, x: g * np.eye(7)[0], spaced(7), truth=five_points),
    case("where: both branches", lambda x: np.where(x > 0, 2 * x, 3 * x), lambda g, x: 5 * g, spaced(7)),
    case("where: branches swapped", lambda x: np.where(x > 0, 2 * x, 3 * x),
         lambda g, x: np.where(x > 0, 3, 2) * g, spaced(7)),
    case("clip: passed through", lambda x: np.clip(x, -1, 1), lambda g, x: g, spaced(7)),
    case("maximum: to both", np.maximum, lambda g, x, y: (g, g), spaced(7), spaced(7)[::-1] + 0.1),
    case("maximum: as minimum", np.maximum,
         lambda g, x, y: (g * (x < y), g * (x > y)), spaced(7), spaced(7)[::-1] + 0.1),
    case("abs: no sign", np.abs, lambda g, x: g, spaced(7), truth=five_points),
    case("Fourier convolution: not conjugated", convolve, lambda g, x: convolve(g), *VECTOR, truth=five_points),
    case("Fourier convolution: not normalized", convolve,
         lambda g, x: np.fft.fft(np.fft.ifft(g) * np.fft.fft(KERNEL)).real / 6, *VECTOR, truth=five_points),
    case("power spectrum: half", power,
         lambda g, x: np.fft.ifft(g * np.fft.fft(x)).real * 6, *VECTOR, truth=five_points),
    case("power spectrum: forward transform, not normalized", power,
         lambda g, x: 2 * np.fft.ifft(g * np.fft.fft(x)).real, *VECTOR,
         truth=five_points),
    case("interpolation: weights swapped", lerp, lambda g, x: lerp_vjp(g, x, KNOTS % 1, 1 - KNOTS % 1), *VECTOR),
    case("interpolation: to the nearest", lerp,
         lambda g, x: lerp_vjp(g, x, KNOTS % 1 < 0.5, KNOTS % 1 >= 0.5), *VECTOR),
]  # fmt: skip

TIME = [
    case("ODE step: inner step forgotten", midpoint, lambda g, y: midpoint_vjp(g, y, inner=0), *normal(2)),
    case("ODE step: linearized at its start", midpoint, lambda g, y: midpoint_vjp(g, y, at=0), *normal(2)),
    case("ODE step: Jacobian not transposed", lambda y: y + 0.1 * field(y),
         lambda g, y: g + 0.1 * np.stack([g[1], -np.cos(y[0]) * g[0]]), *normal(2)),
    case("ODE: one step too few", pendulum, lambda g, y: pendulum_vjp(g, y, steps=9), *normal(2)),
    case("ODE: every step at the first state", pendulum, lambda g, y: pendulum_vjp(g, y, stale=True), *normal(2)),
    case("scan: carry detached", momentum, lambda g, x: g, *VECTOR),
    case("scan: decay forgotten", momentum, lambda g, x: momentum_vjp(g, 1), *VECTOR),
    case("scan: forwards", momentum, lambda g, x: momentum_vjp(g[::-1], 0.9)[::-1], *VECTOR),
    case("fixed point: last step only", cube_root, lambda g, x: g / (3 * cube_root(x) ** 2) / 3, np.exp(VECTOR[0])),
    case("fixed point: implicit derivative not inverted", cube_root,
         lambda g, x: g * 3 * cube_root(x) ** 2, np.exp(VECTOR[0])),
]  # fmt: skip

CASES = [*BROADCASTING, *MATRICES, *PLACES, *TIME]


@over(CASES)
def test_is_caught(case: Case) -> None:
    assert verdict(case.f, case.vjp, *case.point) == "disagrees"


@over(CASES)
def test_is_really_wrong(case: Case) -> None:
    assert distance(case) > 1e-5


@over({case.f: case for case in CASES if case.truth is complex_step}.values())
def test_and_the_true_rule_is_not_caught(case: Case) -> None:
    assert verdict(case.f, complex_step(case.f), *case.point) == "agrees"

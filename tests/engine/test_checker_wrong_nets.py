"""Backward passes of networks as people get them wrong, at ordinary points: the checker says so of every one."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from tests.engine.verdicts import case, complex_step, distance, normal, over, spaced, verdict

LABELS = np.array([1, 0, 3])
ONE_HOT = np.eye(4)[LABELS]
MASK = np.array([[1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 1.0]])
CAUSAL = np.tril(np.ones((3, 3), bool))
TARGET = np.linspace(-1, 1, 12).reshape(3, 4)
LOGITS, TWO = normal((3, 4)), normal((3, 4), (3, 4))
QKV = normal((3, 4), (3, 4), (3, 4))
COS, SIN = np.cos([0.5, 1.0]), np.sin([0.5, 1.0])


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def softmax(x: Any) -> Any:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def softmax_vjp(g: Any, out: Any) -> Any:
    return out * (g - (g * out).sum(-1, keepdims=True))


def log_softmax(x: Any) -> Any:
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def cross_entropy(x: Any) -> Any:
    return -(log_softmax(x) * ONE_HOT).sum() / 3


def inverse_deviation(x: Any, axis: int = -1, eps: float = 1e-5) -> Any:
    return 1 / np.sqrt(((x - x.mean(axis, keepdims=True)) ** 2).mean(axis, keepdims=True) + eps)


def standardize(x: Any, axis: int = -1) -> Any:
    return (x - x.mean(axis, keepdims=True)) * inverse_deviation(x, axis)


def standardize_vjp(g: Any, x: Any, axis: int = -1) -> Any:
    out = standardize(x, axis)
    return inverse_deviation(x, axis) * (g - g.mean(axis, keepdims=True) - out * (g * out).mean(axis, keepdims=True))


def rms(x: Any) -> Any:
    return np.sqrt((x * x).mean(-1, keepdims=True))


def gelu(x: Any) -> Any:
    return 0.5 * x * (1 + np.tanh(gelu_inner(x)))


def gelu_inner(x: Any) -> Any:
    return np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)


def gelu_vjp(g: Any, x: Any, inner: Any) -> Any:
    t = np.tanh(gelu_inner(x))
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner)


def huber(x: Any) -> Any:
    size = np.where(x < 0, -x, x)
    return np.where(size < 0.6, x * x / 2, 0.6 * (size - 0.3))


def rotate(x: Any, sin: Any = SIN) -> Any:
    left, right = x[..., :2], x[..., 2:]
    return np.concatenate([left * COS - right * sin, left * sin + right * COS], -1)


def attention(q: Any, k: Any, v: Any) -> Any:
    return softmax(np.where(CAUSAL, q @ k.T / 2, -1e9)) @ v


def attention_vjp(g: Any, q: Any, k: Any, v: Any, *, causal: Any = CAUSAL, back: Any = softmax_vjp) -> Any:
    weights = softmax(np.where(causal, q @ k.T / 2, -1e9))
    scores = back(g @ v.T, weights) / 2
    return scores @ k, scores.T @ q, weights.T @ g


def times(scales: tuple[float, ...], gradients: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(scale * gradient for scale, gradient in zip(scales, gradients))


def cell(c: Any, z: Any) -> Any:
    """An LSTM's cell and output from its four gates, in a row."""
    f, i, o, u = np.split(z, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(u)
    return np.concatenate([c, sigmoid(o) * np.tanh(c)])


def cell_vjp(g: Any, c: Any, z: Any, *, forget: float = 1, through: float = 1, update: float = 1) -> Any:
    f, i, o, u = (*map(sigmoid, np.split(z, 4)[:3]), np.tanh(z[-2:]))
    new = np.tanh(f * c + i * u)
    into_cell = g[:2] + through * g[2:] * o * (1 - new**2)
    gates = (into_cell * c * f * (1 - f), into_cell * u * i * (1 - i), g[2:] * new * o * (1 - o))
    return forget * into_cell * f, np.concatenate([*gates, into_cell * i * (1 - u**2 * update)])


def unrolled(h: Any, w: Any) -> Any:
    for _ in range(4):
        h = np.tanh(h @ w)
    return h


def unrolled_vjp(g: Any, h: Any, w: Any, steps: int) -> Any:
    states = [h]
    for _ in range(4):
        states.append(np.tanh(states[-1] @ w))
    into_w = np.zeros_like(w)
    for before, after in list(itertools.pairwise(states))[::-1][:steps]:
        g = g * (1 - after**2)
        into_w, g = into_w + before.T @ g, g @ w.T
    return g, into_w


def gru(h: Any, z: Any) -> Any:
    return (1 - sigmoid(z)) * h + sigmoid(z) * np.tanh(h)


def conv(x: Any, w: Any) -> Any:
    return x[:-2] * w[0] + x[1:-1] * w[1] + x[2:] * w[2]


ACTIVATIONS = [
    case("sigmoid: slope of x for slope of out", sigmoid, lambda g, x: g * x * (1 - x), *LOGITS),
    case("sigmoid: applied once more", sigmoid, lambda g, x: g * sigmoid(sigmoid(x)) * (1 - sigmoid(x)), *LOGITS),
    case("sigmoid: no factor out", sigmoid, lambda g, x: g * (1 - sigmoid(x)), *LOGITS),
    case("tanh: out, not squared", np.tanh, lambda g, x: g * (1 - np.tanh(x)), *LOGITS),
    case("tanh: x for out", np.tanh, lambda g, x: g * (1 - x**2), *LOGITS),
    case("tanh: the sigmoid's slope", np.tanh, lambda g, x: g * np.tanh(x) * (1 - np.tanh(x)), *LOGITS),
    case("softplus: mirrored", lambda x: np.log1p(np.exp(x)), lambda g, x: g * sigmoid(-x), *LOGITS),
    case("silu: only the gate", lambda x: x * sigmoid(x), lambda g, x: g * sigmoid(x), *LOGITS),
    case("silu: slope of the gate alone", lambda x: x * sigmoid(x),
         lambda g, x: g * x * sigmoid(x) * sigmoid(-x), *LOGITS),
    case("swish: beta forgotten inside", lambda x: x * sigmoid(2 * x),
         lambda g, x: g * (sigmoid(2 * x) + x * sigmoid(2 * x) * sigmoid(-2 * x)), *LOGITS),
    case("gelu: no inner derivative", gelu, lambda g, x: gelu_vjp(g, x, 1), *LOGITS),
    case("gelu: x**2 without its 3", gelu, lambda g, x: gelu_vjp(g, x, 0.7978845608 * (1 + 0.044715 * x**2)), *LOGITS),
    case("gelu: no second term", gelu, lambda g, x: gelu_vjp(g, x, 0), *LOGITS),
    case("gelu: slope of the sigmoid form", gelu, lambda g, x: g * sigmoid(1.702 * x), *LOGITS),
    case("relu: passes everything", lambda x: np.where(x > 0, x, 0), lambda g, x: g, spaced(6)),
    case("relu: masks by g", lambda x: np.where(x > 0, x, 0), lambda g, x: g * (g > 0), spaced(6)),
    case("relu squared: no 2", lambda x: np.where(x > 0, x, 0) ** 2, lambda g, x: g * np.maximum(x, 0), spaced(6)),
    case("leaky relu: 0 for its slope", lambda x: np.where(x > 0, x, 0.01 * x), lambda g, x: g * (x > 0), spaced(6)),
    case("elu: out for out + 1", lambda x: np.where(x > 0, x, np.exp(x) - 1),
         lambda g, x: g * np.where(x > 0, 1, np.exp(x) - 1), spaced(6)),
    case("glu: the gate is a constant", lambda x, y: x * sigmoid(y), lambda g, x, y: (g * sigmoid(y), 0 * y), *TWO),
    case("glu: branches swapped", lambda x, y: x * sigmoid(y),
         lambda g, x, y: (g * x * sigmoid(y) * sigmoid(-y), g * sigmoid(y)), *TWO),
    case("dropout: mask not reapplied", lambda x: x * MASK / 0.6, lambda g, x: g / 0.6, *LOGITS),
    case("dropout: scale forgotten", lambda x: x * MASK / 0.6, lambda g, x: g * MASK, *LOGITS),
    case("straight through tanh", np.tanh, lambda g, x: g, *LOGITS),
    case("residual: only the branch", lambda x: x + np.tanh(x), lambda g, x: g * (1 - np.tanh(x) ** 2), *LOGITS),
    case("residual: only the identity", lambda x: x + np.tanh(x) / 9, lambda g, x: g, *LOGITS),
]  # fmt: skip

LOSSES = [
    case("softmax: no row sum", softmax, lambda g, x: g * softmax(x), *LOGITS),
    case("softmax: only the diagonal", softmax, lambda g, x: g * softmax(x) * (1 - softmax(x)), *LOGITS),
    case("softmax: sum over the batch", softmax, lambda g, x: softmax(x) * (g - (g * softmax(x)).sum(0)), *LOGITS),
    case("softmax: mean for sum", softmax,
         lambda g, x: softmax(x) * (g - (g * softmax(x)).mean(-1, keepdims=True)), *LOGITS),
    case("softmax: sum of g alone", softmax, lambda g, x: softmax(x) * (g - g.sum(-1, keepdims=True)), *LOGITS),
    case("softmax: out applied twice", softmax, lambda g, x: softmax_vjp(g * softmax(x), softmax(x)), *LOGITS),
    case("softmax: temperature forgotten", lambda x: softmax(x / 2),
         lambda g, x: softmax_vjp(g, softmax(x / 2)), *LOGITS),
    case("softmax: zeros, right for ones", softmax, lambda g, x: 0 * x, *LOGITS),
    case("log softmax: no sum of g", log_softmax, lambda g, x: g - softmax(x), *LOGITS),
    case("log softmax: out for exp(out)", log_softmax,
         lambda g, x: g - log_softmax(x) * g.sum(-1, keepdims=True), *LOGITS),
    case("logsumexp: spread evenly", lambda x: np.log(np.exp(x).sum(-1)), lambda g, x: g[:, None] / 4 + 0 * x, *LOGITS),
    case("logsumexp: not normalized", lambda x: np.log(np.exp(x).sum(-1)),
         lambda g, x: g[:, None] * np.exp(x), *LOGITS),
    case("logsumexp: twice", lambda x: np.log(np.exp(x).sum(-1)), lambda g, x: 2 * g[:, None] * softmax(x), *LOGITS),
    case("cross entropy: sum for mean", cross_entropy, lambda g, x: g * (softmax(x) - ONE_HOT), *LOGITS),
    case("cross entropy: mean over classes too", cross_entropy, lambda g, x: g * (softmax(x) - ONE_HOT) / 12, *LOGITS),
    case("cross entropy: exp not normalized", cross_entropy, lambda g, x: g * (np.exp(x) - ONE_HOT) / 3, *LOGITS),
    case("cross entropy: labels off by one", cross_entropy,
         lambda g, x: g * (softmax(x) - np.eye(4)[(LABELS + 1) % 4]) / 3, *LOGITS),
    case("cross entropy: sign", cross_entropy, lambda g, x: g * (ONE_HOT - softmax(x)) / 3, *LOGITS),
    case("cross entropy: ignores g", cross_entropy, lambda g, x: (softmax(x) - ONE_HOT) / 3, *LOGITS),
    case("cross entropy: no labels", cross_entropy, lambda g, x: g * softmax(x) / 3, *LOGITS),
    case("binary cross entropy: sign of the target", lambda x: np.log1p(np.exp(x)) - x * MASK,
         lambda g, x: g * (sigmoid(x) + MASK), *LOGITS),
    case("mse: no 1/n", lambda x: ((x - TARGET) ** 2).mean(), lambda g, x: 2 * g * (x - TARGET), *LOGITS),
    case("mse: no 2", lambda x: ((x - TARGET) ** 2).mean(), lambda g, x: g * (x - TARGET) / 12, *LOGITS),
    case("mse: n of the rows", lambda x: ((x - TARGET) ** 2).mean(), lambda g, x: 2 * g * (x - TARGET) / 3, *LOGITS),
    case("mse: sign", lambda x: ((x - TARGET) ** 2).mean(), lambda g, x: 2 * g * (TARGET - x) / 12, *LOGITS),
    case("mse: target's gradient has the same sign", lambda x, y: ((x - y) ** 2).mean(),
         lambda g, x, y: (g * (x - y) / 6, g * (x - y) / 6), *TWO),
    case("huber: outer branch without delta", huber,
         lambda g, x: g * np.where(np.abs(x) < 0.6, x, np.sign(x)), spaced(6)),
    case("huber: inner branch everywhere", huber, lambda g, x: g * x, spaced(6)),
    case("weight decay: not in the gradient", lambda w: np.tanh(w).sum() + 0.01 * (w * w).sum(),
         lambda g, w: g * (1 - np.tanh(w) ** 2), *LOGITS),
    case("tied weights: one use counted", lambda x, w: np.tanh(x @ w) @ w.T,
         lambda g, x, w: ((g @ w * (1 - np.tanh(x @ w) ** 2)) @ w.T, g.T @ np.tanh(x @ w)), *normal((3, 4), (4, 4))),
]  # fmt: skip

NORMS = [
    case("layer norm: no mean terms", standardize, lambda g, x: inverse_deviation(x) * g, *LOGITS),
    case("layer norm: zeros, right for g = x", standardize, lambda g, x: 0 * x, *LOGITS),
    case("layer norm: mean of g missing", standardize,
         lambda g, x: standardize_vjp(g, x) + inverse_deviation(x) * g.mean(-1, keepdims=True), *LOGITS),
    case("layer norm: detached variance", standardize,
         lambda g, x: inverse_deviation(x) * (g - g.mean(-1, keepdims=True)), *LOGITS),
    case("layer norm: n - 1", standardize, lambda g, x: standardize_vjp(g, x) * np.sqrt(3 / 4), *LOGITS),
    case("layer norm: over the batch", standardize, lambda g, x: standardize_vjp(g, x, axis=0), *LOGITS),
    case("layer norm: weight after, not before", lambda x, w: standardize(x) * w,
         lambda g, x, w: (standardize_vjp(g, x) * w, (g * standardize(x)).sum(0)), *normal((3, 4), 4)),
    case("layer norm: weight sees x", lambda x, w: standardize(x) * w,
         lambda g, x, w: (standardize_vjp(g * w, x), (g * x).sum(0)), *normal((3, 4), 4)),
    case("batch norm: detached variance", lambda x: standardize(x, 0),
         lambda g, x: inverse_deviation(x, 0) * (g - g.mean(0)), *LOGITS),
    case("batch norm: detached statistics", lambda x: standardize(x, 0),
         lambda g, x: g * inverse_deviation(x, 0), *LOGITS),
    case("batch norm: eps 1e-3 in the gradient", lambda x: standardize(x, 0),
         lambda g, x: standardize_vjp(g, x, 0) * inverse_deviation(x, 0, 1e-3) / inverse_deviation(x, 0), *LOGITS),
    case("rms norm: no projection", lambda x: x / rms(x), lambda g, x: g / rms(x), *LOGITS),
    case("rms norm: projection not divided by n", lambda x: x / rms(x),
         lambda g, x: g / rms(x) - x * (g * x).sum(-1, keepdims=True) / rms(x) ** 3, *LOGITS),
]  # fmt: skip

SEQUENCES = [
    case("rotary: rotates g on", rotate, lambda g, x: rotate(g), *LOGITS),
    case("rotary: g unrotated", rotate, lambda g, x: g, *LOGITS),
    case("rotary: halves swapped", rotate, lambda g, x: np.roll(rotate(g, -SIN), 2, -1), *LOGITS),
    case("attention: no scale in q", attention, lambda g, *x: times((2, 1, 1), attention_vjp(g, *x)), *QKV),
    case("attention: no scale in k", attention, lambda g, *x: times((1, 2, 1), attention_vjp(g, *x)), *QKV),
    case("attention: no row sum in the softmax", attention,
         lambda g, *x: attention_vjp(g, *x, back=lambda g, out: g * out), *QKV),
    case("attention: only the softmax's diagonal", attention,
         lambda g, *x: attention_vjp(g, *x, back=lambda g, out: g * out * (1 - out)), *QKV),
    case("attention: mask forgotten on the way back", attention, lambda g, *x: attention_vjp(g, *x, causal=True), *QKV),
    case("attention: weights not transposed for v", attention,
         lambda g, q, k, v: (*attention_vjp(g, q, k, v)[:2], softmax(np.where(CAUSAL, q @ k.T / 2, -1e9)) @ g), *QKV),
    case("attention: q and k swapped", attention,
         lambda g, q, k, v: (lambda a, b, c: (b, a, c))(*attention_vjp(g, q, k, v)), *QKV),
    case("lstm: no path through the forget gate", cell, lambda g, c, z: cell_vjp(g, c, z, forget=0), *normal(2, 8)),
    case("lstm: output does not reach the cell", cell, lambda g, c, z: cell_vjp(g, c, z, through=0), *normal(2, 8)),
    case("lstm: update without its tanh", cell, lambda g, c, z: cell_vjp(g, c, z, update=0), *normal(2, 8)),
    case("gru: update gate one-sided", gru,
         lambda g, h, z: (g * (1 - sigmoid(z) * np.tanh(h) ** 2), g * sigmoid(z) * sigmoid(-z) * np.tanh(h)), *TWO),
    case("rnn: truncated by one step", unrolled, lambda g, h, w: unrolled_vjp(g, h, w, 3), *normal((2, 3), (3, 3))),
    case("rnn: weights of the last step only", unrolled,
         lambda g, h, w: (unrolled_vjp(g, h, w, 4)[0], unrolled_vjp(g, h, w, 1)[1]), *normal((2, 3), (3, 3))),
    case("conv: kernel not flipped", conv,
         lambda g, x, w: (np.convolve(g, w[::-1]), np.correlate(x, g)), *normal(7, 3)),
    case("conv: padding off by one", conv,
         lambda g, x, w: (np.roll(np.convolve(g, w), 1), np.correlate(x, g)), *normal(7, 3)),
    case("conv: kernel's gradient flipped", conv,
         lambda g, x, w: (np.convolve(g, w), np.correlate(x, g)[::-1]), *normal(7, 3)),
]  # fmt: skip

CASES = ACTIVATIONS + LOSSES + NORMS + SEQUENCES


@over(CASES)
def test_is_caught(case: Any) -> None:
    assert verdict(case.f, case.vjp, *case.point) == "disagrees"


@over(CASES)
def test_is_really_wrong(case: Any) -> None:
    assert distance(case) > 1e-5


@over({case.f: case for case in CASES}.values())
def test_and_the_true_rule_is_not_caught(case: Any) -> None:
    assert verdict(case.f, complex_step(case.f), *case.point) == "agrees"

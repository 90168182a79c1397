"""The model of `gpt/model.py` and AdamW as functions of a dict of parameters, for JAX and for HIPS autograd.

Both differentiate functions written with NumPy's names, so one text serves both: `np` is the module of names, and
`constant` takes a value out of the derivative. Parameters have the names of `GPT.state_dict`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.workload import CLIP, SETTINGS

Parameters = dict[str, Any]


class Library(NamedTuple):
    """Whose names the model is written with: NumPy's, and a function that takes a value out of the derivative."""

    np: Any
    constant: Callable[[Any], Any]


def logits(p: Parameters, ids: Any, config: Any, library: Library) -> Any:
    """Scores of the next character, (batch, time, vocab_size), for ids (batch, time)."""
    np, c = library.np, config
    x = p["embedding.weight"][ids]
    if c.positions == "learned":
        x = x + p["positions.weight"][: ids.shape[1]]
    for number in range(c.n_layer):
        x = _block(p, f"blocks.{number}.", x, c, library)
    return _norm(p, "norm", x, c, np) @ p["embedding.weight" if c.tie else "head.weight"].T


def loss(p: Parameters, ids: Any, labels: Any, config: Any, library: Library) -> Any:
    """The mean cross-entropy, in nats."""
    np = library.np
    scores = logits(p, ids, config, library).reshape(labels.size, -1)
    scores = scores - library.constant(scores.max(axis=-1, keepdims=True))
    right = scores[np.arange(labels.size), labels.reshape(-1)]
    return np.sum(np.log(np.sum(np.exp(scores), axis=-1)) - right) / labels.size


def _linear(p: Parameters, name: str, x: Any, c: Any) -> Any:
    y = x @ p[f"{name}.weight"].T
    return y + p[f"{name}.bias"] if c.bias else y


def _norm(p: Parameters, name: str, x: Any, c: Any, np: Any) -> Any:
    x = x - np.sum(x, axis=-1, keepdims=True) / c.n_embd
    y = x / np.sqrt(np.sum(x * x, axis=-1, keepdims=True) / c.n_embd + 1e-5) * p[f"{name}.weight"]
    return y + p[f"{name}.bias"] if c.bias else y


def _block(p: Parameters, name: str, x: Any, c: Any, library: Library) -> Any:
    np = library.np
    batch, time, channels = x.shape

    def heads(projection: str) -> Any:
        y = _linear(p, f"{name}attention.{projection}", normed, c)
        return np.swapaxes(y.reshape(batch, time, c.n_head, channels // c.n_head), 1, 2)

    normed = _norm(p, f"{name}attention_norm", x, c, np)
    q, k, v = heads("query"), heads("key"), heads("value")
    if c.positions == "rotary":
        q, k = _rotated(q, c, np), _rotated(k, c, np)
    scores = q @ np.swapaxes(k, 2, 3) / math.sqrt(channels // c.n_head)
    scores = np.where(np.tril(np.ones((time, time), bool)), scores, -math.inf)
    weights = np.exp(scores - library.constant(scores.max(axis=-1, keepdims=True)))
    weights = weights / np.sum(weights, axis=-1, keepdims=True)
    together = np.swapaxes(weights @ v, 1, 2).reshape(batch, time, channels)
    x = x + _linear(p, f"{name}attention.output", together, c)
    y = _linear(p, f"{name}feed_forward.expand", _norm(p, f"{name}feed_forward_norm", x, c, np), c)
    y = np.maximum(y, 0.0) ** 2 if c.activation == "relu2" else _gelu(y, np)
    return x + _linear(p, f"{name}feed_forward.contract", y, c)


def _gelu(x: Any, np: Any) -> Any:
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


def _rotated(x: Any, c: Any, np: Any) -> Any:
    time, width = x.shape[-2:]
    angles = [[m * c.rotary_base ** (-i / width) for i in range(0, width, 2)] for m in range(time)]
    angles = np.array(angles, dtype=x.dtype)
    cos, sin, a, b = np.cos(angles), np.sin(angles), x[..., 0::2], x[..., 1::2]
    return np.stack((a * cos - b * sin, a * sin + b * cos), axis=-1).reshape(x.shape)


class State(NamedTuple):
    """What a step changes: parameters, the moving averages of AdamW, and how many steps there were."""

    parameters: Parameters
    mean: Parameters
    square: Parameters
    steps: Any

    @classmethod
    def of(cls, parameters: Parameters) -> State:
        """The state before the first step."""
        mean, square = ({name: 0 * value for name, value in parameters.items()} for _ in range(2))
        return cls(parameters, mean, square, 0.0)


def updated(state: State, gradients: Parameters, np: Any) -> State:
    """The state after clipping and one step of AdamW."""
    rate, (beta1, beta2), decay = SETTINGS["lr"], SETTINGS["betas"], SETTINGS["weight_decay"]
    steps = state.steps + 1.0
    norm = np.sqrt(sum(np.sum(g * g) for g in gradients.values()))
    factor = np.minimum(CLIP / (norm + 1e-6), 1.0)
    parameters, mean, square = {}, {}, {}
    for name, gradient in gradients.items():
        g = gradient * factor
        mean[name] = m = beta1 * state.mean[name] + (1 - beta1) * g
        square[name] = s = beta2 * state.square[name] + (1 - beta2) * g * g
        change = m / (1 - beta1**steps) / (np.sqrt(s / (1 - beta2**steps)) + 1e-8)
        parameters[name] = (1 - rate * decay) * state.parameters[name] - rate * change
    return State(parameters, mean, square, steps)

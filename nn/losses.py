"""Loss functions: what a prediction costs, as one number to be minimised.

All take `reduction`: the "mean" or "sum" of the costs, or with "none" the costs themselves. Classes are judged by the
engine's `cross_entropy`; here are numbers, and events that happen or not.

Read next: `nn/trainable.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import engine
from engine import Tensor, cross_entropy
from engine.arrays import Array
from nn.settings import choice

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "mse_loss"]

LOWEST_LOG = -100.0  # PyTorch's bound, so that an event of probability 0 that happens costs 100 and not infinity


def mse_loss(predictions: Any, targets: Any, *, reduction: str = "mean") -> Any:
    """Squared error, (prediction - target)^2; both of the same shape."""
    predictions, targets = _paired("mse_loss", predictions, targets)
    return _reduced("mse_loss", engine.square(predictions - targets), reduction)


def binary_cross_entropy_with_logits(logits: Any, targets: Any, *, reduction: str = "mean") -> Any:
    """The surprise -t log p - (1 - t) log(1 - p), in nats, where p = sigmoid(logit) and t is the target, from 0 to 1.

    Both of the same shape. -log p is softplus(-logit), and -log(1 - p) softplus(logit): neither overflows nor loses
    digits, and the gradient in the logit is p - t.
    """
    name = "binary_cross_entropy_with_logits"
    logits, targets = _paired(name, logits, targets)
    _within_0_and_1(name, "targets", targets)
    costs = _times(targets, engine.softplus(-logits)) + _times(1 - targets, engine.softplus(logits))
    return _reduced(name, costs, reduction)


def binary_cross_entropy(probabilities: Any, targets: Any, *, reduction: str = "mean") -> Any:
    """The surprise -t log p - (1 - t) log(1 - p), in nats, of probabilities and targets from 0 to 1, of the same shape.

    A logarithm counts as at least -100, so its gradient is 0 where p is 0 or 1 and should not be. Where there are
    logits, `binary_cross_entropy_with_logits` has no such bound and keeps more digits.
    """
    name = "binary_cross_entropy"
    probabilities, targets = _paired(name, probabilities, targets)
    _within_0_and_1(name, "probabilities", probabilities)
    _within_0_and_1(name, "targets", targets)
    with np.errstate(divide="ignore"):  # log 0
        happens, fails = engine.log(probabilities), engine.log1p(-probabilities)
    happens, fails = (engine.clip(log, min=LOWEST_LOG) for log in (happens, fails))
    return _reduced(name, -(targets * happens + (1 - targets) * fails), reduction)


def _paired(name: str, predictions: Any, targets: Any) -> tuple[Any, Any]:
    """Predictions and targets as tensors or floating arrays, of the same shape: broadcasting would hide a mistake."""
    predictions, targets = (x if isinstance(x, Tensor | np.ndarray) else Tensor(x) for x in (predictions, targets))
    if predictions.shape != targets.shape:
        raise ValueError(f"{name}: predictions {predictions.shape} need targets of the same shape, not {targets.shape}")
    if targets.dtype.kind in "iub":
        targets = _array(targets).astype(predictions.dtype if predictions.dtype.kind == "f" else np.float32)
    return predictions, targets


def _within_0_and_1(name: str, what: str, values: Any) -> None:
    outside = (_array(values) < 0) | (_array(values) > 1)
    if outside.any():
        raise ValueError(f"{name}: {what} must be between 0 and 1, not {_array(values)[outside][0]:g}")


def _times(weight: Any, cost: Any) -> Any:
    """weight * cost, where an infinite cost that counts 0 is 0."""
    uncounted = (_array(weight) == 0) & np.isinf(_array(cost))
    return weight * (engine.where(uncounted, 0.0, cost) if uncounted.any() else cost)


def _reduced(name: str, costs: Any, reduction: str) -> Any:
    if choice(name, "reduction", reduction, ["mean", "sum", "none"]) == "none":
        return costs
    return engine.mean(costs) if reduction == "mean" else engine.sum(costs)


def _array(x: Any) -> Array:
    return x.array if isinstance(x, Tensor) else x

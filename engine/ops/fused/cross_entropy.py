"""cross_entropy: minus the logarithm of the probability given to the right class, -log softmax(logits)[label].

With targets q, which are 1 for the label and 0 for the other classes, or given as probabilities, the loss at a position
is -sum(q log softmax(logits)), and its gradient in the logits is softmax(logits) - q: the probability given to each
class, minus the probability it should have. The forward pass saves this difference, times the weight of the position in
the loss, as `excess`. For the cotangent of a loss, which is 1, it is the gradient, and nothing is left to compute.

Where there are many classes, the logits are the largest array of a model. So the forward pass goes through their rows
in blocks that stay in the cache, and the only other array of this size is `excess`.

Read next: `engine/ops/fused/layer_norm.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.declare import primitive
from engine.examples import REAL, UNIT, Arguments, Draw
from engine.operands import as_operand, fraction
from engine.ops.elementwise.activations import as_floating
from engine.ops.elementwise.arithmetic import add, multiply, negative
from engine.ops.elementwise.choices import where
from engine.ops.fused.softmax import log_softmax
from engine.ops.reductions import sum

__all__ = ["cross_entropy"]

_BLOCK = 1 << 17  # how many logits are in a block: half a megabyte in float32


def _are_probabilities(labels: Array) -> bool:
    return labels.dtype.kind == "f"


def _kept(labels: Array, ignore_index: int) -> Array:
    """Whether each position has a loss, flattened; with probabilities, all have."""
    if _are_probabilities(labels):
        return np.ones(math.prod(labels.shape[:-1]), bool)
    return (labels != ignore_index).reshape(-1)


def _weights(labels: Array, ignore_index: int, reduction: str, dtype: Any) -> Array:
    """The weight of each position in the loss: 0 if ignored, else 1, or 1 / n for the mean of n."""
    counts = _kept(labels, ignore_index).astype(dtype)
    return counts / counts.sum(dtype=dtype) if reduction == "mean" else counts


def _targets(labels: Array, classes: int, ignore_index: int, label_smoothing: float, dtype: Any) -> Array:
    """The probability that each class should have, a row for each position."""
    if _are_probabilities(labels):
        targets = labels.reshape(-1, classes).astype(dtype)
    else:
        targets = np.zeros((labels.size, classes), dtype)
        targets[np.arange(labels.size), np.where(labels == ignore_index, 0, labels).reshape(-1)] = 1
    return targets * (1 - label_smoothing) + label_smoothing / classes if label_smoothing else targets


def _positions(labels: Array) -> tuple[int, ...]:
    """The shape of the losses."""
    return labels.shape[:-1] if _are_probabilities(labels) else labels.shape


def _reference(logits: Any, labels: Any, *, ignore_index: int, reduction: str, label_smoothing: float = 0.0) -> Any:
    values, classes = np.asarray(as_operand(labels)), logits.shape[-1]
    kept = _kept(values, ignore_index).reshape(_positions(values))
    scores = log_softmax(where(kept[..., None], logits, 0.0), axis=-1)
    if _are_probabilities(values):
        targets = add(multiply(labels, 1 - label_smoothing), label_smoothing / classes)
    else:
        targets = _targets(values, classes, ignore_index, label_smoothing, logits.dtype).reshape(logits.shape)
    losses = negative(sum(multiply(scores, targets), axis=-1))
    losses = multiply(losses, _weights(values, ignore_index, reduction, logits.dtype).reshape(kept.shape))
    return losses if reduction == "none" else sum(losses)


def _example(draw: Draw) -> Arguments:
    shape, classes = draw.shape(max_dims=2), draw.integer(1, 4)
    labels = draw.integers(shape, 0, classes - 1)
    ignore = draw.choice([-100, 0]) if labels.any() else -100
    metadata = {
        "ignore_index": ignore,
        "reduction": draw.choice(["mean", "sum", "none"] if labels.size else ["sum", "none"]),
        "label_smoothing": draw.choice([0.0, 0.25]),
    }
    targets = draw.choice([labels, draw.array((*shape, classes), UNIT) + 0.75])
    return Arguments([draw.array((*shape, classes), REAL), targets], metadata)


def _backward(g: Array, excess: Array, labels: Array) -> Array:
    """g * (softmax(logits) - labels), the labels as probabilities, divided by their number for a mean"""
    contribution = excess if (g == 1).all() else excess * g.reshape(-1, 1)
    return contribution.reshape(*_positions(np.asarray(labels)), excess.shape[-1])  # labels may be one number


def _forward_tangent(t: Array, excess: Array, labels: Array, *, reduction: str) -> Array:
    losses = (excess * t.reshape(excess.shape)).sum(axis=-1)
    return losses.reshape(_positions(np.asarray(labels))) if reduction == "none" else np.asarray(losses.sum())


def _surprise(logits: Array, label_smoothing: float) -> Array:
    """The slope of the loss in each given probability, -log softmax(logits), less what smoothing takes away."""
    return log_softmax(logits, axis=-1) * (label_smoothing - 1.0)


def _labels_backward(
    g: Array, logits: Array, labels: Array, *, ignore_index: int, reduction: str, label_smoothing: float
) -> Array:
    """-g * log_softmax(logits), divided by the number of positions for a mean"""
    scale = g.reshape(-1) * _weights(labels, ignore_index, reduction, g.dtype)
    return _surprise(logits, label_smoothing) * scale.reshape(*_positions(labels), 1)


def _labels_forward(
    t: Array, logits: Array, labels: Array, *, ignore_index: int, reduction: str, label_smoothing: float
) -> Array:
    losses = (_surprise(logits, label_smoothing) * t).sum(axis=-1)
    losses = losses * _weights(labels, ignore_index, reduction, t.dtype).reshape(losses.shape)
    return losses if reduction == "none" else np.asarray(losses.sum())


def _check(logits: Array, labels: Array, ignore_index: int, reduction: str, label_smoothing: float) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f'cross_entropy: reduction must be "mean", "sum" or "none", not {reduction!r}')
    fraction("cross_entropy", "label_smoothing", label_smoothing)
    if not isinstance(ignore_index, int | np.integer):
        raise TypeError(f"cross_entropy: ignore_index must be an integer, not {ignore_index!r}")
    if labels.dtype.kind not in "iuf":
        raise TypeError(f"cross_entropy: labels must be integers, or floats as probabilities, not {labels.dtype}")
    if _are_probabilities(labels) and labels.shape != logits.shape:
        raise ValueError(
            f"cross_entropy: probabilities must have the shape of the logits, {logits.shape}, not {labels.shape}; "
            "labels must be integers"
        )
    if not _are_probabilities(labels):
        _check_labels(logits, labels, ignore_index)
    if reduction == "mean" and not _kept(labels, ignore_index).any():
        raise ValueError(
            "cross_entropy: every label is ignored, so there is no mean; use reduction='sum' or drop the batch"
        )


def _check_labels(logits: Array, labels: Array, ignore_index: int) -> None:
    if logits.ndim < 1 or logits.shape[:-1] != labels.shape:
        raise ValueError(
            f"cross_entropy: logits {logits.shape} need labels of shape {logits.shape[:-1]}, not {labels.shape}"
        )
    wrong = (labels != ignore_index) & ((labels < 0) | (labels >= logits.shape[-1]))
    if wrong.any():
        position = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise IndexError(
            f"cross_entropy: label {labels[position]} at position {position} is not one of {logits.shape[-1]} classes"
        )


def _losses(
    scores: Array, labels: Array, weights: Array, excess: Array, ignore_index: int, label_smoothing: float
) -> Array:
    """The weighted losses of some rows; `excess` is filled.

    Shapes: scores and excess (rows, classes), labels (rows,) or (rows, classes), weights and result (rows,).
    """
    kept = _kept(labels, ignore_index)
    if not kept.all():
        scores = np.where(kept[:, None], scores, np.zeros((), scores.dtype))  # what is ignored is not read
    rows, top = np.arange(len(scores)), scores.argmax(axis=-1)
    scores = scores - scores[rows, top][:, None]
    np.exp(scores, out=excess)
    excess[rows, top] = 0  # the largest is 1; without it, a probability near 1 keeps the digits of its distance
    rest = excess.sum(axis=-1)
    excess[rows, top] = 1
    total = 1 + rest
    if _are_probabilities(labels) or label_smoothing:
        targets = _targets(labels, scores.shape[-1], ignore_index, label_smoothing, scores.dtype)
        losses = np.log1p(rest) * targets.sum(axis=-1) - (targets * np.where(targets == 0, 0, scores)).sum(axis=-1)
        excess *= (targets.sum(axis=-1) / total)[:, None]
        excess -= targets
        excess *= weights[:, None]
    else:
        chosen = np.where(kept, labels, 0)
        losses = np.log1p(rest) - scores[rows, chosen]
        excess[rows, chosen] = np.where(chosen == top, -rest, excess[rows, chosen] - total)
        excess *= (weights / total)[:, None]
    return losses * weights


@primitive(
    vjp=(_backward, _labels_backward),
    jvp=(_forward_tangent, _labels_forward),
    examples=_example,
    residuals=("excess",),
    reference=_reference,
    selects=True,
)
def cross_entropy(
    logits: Any, labels: Any, *, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0
) -> Any:
    """-log softmax(logits)[label], in nats, with the classes on the last axis; d = <softmax(logits) - target, dlogits>.

    Args:
        logits: shape (..., classes).
        labels: integers of shape (...), or probabilities of shape (..., classes).
        ignore_index: positions with this label have no loss and are not read, and the mean does not count them.
        reduction: "mean" or "sum", a result without axes; "none", a result of shape (...).
        label_smoothing: this part of each target is spread evenly over all classes (Szegedy et al. 2016).

    Raises ValueError for shapes that do not fit, and for the mean of nothing; IndexError for a label that is no class;
    TypeError for labels of another dtype.
    """
    labels = np.asarray(labels)
    _check(logits, labels, ignore_index, reduction, label_smoothing)
    positions = _positions(labels)
    count, classes = math.prod(positions), logits.shape[-1]
    scores = as_floating(logits).reshape(count, classes)
    targets = labels.reshape(count, *labels.shape[len(positions) :])
    weights = _weights(labels, ignore_index, reduction, scores.dtype)
    losses, excess = np.empty(count, scores.dtype), np.empty((count, classes), scores.dtype)
    rows = max(1, _BLOCK // max(1, classes))
    for start in range(0, count, rows):
        at = slice(start, start + rows)
        losses[at] = _losses(scores[at], targets[at], weights[at], excess[at], ignore_index, label_smoothing)
    excess.setflags(write=False)  # it may be handed out as the gradient, and asked for again
    return (losses.reshape(positions) if reduction == "none" else losses.sum()), excess

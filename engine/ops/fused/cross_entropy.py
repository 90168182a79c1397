"""cross_entropy: the surprise of the right answer, -log softmax(logits)[label].

Its gradient in the logits is the most beautiful of all: softmax(logits) - one_hot(label), the probability given
to each class minus what it should have been.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.arrays import Array
from engine.declare import primitive
from engine.examples import REAL, Arguments, Draw
from engine.operands import as_operand
from engine.ops.elementwise.activations import floating
from engine.ops.elementwise.arithmetic import multiply, negative
from engine.ops.fused.softmax import log_softmax
from engine.ops.indexing import getitem
from engine.ops.reductions import sum
from engine.ops.shapes import reshape

__all__ = ["cross_entropy"]


def _weights(labels: Array, ignore_index: int, reduction: str, dtype: Any) -> Array:
    """How much each position counts: 0 where ignored, else 1, or 1 / n for the mean."""
    counts = (labels.reshape(-1) != ignore_index).astype(dtype)
    return counts / counts.sum(dtype=dtype) if reduction == "mean" else counts


def _picked(labels: Array, ignore_index: int) -> Array:
    """The labels in a row, with class 0 standing in where ignored."""
    return np.where(labels == ignore_index, 0, labels).reshape(-1)


def _reference(logits: Any, labels: Any, *, ignore_index: int, reduction: str) -> Any:
    labels = np.asarray(as_operand(labels))
    scores = reshape(log_softmax(logits, axis=-1), shape=(labels.size, logits.shape[-1]))
    right = getitem(scores, (np.arange(labels.size), _picked(labels, ignore_index)))
    losses = multiply(negative(right), _weights(labels, ignore_index, reduction, logits.dtype))
    return reshape(losses, shape=labels.shape) if reduction == "none" else sum(losses)


def _example(draw: Draw) -> Arguments:
    shape, classes = draw.shape(max_dims=2), draw.integer(1, 4)
    labels = draw.integers(shape, 0, classes - 1)
    ignore = draw.choice([-100, 0]) if labels.any() else -100
    metadata = {
        "ignore_index": ignore,
        "reduction": draw.choice(["mean", "sum", "none"] if labels.size else ["sum", "none"]),
    }
    return Arguments([draw.array((*shape, classes), REAL), labels], metadata)


def _backward(g: Array, probabilities: Array, labels: Array, *, ignore_index: int, reduction: str) -> Array:
    scale = g.reshape(-1) * _weights(labels, ignore_index, reduction, g.dtype)
    result = probabilities * scale[:, None]
    result[np.arange(labels.size), _picked(labels, ignore_index)] -= scale
    return result.reshape(*labels.shape, probabilities.shape[-1])


def _forward_tangent(t: Array, probabilities: Array, labels: Array, *, ignore_index: int, reduction: str) -> Array:
    t = t.reshape(probabilities.shape)
    right = t[np.arange(labels.size), _picked(labels, ignore_index)]
    losses = ((probabilities * t).sum(axis=-1) - right) * _weights(labels, ignore_index, reduction, t.dtype)
    return losses.reshape(labels.shape) if reduction == "none" else np.asarray(losses.sum())


def _check(logits: Array, labels: Array, ignore_index: int, reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f'cross_entropy: reduction must be "mean", "sum" or "none", not {reduction!r}')
    if labels.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: labels must be integers, not {labels.dtype}")
    if logits.ndim < 1 or logits.shape[:-1] != labels.shape:
        raise ValueError(
            f"cross_entropy: logits {logits.shape} need labels of shape {logits.shape[:-1]}, not {labels.shape}"
        )
    kept = labels != ignore_index
    wrong = kept & ((labels < 0) | (labels >= logits.shape[-1]))
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise IndexError(
            f"cross_entropy: label {labels[where]} at position {where} is not one of {logits.shape[-1]} classes"
        )
    if reduction == "mean" and not kept.any():
        raise ValueError(
            "cross_entropy: every label is ignored, so there is no mean; use reduction='sum' or drop the batch"
        )


@primitive(
    vjp=(_backward, None),
    jvp=(_forward_tangent, None),
    examples=_example,
    residuals=("probabilities",),
    reference=_reference,
    selects=True,
)
def cross_entropy(logits: Any, labels: Any, *, ignore_index: int = -100, reduction: str = "mean") -> Any:
    """-log softmax(logits)[label], in nats, over the classes on the last axis.

    Shapes: logits (..., classes), labels (...) integers; result a scalar, or (...) with reduction "none".
    Positions labelled `ignore_index` count for nothing, also not in the mean.
    """
    labels = np.asarray(labels)
    _check(logits, labels, ignore_index, reduction)
    scores = floating(logits).reshape(labels.size, logits.shape[-1])
    scores = scores - scores.max(axis=-1, keepdims=True)
    right = scores[np.arange(labels.size), _picked(labels, ignore_index)]
    np.exp(scores, out=scores)
    total = scores.sum(axis=-1, keepdims=True)
    losses = np.log(total[:, 0]) - right
    losses *= _weights(labels, ignore_index, reduction, scores.dtype)
    scores /= total
    return (losses.reshape(labels.shape) if reduction == "none" else losses.sum()), scores

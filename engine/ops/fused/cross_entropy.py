"""cross_entropy: minus the logarithm of the probability given to the right class, -log softmax(logits)[label].

Its gradient in the logits is softmax(logits) - one_hot(label): the probability given to each class, minus the
probability it should have, 1 for the right class and 0 for the others.

Read next: `engine/ops/fused/layer_norm.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.arrays import Array
from engine.declare import primitive
from engine.examples import REAL, Arguments, Draw
from engine.operands import as_operand
from engine.ops.elementwise.activations import as_floating
from engine.ops.elementwise.arithmetic import multiply, negative
from engine.ops.fused.softmax import log_softmax
from engine.ops.indexing import getitem
from engine.ops.reductions import sum
from engine.ops.shapes import reshape

__all__ = ["cross_entropy"]


def _weights(labels: Array, ignore_index: int, reduction: str, dtype: Any) -> Array:
    """The weight of each position in the loss: 0 if ignored, else 1, or 1 / n for the mean of n."""
    counts = (labels.reshape(-1) != ignore_index).astype(dtype)
    return counts / counts.sum(dtype=dtype) if reduction == "mean" else counts


def _valid_labels(labels: Array, ignore_index: int) -> Array:
    """The labels, flattened, with class 0 in place of ignored ones."""
    return np.where(labels == ignore_index, 0, labels).reshape(-1)


def _reference(logits: Any, labels: Any, *, ignore_index: int, reduction: str) -> Any:
    labels = np.asarray(as_operand(labels))
    scores = reshape(log_softmax(logits, axis=-1), shape=(labels.size, logits.shape[-1]))
    label_scores = getitem(scores, (np.arange(labels.size), _valid_labels(labels, ignore_index)))
    losses = multiply(negative(label_scores), _weights(labels, ignore_index, reduction, logits.dtype))
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
    result[np.arange(labels.size), _valid_labels(labels, ignore_index)] -= scale
    return result.reshape(*labels.shape, probabilities.shape[-1])


def _forward_tangent(t: Array, probabilities: Array, labels: Array, *, ignore_index: int, reduction: str) -> Array:
    t = t.reshape(probabilities.shape)
    label_scores = t[np.arange(labels.size), _valid_labels(labels, ignore_index)]
    losses = ((probabilities * t).sum(axis=-1) - label_scores) * _weights(labels, ignore_index, reduction, t.dtype)
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
)
def cross_entropy(logits: Any, labels: Any, *, ignore_index: int = -100, reduction: str = "mean") -> Any:
    """-log softmax(logits)[label], in nats, with the classes on the last axis; d = <softmax - one_hot, d logits>.

    Shapes: logits (..., classes), labels (...) integers; result a scalar, or (...) with reduction "none".

    Args:
        ignore_index: positions with this label have loss 0 and are left out of the mean.
        reduction: "mean", "sum" or "none".

    Raises TypeError for labels that are no integers, IndexError for a label that is no class, ValueError for shapes
    that do not fit, another reduction, or the mean of ignored labels only.
    """
    labels = np.asarray(labels)
    _check(logits, labels, ignore_index, reduction)
    scores = as_floating(logits).reshape(labels.size, logits.shape[-1])
    scores = scores - scores.max(axis=-1, keepdims=True)
    label_scores = scores[np.arange(labels.size), _valid_labels(labels, ignore_index)]
    np.exp(scores, out=scores)
    total = scores.sum(axis=-1, keepdims=True)
    losses = np.log(total[:, 0]) - label_scores
    losses *= _weights(labels, ignore_index, reduction, scores.dtype)
    scores /= total
    return (losses.reshape(labels.shape) if reduction == "none" else losses.sum()), scores

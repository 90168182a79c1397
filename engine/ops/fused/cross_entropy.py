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
from engine.operands import as_operand, fraction, setting
from engine.ops.elementwise.activations import as_floating
from engine.ops.elementwise.arithmetic import add, multiply, negative
from engine.ops.elementwise.choices import where
from engine.ops.fused.softmax import log_softmax
from engine.ops.indexing import getitem
from engine.ops.reductions import mean, sum
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
    scores = log_softmax(where((labels == ignore_index)[..., None], 0.0, logits), axis=-1)
    scores = reshape(scores, shape=(labels.size, logits.shape[-1]))
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


def _backward(g: Array, excess: Array, labels: Array, *, ignore_index: int, reduction: str) -> Array:
    labels = np.asarray(labels)  # it may be one number
    scale = g.reshape(-1) * _weights(labels, ignore_index, reduction, g.dtype)
    return (excess * scale[:, None]).reshape(*labels.shape, excess.shape[-1])


def _forward_tangent(t: Array, excess: Array, labels: Array, *, ignore_index: int, reduction: str) -> Array:
    labels = np.asarray(labels)
    losses = (excess * t.reshape(excess.shape)).sum(axis=-1) * _weights(labels, ignore_index, reduction, t.dtype)
    return losses.reshape(labels.shape) if reduction == "none" else np.asarray(losses.sum())


def _check(logits: Array, labels: Array, ignore_index: int, reduction: str) -> None:
    if labels.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: labels must be integers, not {labels.dtype}")
    if not isinstance(ignore_index, int | np.integer):
        raise TypeError(f"cross_entropy: ignore_index must be an integer, not {ignore_index!r}")
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
    _check_reduction(reduction, kept)


def _check_reduction(reduction: str, kept: Array) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f'cross_entropy: reduction must be "mean", "sum" or "none", not {reduction!r}')
    if reduction == "mean" and not kept.any():
        raise ValueError(
            "cross_entropy: every label is ignored, so there is no mean; use reduction='sum' or drop the batch"
        )


@primitive(
    name="cross_entropy",
    vjp=(_backward, None),
    jvp=(_forward_tangent, None),
    examples=_example,
    residuals=("excess",),
    reference=_reference,
    selects=True,
)
def label_cross_entropy(logits: Any, labels: Any, *, ignore_index: int = -100, reduction: str = "mean") -> Any:
    """The op of `cross_entropy` for labels; `excess` is softmax(logits) - one_hot(label), for the rules.

    The largest exponential is 1 and is left out of the sum, so that a probability near 1 loses no digits of its
    logarithm, nor of its distance from 1.
    """
    labels = np.asarray(labels)
    _check(logits, labels, ignore_index, reduction)
    scores = as_floating(logits).reshape(labels.size, logits.shape[-1])
    ignored = labels.reshape(-1) == ignore_index
    if ignored.any():
        scores = np.where(ignored[:, None], np.zeros((), scores.dtype), scores)  # not read, whatever they are
    rows, chosen, top = np.arange(labels.size), _valid_labels(labels, ignore_index), scores.argmax(axis=-1)
    scores = scores - scores[rows, top][:, None]
    label_scores = scores[rows, chosen]
    excess = np.exp(scores, out=scores)
    excess[rows, top] = 0
    rest = excess.sum(axis=-1)
    losses = np.log1p(rest) - label_scores
    losses *= _weights(labels, ignore_index, reduction, scores.dtype)
    total = 1 + rest
    excess[rows, top] = 1
    excess[rows, chosen] = np.where(chosen == top, -rest, excess[rows, chosen] - total)
    excess /= total[:, None]
    return (losses.reshape(labels.shape) if reduction == "none" else losses.sum()), excess


def cross_entropy(
    logits: Any, labels: Any, *, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0
) -> Any:
    """-log softmax(logits)[label], in nats, with the classes on the last axis.

    Args:
        logits: shape (..., classes).
        labels: integers of shape (...), or probabilities of shape (..., classes).
        ignore_index: positions with this label have no loss and are not read, and the mean does not count them.
        reduction: "mean" or "sum", a result without axes; "none", a result of shape (...).
        label_smoothing: this part of each target is spread evenly over all classes (Szegedy et al. 2016).

    Raises ValueError for shapes that do not fit, and for the mean of nothing; IndexError for a label that is no class;
    TypeError for labels of another dtype.
    """
    reduction = setting("cross_entropy", "reduction", reduction)
    label_smoothing = fraction("cross_entropy", "label_smoothing", label_smoothing)
    kind = np.asarray(as_operand(labels)).dtype.kind
    if kind != "f" and not label_smoothing:
        return label_cross_entropy(logits, labels, ignore_index=ignore_index, reduction=reduction)
    if kind == "f":
        shape, given = np.shape(as_operand(logits)), np.shape(as_operand(labels))
        if shape != given:
            raise ValueError(f"cross_entropy: probabilities must have the shape of the logits, {shape}, not {given}")
        surprises = negative(log_softmax(logits, axis=-1))
        uncounted = (np.asarray(as_operand(labels)) == 0) & np.isinf(
            as_operand(surprises)
        )  # an infinite one that counts 0 is 0
        surprises = where(uncounted, 0.0, surprises) if uncounted.any() else surprises
        losses = sum(multiply(labels, surprises), axis=-1)
        kept = np.ones(given[:-1], bool)
    else:
        losses = label_cross_entropy(logits, labels, ignore_index=ignore_index, reduction="none")
        kept = np.asarray(as_operand(labels)) != ignore_index
    if label_smoothing:
        even = negative(mean(log_softmax(where(kept[..., None], logits, 0.0), axis=-1), axis=-1))
        losses = add(multiply(losses, 1 - label_smoothing), multiply(where(kept, even, 0.0), label_smoothing))
    return _reduced(losses, kept, reduction)


def _reduced(losses: Any, kept: Array, reduction: str) -> Any:
    """The losses, their sum, or their mean over the kept positions."""
    _check_reduction(reduction, kept)
    if reduction == "none":
        return losses
    return sum(losses) if reduction == "sum" else multiply(sum(losses), 1 / int(kept.sum()))

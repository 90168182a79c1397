"""Clipping: one factor for all gradients, so that a rare large one does not throw the parameters far away.

Read next: `nn/schedules.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from engine import Tensor
from engine.arrays import Array
from engine.tensor import wrap
from nn.settings import not_negative
from nn.trainable import described, tensors

_IN_RANGE = 1e-20  # smaller squares of float32 lose digits to underflow


def clip_grad_norm(parameters: Iterable[Tensor] | Tensor, max_norm: float) -> float:
    """Scale all gradients by one factor so that their joint 2-norm is at most `max_norm`; returns the norm before.

    Parameters without a gradient count 0. With `max_norm` infinite, it only measures.
    Raises FloatingPointError, before any gradient is scaled, if a gradient is infinite or nan.
    """
    if max_norm != math.inf:
        max_norm = not_negative("clip_grad_norm", "max_norm", max_norm)
    found = [(p, p.grad.array) for p in tensors("clip_grad_norm", parameters) if p.grad is not None]
    norm = joint_norm([g for _, g in found])
    if not math.isfinite(norm):
        bad = (f"the gradient of {described(p)}" for p, g in found if not np.isfinite(g).all())
        what = next(bad, "the norm of the gradients")
        raise FloatingPointError(f"clip_grad_norm: {what} is not finite; lower the learning rate")
    if norm > max_norm:
        for p, g in found:
            p.grad = wrap(_scaled(g, max_norm / norm), None)
    return norm


def joint_norm(arrays: Sequence[Array]) -> float:
    """The 2-norm of all values together, also where their squares leave the range of floats."""
    squared = sum(float(np.vdot(x, x)) for x in map(_wide, arrays))
    if _IN_RANGE < squared < math.inf:
        return math.sqrt(squared)
    largest = max([float(np.abs(x).max(initial=0.0)) for x in arrays], default=0.0)
    if not 0 < largest < math.inf:
        return largest
    scaled = (x.astype(np.float64) / largest for x in arrays)
    with np.errstate(under="ignore"):
        return largest * math.sqrt(sum(float(np.vdot(x, x)) for x in scaled))


def _scaled(g: Array, factor: float) -> Array:
    """g * factor, in the dtype of g; rounded once, also where g could not hold the factor."""
    return g * factor if g.itemsize > 2 and factor > _IN_RANGE else (g.astype(np.float64) * factor).astype(g.dtype)


def _wide(x: Array) -> Array:
    return x.astype(np.float32) if x.itemsize < 4 else x

"""linear: x W^T + b, the affine map, with the weight stored (out, in) as PyTorch does.

All leading axes are folded into one, so that the forward pass and both gradients are single 2-D products: a 3-d product
would loop over the batch, and an einsum is twenty times slower still.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.arrays import Array
from engine.declare import primitive
from engine.examples import REAL, Arguments, Draw
from engine.ops.elementwise.arithmetic import add
from engine.ops.linalg import matmul
from engine.ops.shapes import swapaxes
from engine.plan import Joint

__all__ = ["linear"]


def rows(x: Array) -> Array:
    """The array as a matrix of its last axis."""
    return x.reshape(-1, x.shape[-1]) if x.size else x.reshape(int(np.prod(x.shape[:-1])), x.shape[-1])


def _reference(x: Any, weight: Any, bias: Any = None) -> Any:
    product = matmul(x, swapaxes(weight, axis1=0, axis2=1))
    return product if bias is None else add(product, bias)


def _example(draw: Draw) -> Arguments:
    ins, outs = draw.integer(1, 3), draw.integer(0, 3)
    x = draw.array((*draw.choice([draw.shape(max_dims=2), (outs,)]), ins), REAL)
    bias = draw.choice([draw.array((outs,), REAL), None])
    return Arguments([x, draw.array((outs, ins), REAL), bias])


def _forward_tangent(tangents: Any, x: Any, weight: Any, bias: Any) -> Any:
    of_x, of_weight, of_bias = tangents
    pieces = [
        None if of_x is None else linear(of_x, weight),
        None if of_weight is None else linear(x, of_weight),
        None if of_bias is None else np.broadcast_to(of_bias, (*x.shape[:-1], weight.shape[0])),
    ]
    return sum(piece for piece in pieces if piece is not None)


@primitive(
    vjp=(
        lambda g, weight: (rows(g) @ weight).reshape(*g.shape[:-1], weight.shape[1]),
        lambda g, x: rows(g).T @ rows(x),
        lambda g: np.ones(rows(g).shape[0], g.dtype) @ rows(g),
    ),
    jvp=Joint(_forward_tangent),
    examples=_example,
    broadcasts=True,
    reference=_reference,
)
def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """Affine map of the last axis: x W^T + b.

    Shapes: x (..., in), weight (out, in), bias (out,) or None; result (..., out).
    """
    if x.ndim < 1 or weight.ndim != 2 or x.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"linear: x of shape {x.shape} does not fit weight of shape {weight.shape}, which is (out, in)"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"linear: bias of shape {bias.shape} does not fit weight of shape {weight.shape}, (out, in)")
    product = rows(x) @ weight.T
    if bias is not None:
        product += bias
    return product.reshape(*x.shape[:-1], weight.shape[0])

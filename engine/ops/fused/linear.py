"""linear: x W^T + b, the affine map, with a weight of shape (out, in) as in PyTorch.

With all leading axes of x flattened into one, and G the cotangent, the backward pass is

    dx = G W      dW = G^T x      db = G^T 1

so the forward pass and both gradients are single products of matrices. A product of 3-d arrays would loop over the
batch, and an einsum is twenty times slower than that.

Read next: `engine/ops/fused/gelu.py`.
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
from engine.plan import Joint, written

__all__ = ["linear"]


def rows(x: Array) -> Array:
    """The array as a matrix: all leading axes flattened into one."""
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
    t_x, t_weight, t_bias = tangents
    terms = [
        None if t_x is None else linear(t_x, weight),
        None if t_weight is None else linear(x, t_weight),
        None if t_bias is None else np.broadcast_to(t_bias, (*x.shape[:-1], weight.shape[0])),
    ]
    return sum(term for term in terms if term is not None)


@primitive(
    vjp=(
        written("g @ weight", lambda g, weight: matmul(rows(g), weight).reshape(*g.shape[:-1], weight.shape[1])),
        written("g.T @ x", lambda g, x: matmul(rows(g).T, rows(x))),
        written("the sum of g over all rows", lambda g: np.ones(rows(g).shape[0], g.dtype) @ rows(g)),
    ),
    jvp=Joint(_forward_tangent),
    examples=_example,
    broadcasts=True,
    reference=_reference,
    degree={"x, bias": 1, "weight, bias": 1},
)
def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """Affine map of the last axis: x W^T + b; d = dx W^T + x dW^T + db.

    Shapes: x (..., in), weight (out, in), bias (out,) or None; result (..., out). Raises ValueError for other shapes.
    """
    if x.ndim < 1 or weight.ndim != 2 or x.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"linear: x of shape {x.shape} does not fit weight of shape {weight.shape}, which is (out, in)"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"linear: bias of shape {bias.shape} does not fit weight of shape {weight.shape}, (out, in)")
    product = matmul(rows(x), weight.T)
    if bias is not None:
        product += bias
    return product.reshape(*x.shape[:-1], weight.shape[0])

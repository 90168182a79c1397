"""Products of matrices.

`matmul` follows NumPy: leading axes broadcast, and a 1-d argument is a row on the left, a column on the right. Its
rules add the missing axis of a 1-d argument, and the sweep sums over broadcast axes.

Read next: `engine/ops/einsum.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.declare import primitive
from engine.examples import REAL, Arguments, Draw
from engine.ops.shapes import expand_dims, reshape, swapaxes
from engine.plan import LINEAR

__all__ = ["matmul"]


def _matmul_example(draw: Draw) -> Arguments:
    n, k, m = (draw.integer(0, 3) for _ in range(3))
    batch_x, batch_y = draw.broadcastable(2)
    x_shape, y_shape = draw.choice(
        [((*batch_x, n, k), (*batch_y, k, m)), ((k,), (*batch_y, k, m)), ((*batch_x, n, k), (k,)), ((k,), (k,))]
    )
    return Arguments([draw.array(x_shape, REAL), draw.array(y_shape, REAL)])


def _as_matrices(g: Any, x_ndim: int, y_ndim: int) -> Any:
    """The cotangent as matrices: with the axes that are missing because x or y is 1-d."""
    if x_ndim == 1:
        g = expand_dims(g, axis=-1 if y_ndim == 1 else -2)
    return expand_dims(g, axis=-1) if y_ndim == 1 else g


def _matmul_left(g: Any, x_shape: Any, y: Any) -> Any:
    """g @ y.T"""
    g = _as_matrices(g, len(x_shape), y.ndim)
    product = matmul(g, expand_dims(y, axis=0) if y.ndim == 1 else swapaxes(y, axis1=-1, axis2=-2))
    return reshape(product, shape=(*product.shape[:-2], product.shape[-1])) if len(x_shape) == 1 else product


def _matmul_right(g: Any, x: Any, y_shape: Any) -> Any:
    """x.T @ g"""
    g = _as_matrices(g, x.ndim, len(y_shape))
    product = matmul(expand_dims(x, axis=-1) if x.ndim == 1 else swapaxes(x, axis1=-1, axis2=-2), g)
    if len(y_shape) > 1:
        return product
    return reshape(product, shape=product.shape[:-1])


@primitive(
    vjp=(_matmul_left, _matmul_right), jvp=LINEAR, examples=_matmul_example, broadcasts=True, degree={"x": 1, "y": 1}
)
def matmul(x: Any, y: Any) -> Any:
    """Matrix product over the last two axes; d(XY) = dX Y + X dY.

    Shapes: x (..., n, k), y (..., k, m), result (..., n, m); x may be (k,), y may be (k,). Raises ValueError for shapes
    that do not fit.
    """
    try:
        return np.matmul(x, y)
    except ValueError:  # NumPy's message is about its gufunc signature
        raise ValueError(f"matmul: shapes {np.shape(x)}, {np.shape(y)} do not fit") from None

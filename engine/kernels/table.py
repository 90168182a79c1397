"""Which functions have kernels. Importing this file imports Numba.

Read next: `engine/ops/__init__.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from engine.kernels import attention, gelu, layer_norm, matmul, products
from engine.kernels.adam import adam


class Kernels(NamedTuple):
    """The kernels of one op: of its function, and of its vjp rule.

    They have the parameters of the op's own functions, and return None for a call that they do not take. Where there is
    no kernel of a rule, the rule calls ops that have kernels.
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any] | None


KERNELS = {
    "gelu": Kernels(gelu.forward, gelu.backward),
    "layer_norm": Kernels(layer_norm.forward, layer_norm.backward),
}
if products.available:
    KERNELS["matmul"] = Kernels(matmul.forward, None)
    KERNELS["scaled_dot_product_attention"] = Kernels(attention.forward, attention.backward)

UPDATES: dict[str, Callable[..., bool]] = {"adam": adam}
"""Steps of optimizers by name; each says whether it was done."""

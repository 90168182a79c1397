"""A tensor-level reverse-mode autodiff engine on NumPy whose backward pass can be looked at.

Read in this order: `graph.py` (what is recorded), `tensor.py` (the handle), `primitive.py` (what an op is),
`ops/elementwise.py` (many of them), `sweeps.py` (the chain rule).
"""

from engine import tensor  # first: ops need the class, and the class needs ops only when called
from engine.graph import Node, enable_grad, no_grad, scope
from engine.ops import *  # noqa: F403 (every op, by its name)
from engine.ops import __all__ as _ops
from engine.tensor import Tensor, set_default_dtype

__all__ = ["Node", "Tensor", "enable_grad", "no_grad", "scope", "set_default_dtype", "tensor", *_ops]  # noqa: PLE0604

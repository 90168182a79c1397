"""A tensor-level reverse-mode autodiff engine on NumPy whose backward pass can be looked at.

Read in this order: `graph.py` (what is recorded), `tensor.py` (the handle), `primitive.py` (what an op is),
`ops/elementwise/` (many of them), `sweeps.py` (the chain rule).
"""

from engine.tensor import Tensor, set_default_dtype  # isort: skip (first: ops need the class when imported)
from engine import random
from engine.graph import Node, enable_grad, no_grad, scope
from engine.ops import *  # noqa: F403 (every op, by its name)
from engine.ops import __all__ as _ops

__all__ = ["Node", "Tensor", "enable_grad", "no_grad", "random", "scope", "set_default_dtype", *_ops]

"""A tensor-level reverse-mode autodiff engine on NumPy whose backward pass can be looked at.

Read in this order: `graph.py` and `recording.py` (what is recorded, and when), `tensor.py` (the handle),
`primitive.py` (what an op is), `ops/elementwise/arithmetic.py` (the smallest of them), `sweeps.py` (the chain rule),
`rules.py` (how it treats one node), `backward.py`, `transforms.py` (derivatives of functions).
"""

from engine.tensor import Tensor, set_default_dtype  # isort: skip (first: ops need the class when imported)
from engine import random
from engine.checkpoint import checkpoint
from engine.explain import explain
from engine.graph import Node
from engine.jacobians import hessian, jacobian
from engine.ops import *  # noqa: F403 (every op, by its name)
from engine.ops import __all__ as _ops
from engine.plan import LINEAR, Joint
from engine.primitive import Primitive, primitive
from engine.recording import detect_anomaly, enable_grad, keep_values, no_grad, scope
from engine.transforms import grad, hvp, jvp, value_and_grad, vjp

__all__ = [
    "LINEAR",
    "Joint",
    "Node",
    "Primitive",
    "Tensor",
    "checkpoint",
    "detect_anomaly",
    "enable_grad",
    "explain",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "keep_values",
    "no_grad",
    "primitive",
    "random",
    "scope",
    "set_default_dtype",
    "value_and_grad",
    "vjp",
    *_ops,
]

"""A tensor-level reverse-mode autodiff engine on NumPy whose backward pass can be looked at.

Read in this order: `graph.py` and `recording.py` (what is recorded, and when), `tensor.py` (the handle),
`primitive.py` (what an op is), `ops/elementwise/arithmetic.py` (the smallest of them), `sweeps.py` (the chain rule),
`rules.py` (how it treats one node), `backward.py`, `transforms.py` (derivatives of functions).
"""

from engine import backward, namespace, ops, random
from engine.arrays import set_default_dtype
from engine.checkpoint import checkpoint
from engine.declare import primitive
from engine.explain import explain
from engine.graph import Node
from engine.jacobians import hessian, jacobian
from engine.ops import *  # noqa: F403 (every op, by its name)
from engine.plan import LINEAR, Joint
from engine.primitive import Primitive
from engine.recording import detect_anomaly, enable_grad, keep_values, no_grad, scope
from engine.tensor import Tensor
from engine.transforms import grad, hvp, jvp, value_and_grad, vjp

vars(namespace.ops).update({name: getattr(ops, name) for name in ops.names}, backward=backward.backward)

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
    *ops.names,
]

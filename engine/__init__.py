"""A tensor-level reverse-mode autodiff engine on NumPy whose backward pass can be looked at.

Every file ends its docstring with the file to read next. The files that one `x * y` and its `backward()` run through
come first, up to `backward.py`: the graph, the tensor, the smallest ops, the primitive, the sweep. Then come the parts
behind them, the transforms, all other ops, and `engine.testing`.

Read next: `engine/graph.py`.
"""

from engine import backward, kernels, namespace, ops, random
from engine.arrays import set_default_dtype
from engine.checkpoint import checkpoint
from engine.declare import primitive
from engine.explain import explain
from engine.graph import Node
from engine.jacobians import hessian, jacobian
from engine.ops import *  # noqa: F403 (every op, by its name)
from engine.plan import LINEAR, Joint
from engine.primitive import Primitive
from engine.recording import detect_anomaly, enable_grad, keep_lines, keep_values, no_grad, scope
from engine.shortcuts import shortest
from engine.tensor import Tensor
from engine.transforms import grad, hvp, jvp, value_and_grad, vjp
from engine.tune import tune

vars(namespace.ops).update({name: shortest(getattr(ops, name)) for name in ops.names}, backward=backward.backward)

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
    "keep_lines",
    "keep_values",
    "kernels",
    "no_grad",
    "primitive",
    "random",
    "scope",
    "set_default_dtype",
    "tune",
    "value_and_grad",
    "vjp",
    *ops.names,
]

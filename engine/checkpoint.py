"""checkpoint: forget what a function computed on the way, and compute it again when the sweep comes by.

Memory for time: of a whole stack of layers only the inputs of each stay alive, at the price of a second forward pass.

The function runs once with recording on. Whatever it depends on, arguments or tensors it closes over such as the
parameters of a layer, is where its graph leads outside; one node that has those as parents takes the place of all of
it. Going backward, that node's rule runs the function again and sweeps the new graph. The second run must be the first
one's twin: random numbers are drawn from the same state, and a parameter assigned meanwhile, or another result, is an
error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NamedTuple

import numpy as np

from engine import ops, random, trees, versions
from engine.arrays import Array
from engine.graph import Node, next_serial, oldest_first, reachable
from engine.plan import Joint
from engine.primitive import Primitive
from engine.recording import changed, current
from engine.sweeps import reverse_sweep
from engine.tensor import Tensor, recorded


class _Replay(NamedTuple):
    """How to run the function again, and what must not have changed until then."""

    run: Callable[[], Tensor]
    serial: int
    values: tuple[Array, ...]
    out: Array
    random_state: Any
    scope: tuple[str, ...]
    ends: Sequence[Node]


def checkpoint(f: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """f with the same result and gradients, keeping nothing of its graph but its inputs.

    f returns one tensor, and is pure but for numbers drawn from `engine.random`. Under a forward transform it simply
    runs. Raises RuntimeError in the backward pass if f gives another result than before.
    """

    @wraps(f)
    def forgetful(*args: Any, **keywords: Any) -> Tensor:
        now = current()
        if not now.enabled or now.forward:
            return f(*args, **keywords)
        began = next_serial()
        state = random.generator().bit_generator.state
        out = f(*args, **keywords)
        if not isinstance(out, Tensor):
            raise TypeError(f"checkpoint: the function must return one Tensor, not {type(out).__name__}")
        if out.node is None or out.node.serial < began:
            return out
        inside = reachable(out.node, began)
        ends = oldest_first({p for n in inside for p in n.parents if p is not None and p.serial < began})
        replay = _Replay(
            lambda: f(*args, **keywords), began, _values(ends, (args, keywords)), out.array, state, now.scope, ends
        )
        plan = _replayed.plan(False, len(ends), (1 << len(ends)) - 1)
        return recorded(out.array, out.dtype, _replayed, ends, plan, (replay,), {"replay": replay}, now.scope)

    return forgetful


def _values(ends: Sequence[Node], arguments: Any) -> tuple[Array, ...]:
    """The arrays of the arguments and of every leaf among the ends: what may be assigned meanwhile."""
    found = [target for node in ends if (target := node.target) is not None]
    found += [one.value for one in trees.leaves(arguments) if isinstance(one.value, Tensor)]
    return tuple(tensor.array for tensor in found)


def _run_again(g: Any, *, replay: _Replay) -> list[Any]:
    """The contributions to the ends: those of the function's own graph, built anew."""
    if versions.last_assigned > replay.serial:
        versions.check("checkpoint", replay.serial, replay.values)
    began = next_serial()
    generator = random.generator().bit_generator
    state, generator.state = generator.state, replay.random_state
    try:
        with changed(enabled=True, scope=replay.scope):
            out = replay.run()
    finally:
        generator.state = state
    if out.shape != replay.out.shape or not np.allclose(out.array, replay.out, rtol=1e-3, atol=1e-6, equal_nan=True):
        raise RuntimeError("the function gave another result the second time; draw from engine.random, change no state")
    found: dict[Node, Any] = {}
    if out.node is not None:
        found = reverse_sweep(out.node, g, replay.ends, oldest=began, create_graph=isinstance(g, Tensor))
    nothing = ops.zeros if isinstance(g, Tensor) else np.zeros
    return [found[end] if end in found else nothing(end.shape, dtype=end.dtype) for end in replay.ends]


def _forward(*inputs: Any, replay: _Replay) -> Any:
    """A function to be run again by the backward pass."""
    raise NotImplementedError("the node is made by checkpoint, never by a call")


_forward.__name__ = "checkpoint"
_replayed = Primitive(_forward, vjp=Joint(_run_again))

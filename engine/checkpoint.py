"""checkpoint: drop the graph of a function after the forward pass, and record it again in the backward pass.

This saves memory and costs time: of a stack of layers only the input of each stays alive, and each runs twice.

The function runs once with recording on. Its graph ends at the nodes of the tensors it depends on: its arguments, and
tensors it closes over, such as the parameters of a layer. One node with those as parents replaces the whole graph. The
rule of that node runs the function again and sweeps the new graph. The second run must repeat the first: random numbers
are drawn from the same state, and a parameter that has been assigned since, or a different result, is an error.

Read next: `engine/values.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NamedTuple

import numpy as np

from engine import ops, random, trees, versions
from engine.arrays import Array
from engine.graph import Node, linked, next_serial, oldest_first, reachable
from engine.origins import origin
from engine.plan import Joint
from engine.primitive import Primitive
from engine.recording import changed, current
from engine.sweeps import reverse_sweep
from engine.tensor import Tensor, recorded


class _Replay(NamedTuple):
    """How to run the function again, and what must not have changed by then.

    Fields:
        run: calls the function with its arguments.
        serial: the serial number at which the first run began.
        values: the arrays that must not be assigned before the second run.
        out: the result of the first run.
        random_state: the state of the random generator before the first run.
        scope: the scope of the call.
        ends: the nodes where the function's graph ends.
    """

    run: Callable[[], Tensor]
    serial: int
    values: tuple[Array, ...]
    out: Array
    random_state: Any
    scope: tuple[str, ...]
    ends: Sequence[Node]


def checkpoint(f: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A function with the result and the gradients of f that keeps only the inputs of f's graph alive.

    f returns one tensor and has no state, except that it may draw numbers from `engine.random`. With recording off, or
    under a forward transform, f simply runs. Raises TypeError if f returns anything else, and RuntimeError in the
    backward pass if f gives another result than before.
    """

    @wraps(f)
    def checkpointed(*args: Any, **keywords: Any) -> Tensor:
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
        plan = _op.plan(False, len(ends), (1 << len(ends)) - 1)
        links, metadata = linked(ends), {"replay": replay}
        result = recorded(out.array, out.shape, out.dtype, plan, links, (replay,), metadata, now.scope)
        if now.lines and result.node is not None:
            result.node.note().origin = origin()
        return result

    return checkpointed


def _values(ends: Sequence[Node], arguments: Any) -> tuple[Array, ...]:
    """The arrays that may be assigned before the second run: of the arguments, and of every leaf among the ends."""
    found = [target for node in ends if (target := node.target) is not None]
    found += [leaf.value for leaf in trees.leaves(arguments) if isinstance(leaf.value, Tensor)]
    return tuple(tensor.array for tensor in found)


def _run_again(g: Any, *, replay: _Replay) -> list[Any]:
    """The vjp rule: runs the function again, and returns the gradients of its ends."""
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
    zeros = ops.zeros if isinstance(g, Tensor) else np.zeros
    return [found[end] if end in found else zeros(end.shape, dtype=end.dtype) for end in replay.ends]


def _forward(*inputs: Any, replay: _Replay) -> Any:
    """A function that the backward pass runs again."""
    raise NotImplementedError("the node is made by checkpoint, never by a call")


_op = Primitive(_forward, name="checkpoint", vjp=Joint(_run_again))

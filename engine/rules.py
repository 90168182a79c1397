"""How the rules of one node are run: on arrays, or on tensors that lead back into the graph.

An op's rules know nothing of broadcasting, of mixed dtypes, or of who asked. Here a contribution is summed back to the
shape of the argument it belongs to and cast to its dtype; for an op that does not broadcast, another shape is a mistake
in its rule and is said so.

Nor do they know of the law of the zero cotangent: a place whose value was not used sends no gradient, however steep
the op is there. In `where(x > 0, sqrt(x), x)` at 0 the root gets the cotangent 0, its slope is inf, and 0 * inf is nan.
Looking for that nan would cost a pass over every contribution; NumPy tells for nothing, by its `invalid` flag. So the
sweeps listen for it, and only when it rings is a pointwise op's contribution mended.

Recorded (`create_graph`): the same rules run on tensors. What the node saved becomes tensors again: its arguments with
the node's parents as their nodes, `out` with the node itself. So the derivative of the derivative finds its way.

Read next: `engine/backward.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine import ops, versions
from engine.graph import Node, freed, next_serial, reachable
from engine.operands import as_operand
from engine.plan import LINEAR, Call, Joint
from engine.tensor import Tensor, wrap


class Alarm:
    """Rings when NumPy meets an invalid operation (0 * inf, 0 / 0, the root of -1); its other warnings are silenced."""

    __slots__ = ("rang", "since")

    def __init__(self) -> None:
        self.rang = False
        self.since = next_serial()

    def __call__(self, *_: Any) -> None:
        self.rang = True

    def listening(self) -> np.errstate:
        """A context in which it is heard."""
        return np.errstate(all="ignore", invalid="call", call=self)


def mend(alarm: Alarm, node: Node, g: Any, contribution: Any) -> Any:
    """The contribution of a pointwise op, with 0 in place of a nan that a zero cotangent (or tangent) met."""
    suspect = node.notes is not None and node.notes.suspect
    assert node.primitive is not None
    if not (alarm.rang or suspect) or not node.primitive.pointwise or contribution.shape != g.shape:
        alarm.rang = False
        return contribution
    alarm.rang = False
    unasked = np.isnan(as_operand(contribution)) & (as_operand(g) == 0)
    if not unasked.any():
        return contribution
    if isinstance(contribution, Tensor) and contribution.node is not None:
        for made in reachable(contribution.node, since=alarm.since if g.node is None else g.node.serial):
            made.note().suspect = True  # the nan is saved now, and will ring no more
    return ops.where(unasked, 0.0, contribution)


def rule_failed(node: Node, kind: str, error: Exception) -> RuntimeError:
    """An error in a rule, naming the op and where it was used."""
    return RuntimeError(f"{node.op}: its {kind} rule failed{node.place}: {error}")


def calls_together(node: Node, g: Any, saved: tuple[Any, ...]) -> list[Call]:
    """A joint rule run at once, as one call for each argument that returns what is already known."""
    assert node.plan is not None
    ((_, run),) = node.plan.pulls
    together = run(g, saved)
    if len(together) != len(node.plan.wanted):
        raise ValueError(f"it sent {len(together)} contributions for {len(node.plan.wanted)} arguments")
    return [known(k, together[k]) for k, wanted in enumerate(node.plan.wanted) if wanted]


def known(argument: int, contribution: Any) -> Call:
    """A call whose contribution has been computed."""
    return argument, lambda g, saved: contribution


def push(node: Node, incoming: Sequence[Any], create_graph: bool, alarm: Alarm) -> Any:
    """Run the jvp rules: the tangent of the output, given those of the arguments (None for zero); None for zero."""
    assert node.primitive is not None
    calls = pushes(node)
    saved = saved_values(node, create_graph)
    if all(t is None for t in incoming):
        return None
    jointly = isinstance(node.primitive.jvp, Joint)
    pieces = []
    try:
        for argument, run in calls:
            t = incoming if jointly else incoming[argument]
            if t is None:
                continue
            piece = _linear(node, argument, t, saved) if run is LINEAR else run(t, saved)
            pieces.append(piece if jointly else mend(alarm, node, t, piece))
        total = None
        for piece in pieces:
            total = piece if total is None else total + piece
        if total is None:
            return None
        if total.shape != node.shape:
            total = ops.broadcast_to(total, shape=node.shape)
        return total if total.dtype == node.dtype else ops.astype(total, dtype=node.dtype)
    except Exception as error:
        raise rule_failed(node, "jvp", error) from error


def pushes(node: Node) -> Sequence[Call]:
    """The jvp rules of a node. RuntimeError if it was not recorded for a forward sweep, or its op has none."""
    assert node.primitive is not None
    assert node.plan is not None
    if node.primitive.jvp is None:
        raise RuntimeError(f"{node.op}: it has no jvp rule, so no tangent can pass{node.place}; give it one")
    if node.plan.pushes is None:
        raise RuntimeError(
            f"{node.op}: recorded where no forward sweep was announced, such as another thread{node.place}"
        )
    return node.plan.pushes


def saved_values(node: Node, create_graph: bool) -> tuple[Any, ...]:
    """What a node saved, checked to be as it was saved; as tensors that lead back into the graph if `create_graph`."""
    saved = node.saved
    if saved is None:
        raise freed(node)
    if versions.last_assigned > node.serial:
        versions.check(node.op, node.serial, saved)
    return _as_tensors(node, saved) if create_graph else saved


def _as_tensors(node: Node, saved: tuple[Any, ...]) -> tuple[Any, ...]:
    """Arguments lead to the parents, `out` to the node itself; residuals and shapes stay what they are."""
    assert node.plan is not None
    owners: list[Any] = [node.parents, node] if node.plan.signature.variadic else [*node.parents, node]

    def lead_back(value: Any, owner: Any) -> Any:
        if isinstance(value, tuple):  # all arguments of a variadic op
            return tuple(map(lead_back, value, owner))
        return value if owner is None else wrap(value, owner)

    pairs = zip(node.plan.keep, saved, strict=True)
    return tuple(lead_back(value, owners[slot]) if slot < len(owners) else value for slot, value in pairs)


def fit(node: Node, argument: int, contribution: Any, parent: Node) -> Any:
    """Undo broadcasting and promotion; for any other op a wrong shape or dtype is a mistake in its rule."""
    assert node.primitive is not None
    if node.primitive.broadcasts:
        if contribution.shape != parent.shape:
            contribution = ops.sum_to(contribution, shape=parent.shape)
        if contribution.dtype != parent.dtype:
            contribution = ops.astype(contribution, dtype=parent.dtype)
    if contribution.shape != parent.shape or contribution.dtype != parent.dtype:
        raise ValueError(
            f"it sent shape {contribution.shape}, {contribution.dtype}, "
            f"to argument {argument} of shape {parent.shape}, {parent.dtype}"
        )
    return contribution


def _linear(node: Node, argument: int, t: Any, saved: tuple[Any, ...]) -> Any:
    """The op itself, with the tangent in place of the argument it belongs to."""
    assert node.primitive is not None
    assert node.plan is not None
    others = node.plan.others(argument, saved)
    return node.primitive(*others[:argument], t, *others[argument:], **node.metadata)


def apply_hooks(node: Node, g: Any) -> Any:
    """The gradient after the user's hooks saw it; each may return another of the same shape, or None to leave it."""
    assert node.notes is not None
    for hook in list(node.notes.hooks.values()):
        returned = hook(g if isinstance(g, Tensor) else wrap(np.asarray(g), None))
        if returned is None:
            continue
        if not isinstance(returned, Tensor):
            raise TypeError(f"{node.op}: a gradient hook must return a Tensor or None, not {type(returned).__name__}")
        if returned.shape != node.shape:
            raise ValueError(f"{node.op}: a gradient hook returned shape {returned.shape} for a gradient {node.shape}")
        if returned.dtype != node.dtype:
            returned = ops.astype(returned, dtype=node.dtype)
        g = returned if isinstance(g, Tensor) else returned.array
    return g

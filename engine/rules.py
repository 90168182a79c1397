"""How the rules of one node are run: on arrays, or on tensors that lead back into the graph.

An op's rules know nothing of broadcasting, of mixed dtypes, or of the sweep. Here a contribution is summed back to the
shape of the argument it belongs to and cast to its dtype. For an op that does not broadcast, another shape is a mistake
in its rule, and an error says so.

Recorded (`create_graph`): the same rules run on tensors. What the node saved becomes tensors again: its arguments with
the node's parents as their nodes, `out` with the node itself. So the derivative can be differentiated in them.

Read next: `engine/zero_cotangent.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from engine import ops, versions
from engine.graph import Node, freed
from engine.half import HALF
from engine.plan import LINEAR, BoundRule, Joint
from engine.primitive import Primitive
from engine.recording import changed
from engine.tensor import Tensor, wrap
from engine.zero_cotangent import Alarm


def rule_failed(node: Node, kind: str, error: Exception) -> RuntimeError:
    """An error in a rule, naming the op and where it was used."""
    return RuntimeError(f"{node.op}: its {kind} rule failed{node.place}: {error}")


def separated(node: Node, g: Any, saved: tuple[Any, ...], alarm: Alarm) -> list[BoundRule]:
    """A joint vjp rule, run once, as one rule for each argument that returns the contribution already computed."""
    assert node.plan is not None
    ((_, run),) = node.plan.pulls
    contributions = run(g, saved)
    if alarm.rang:
        contributions = alarm.mended(node, run, g, saved, contributions)
    if len(contributions) != len(node.plan.wanted):
        raise ValueError(f"it sent {len(contributions)} contributions for {len(node.plan.wanted)} arguments")
    return [returning(k, contributions[k]) for k, wanted in enumerate(node.plan.wanted) if wanted]


def returning(argument: int, contribution: Any) -> BoundRule:
    """A rule for an argument whose contribution has been computed already."""
    return argument, lambda g, saved: contribution


def push(node: Node, incoming: Sequence[Any], create_graph: bool, alarm: Alarm) -> Any:
    """Run the jvp rules: the tangent of the output, given those of the arguments (None for zero); None for zero."""
    assert node.primitive is not None
    rules = pushes(node)
    saved = saved_values(node, create_graph)
    if all(t is None for t in incoming):
        return None
    jointly = isinstance(node.primitive.jvp, Joint)
    terms = []
    try:
        for argument, run in rules:
            t = incoming if jointly else incoming[argument]
            if t is None:
                continue
            if run is LINEAR:
                run = partial(_linear, node, argument)
            term = run(t, saved)
            if alarm.rang and not jointly:
                term = alarm.mended(node, run, t, saved, term)
            terms.append(term)
        total = None
        for term in terms:
            total = term if total is None else total + term
        if total is None:
            return None
        if total.shape != node.shape:
            total = ops.broadcast_to(total, shape=node.shape)
        return total if total.dtype == node.dtype else ops.astype(total, dtype=node.dtype)
    except Exception as error:
        raise rule_failed(node, "jvp", error) from error


def pushes(node: Node) -> Sequence[BoundRule]:
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
    """What a node saved, checked to be unchanged; as tensors that lead back into the graph if `create_graph`.

    Raises RuntimeError if the node was freed, or a saved value has been assigned since.
    """
    saved = node.saved
    if saved is None:
        raise freed(node)
    if versions.last_assigned > node.serial:
        versions.check(node.op, node.serial, saved)
    return _as_tensors(node, saved) if create_graph else saved


def _as_tensors(node: Node, saved: tuple[Any, ...]) -> tuple[Any, ...]:
    """Saved values as tensors of the nodes they belong to; residuals, shapes and metadata stay what they are."""
    assert node.plan is not None

    def lead_back(value: Any, owner: Any) -> Any:
        if isinstance(owner, tuple):  # all arguments of a variadic op
            return tuple(map(lead_back, value, owner))
        return value if owner is None else wrap(value, owner)

    return tuple(map(lead_back, saved, node.plan.owners(node.parents, node)))


def fit(node: Node, argument: int, contribution: Any, parent: Node) -> Any:
    """Undo broadcasting and promotion; for any other op a wrong shape or dtype is a mistake in its rule.

    Raises ValueError for such a mistake.
    """
    assert node.primitive is not None
    assert node.plan is not None
    if node.primitive.broadcasts and contribution.shape != parent.shape:
        contribution = ops.sum_to(contribution, shape=parent.shape)
    if contribution.dtype != parent.dtype and (node.primitive.broadcasts or parent.dtype == HALF):
        contribution = ops.astype(contribution, dtype=parent.dtype)
    if contribution.shape != parent.shape or contribution.dtype != parent.dtype:
        raise ValueError(
            f"it sent shape {contribution.shape}, {contribution.dtype}, "
            f"to argument {argument} of shape {parent.shape}, {parent.dtype}"
        )
    return contribution


def _linear(node: Node, argument: int, t: Any, saved: tuple[Any, ...]) -> Any:
    """The op itself, with the tangent in place of the argument it belongs to."""
    assert isinstance(node.primitive, Primitive)
    assert node.plan is not None
    others = node.plan.others(argument, saved)
    return node.primitive(*others[:argument], t, *others[argument:], **node.metadata)


def apply_hooks(node: Node, g: Any) -> Any:
    """The gradient after the user's hooks; each may return another of the same shape, or None to leave it as it is."""
    assert node.notes is not None
    with changed(enabled=isinstance(g, Tensor)):
        for hook in list(node.notes.hooks.values()):
            returned = hook(g if isinstance(g, Tensor) else wrap(np.asarray(g), None))
            if returned is None:
                continue
            if not isinstance(returned, Tensor):
                raise TypeError(f"{node.op}: a gradient hook must return a Tensor or None, not {_kind(returned)}")
            if returned.shape != node.shape:
                raise ValueError(
                    f"{node.op}: a gradient hook returned shape {returned.shape} for a gradient {node.shape}"
                )
            if returned.dtype != node.dtype:
                returned = ops.astype(returned, dtype=node.dtype)
            g = returned if isinstance(g, Tensor) else returned.array
    return g


def _kind(value: Any) -> str:
    return type(value).__name__

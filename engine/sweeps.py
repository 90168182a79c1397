"""The sweeps: the chain rule, walked over the recorded graph.

Reverse: the sweep starts with a cotangent at the root. The youngest node with a cotangent has received all its
contributions, because every node that uses it is younger and done. So take that node, let each of its rules turn the
cotangent into the contribution to one argument, add the contribution to what the parent has collected, and go on:

    pending, by age        take node 5, run its rules      add to the parents
    {5}                    5 -> 3, 5 -> 4                  {3, 4}
    {3, 4}                 4 -> 3                          {3}          3 now has both its contributions

The invariant (the law of conservation): the contributions into a node add up to its gradient. A function given
as `observe` is called with every contribution; `viz` is built on that.

Forward: the inputs are given tangents, and every node, oldest first, turns those of its arguments into its own.

There is no recursion, so a chain of a million nodes is no problem. NumPy's warnings are silenced in a sweep: at a
singular point an infinite derivative is the answer, and `detect_anomaly` is what finds a nan.

Read next: `engine/rules.py`, how the rules of one node are run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from heapq import heappop, heappush
from typing import Any

from engine import ops, versions
from engine.anomaly import inspect_contribution
from engine.graph import NO_METADATA, Node, between
from engine.half import HALF, narrowed, widened
from engine.plan import BoundRule
from engine.recording import changed, current, stack
from engine.rules import apply_hooks, fit, push, pushes, returning, rule_failed, saved_values, separated
from engine.tensor import Tensor
from engine.zero_cotangent import Alarm

Observer = Callable[[Node, int, Node, Any], None]


def reverse_sweep(
    root: Node,
    gradient: Any,
    inputs: Collection[Node] | None = None,
    *,
    oldest: int = 0,
    create_graph: bool = False,
    retain_graph: bool = False,
    observe: Observer | None = None,
) -> dict[Node, Any]:
    """The gradients of `inputs`; if None, of every node that leads to `root` and whose tensor awaits its gradient.

    Args:
        root: the node of the output.
        gradient: its cotangent; an array, or a tensor when `create_graph`.
        inputs: the sweep visits only nodes between them and the root. Those that do not lead to the root are missing
            in the result.
        oldest: with `inputs`, the sweep visits no node with a smaller serial number.
        create_graph: run the rules on tensors, so that the results can be differentiated.
        retain_graph: keep what the nodes saved.
        observe: called once per edge with (node, argument number, parent, contribution).
    """
    allowed = None if inputs is None else set(between(root, inputs, oldest))
    now = stack.get()
    anomaly = not now.plain and current().anomaly
    watched = anomaly or observe is not None
    retain = retain_graph or create_graph
    results: dict[Node, Any] = {}
    pending: list[tuple[int, Node]] = []  # nodes that a contribution has reached: a heap, the youngest first
    collected: dict[Node, Any] = {}  # what each of them has received
    node: Node | None = root
    g = gradient if gradient.dtype == root.dtype else gradient.astype(root.dtype)
    alarm = Alarm()
    with alarm.listening():
        while node is not None:
            ahead, sent = None, None  # the first parent reached: nearly always the next node, so it skips the heap
            notes, plan = node.notes, node.plan
            if node.dtype is HALF:
                g = narrowed(g)
            if inputs is not None and node.serial < oldest:  # made before: its hooks and parents are for an outer sweep
                results[node], plan = g, None
            elif notes is not None or inputs is not None:  # else nobody asks for its gradient
                if notes is not None and notes.hooks:
                    g = apply_hooks(node, g)
                if node in inputs if inputs is not None else notes is not None and notes.target is not None:
                    results[node] = g
            if plan is not None:
                saved: tuple[Any, ...] | None = node.saved
                rules: Sequence[BoundRule] = plan.pulls
                if saved is None or create_graph or not plan.direct or versions.last_assigned > node.serial:
                    saved, rules = prepared(node, g, alarm, create_graph)
                links: Any = node.links
                for argument, run in rules:
                    parent = links if plan.single else links[argument]
                    if allowed is not None and parent not in allowed:
                        continue
                    try:
                        contribution = run(g, saved)
                        if alarm.rang:
                            contribution = alarm.mended(node, run, g, saved, contribution)
                        if contribution.shape != parent.shape or contribution.dtype is not parent.dtype:
                            contribution = fit(node, argument, contribution, parent)
                    except Exception as error:
                        raise rule_failed(node, "vjp", error) from error
                    if watched:
                        if anomaly:
                            inspect_contribution(node, argument, g, contribution)
                        if observe is not None:
                            observe(node, argument, parent, contribution)
                    if parent is ahead:
                        sent = _added(sent, contribution)
                    elif parent in collected:
                        collected[parent] = _added(collected[parent], contribution)
                    elif ahead is None:
                        ahead, sent = parent, contribution
                    else:
                        collected[parent] = contribution
                        heappush(pending, (-parent.serial, parent))
                if not retain:  # free what it saved: no sweep can pass this node again
                    node.saved, node.links, node.metadata = None, (), NO_METADATA
            if pending and (ahead is None or -pending[0][0] > ahead.serial):  # one that waits is younger
                if ahead is not None:
                    collected[ahead] = sent
                    heappush(pending, (-ahead.serial, ahead))
                node = heappop(pending)[1]
                g = collected.pop(node)
            else:
                node, g = ahead, sent
    return results


def _added(before: Any, contribution: Any) -> Any:
    """The sum of two contributions; in half precision in float32, and rounded when all have arrived."""
    return (widened(before) if contribution.dtype is HALF else before) + contribution


def prepared(node: Node, g: Any, alarm: Alarm, create_graph: bool) -> tuple[tuple[Any, ...], Sequence[BoundRule]]:
    """The saved values and the vjp rules of a node that needs more than its plan: checks, tensors, a joint rule."""
    saved = saved_values(node, create_graph)
    assert node.plan is not None
    alarm.passes(node, saved)
    try:
        if create_graph and _is_fused(node):
            return saved, _rules_through_reference(node, g, alarm)
        return saved, separated(node, g, saved, alarm) if node.plan.joint else node.plan.pulls
    except Exception as error:
        raise rule_failed(node, "vjp", error) from error


def forward_sweep(nodes: Sequence[Node], tangents: dict[Node, Any], *, create_graph: bool = False) -> dict[Node, Any]:
    """Push tangents through `nodes`, oldest first; adds each node's to `tangents` and returns that.

    Args:
        nodes: all that lie between the nodes that have a tangent and those whose tangent is wanted.
        tangents: of the inputs; arrays, or tensors when `create_graph`.
        create_graph: run the rules on tensors, so that the results can be differentiated.
    """
    alarm = Alarm()
    with alarm.listening():
        for node in nodes:
            if node.plan is not None and node not in tangents:
                incoming = [None if parent is None else tangents.get(parent) for parent in node.parents]
                run = _push_through_reference if create_graph and _is_fused(node) else push
                total = run(node, incoming, create_graph, alarm)
                if total is not None:
                    tangents[node] = total
    return tangents


# ---- fused ops in recorded sweeps: their rules are plain NumPy, so the sweep differentiates the reference ------------


def _is_fused(node: Node) -> bool:
    return node.primitive is not None and node.primitive.reference is not None


def _rerun(node: Node, g: Any, forward: bool, alarm: Alarm) -> tuple[Tensor, dict[int, Node]]:
    """The result of the reference on copies of a node's arguments, and the nodes of those copies by position."""
    assert node.primitive is not None
    assert node.primitive.reference is not None
    assert node.plan is not None
    values = alarm.usable(node, g, node.plan.arguments(saved_values(node, create_graph=True)))
    with changed(forward=forward):
        values = widened(values) if node.plan.half else values
        inputs = [ops.alias(value) if isinstance(value, Tensor) else value for value in values]
        out = node.primitive.reference(*inputs, **node.metadata)
    return out, {k: x.node for k, x in enumerate(inputs) if isinstance(x, Tensor) and x.node is not None}


def _rules_through_reference(node: Node, g: Any, alarm: Alarm) -> list[BoundRule]:
    out, ends = _rerun(node, g, current().forward, alarm)
    g = g if g.dtype == out.dtype else g.astype(out.dtype)
    found = {} if out.node is None else reverse_sweep(out.node, g, ends.values(), create_graph=True)
    return [returning(k, found.get(end, ops.zeros(end.shape, dtype=end.dtype))) for k, end in ends.items()]


def _push_through_reference(node: Node, incoming: Sequence[Any], create_graph: bool, alarm: Alarm) -> Any:
    pushes(node)  # raises if it has none
    out, ends = _rerun(node, None, True, alarm)
    if out.node is None:
        return None
    tangents = {end: incoming[k] for k, end in ends.items() if incoming[k] is not None}
    if node.plan is not None and node.plan.half:
        tangents = {end: widened(t) for end, t in tangents.items()}
    total = forward_sweep(between(out.node, tangents), tangents, create_graph=create_graph).get(out.node)
    return total if total is None or total.dtype == node.dtype else total.astype(node.dtype)

"""The sweeps: the chain rule, walked over the recorded graph.

Reverse: a cotangent enters at the root. The youngest node that has received a cotangent has received all of it, because
everything it feeds is younger and done; so take it, let each of its rules turn the cotangent into one contribution per
argument, add each contribution to what the parent has collected, and go on:

    pending, by age        take node 5, run its rules      add to the parents
    {5}                    5 -> 3, 5 -> 4                  {3, 4}
    {3, 4}                 4 -> 3                          {3}          3 now has both its contributions

The invariant (the law of conservation): the contributions into a node add up to its gradient. A watcher given
as `observe` sees every single one of them pass; `viz` is made of that.

On the way the sweep undoes broadcasting, checks that each contribution has its parent's shape and dtype, and
frees what a node saved as soon as it has been used. There is no recursion: a chain of a million nodes is as
good as one of ten.

Read next: `engine/testing/laws.py`, what every rule must obey.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from engine import ops, versions
from engine.graph import Node, enable_grad, no_grad
from engine.plan import LINEAR, Call
from engine.tensor import Tensor, wrap

Observer = Callable[[Node, int, Node, Any], None]


def reverse_sweep(
    root: Node,
    gradient: Any,
    *,
    until: Collection[Node] = (),
    create_graph: bool = False,
    retain_graph: bool = False,
    observe: Observer | None = None,
) -> dict[Node, Any]:
    """Gradients of every leaf below `root`, of nodes that retain theirs, and of those in `until`, where the sweep ends.

    Args:
        root: where to begin.
        gradient: its cotangent; an array, or a tensor when `create_graph`.
        until: nodes whose gradient is wanted; what lies behind them is not visited.
        create_graph: run the rules on tensors, so that the results can be differentiated.
        retain_graph: do not free what the nodes saved.
        observe: called once per edge with (node, argument number, parent, contribution).
    """
    collected: dict[Node, Any] = {root: gradient}
    results: dict[Node, Any] = {}
    pending = [(-root.serial, root)]
    while pending:
        _, node = heappop(pending)
        g = collected.pop(node)
        if node.target is not None or node.primitive is None or node in until:
            results[node] = g
        if node.primitive is None or node in until:
            continue
        for argument, contribution in contributions(node, g, create_graph):
            parent: Any = node.parents[argument]
            if contribution.shape != parent.shape or contribution.dtype is not parent.dtype:
                contribution = _fit(node, argument, contribution, parent)
            if observe is not None:
                observe(node, argument, parent, contribution)
            if parent in collected:
                collected[parent] = collected[parent] + contribution
            else:
                collected[parent] = contribution
                heappush(pending, (-parent.serial, parent))
        if not (retain_graph or create_graph):
            node.free()
    return results


def contributions(node: Node, g: Any, create_graph: bool = False) -> list[tuple[int, Any]]:
    """Run the rules of one node: pairs of argument number and the contribution sent to it."""
    primitive, plan, saved = node.primitive, node.plan, node.saved
    assert primitive is not None
    assert plan is not None
    if saved is None:
        raise RuntimeError(
            f"{node.op}: its graph was freed by an earlier backward; call that one with retain_graph=True, "
            "or compute the loss again"
        )
    if versions.last_assigned > node.serial:
        versions.check(node)
    if create_graph:
        if primitive.reference is not None:
            return _through_reference(node, g)
        saved = _as_tensors(node)
    sent = []
    try:
        for call in plan.calls:
            contribution = run_rule(call, g, saved, node)
            if call.argument is not None:
                sent.append((call.argument, contribution))
            else:  # a joint rule: one contribution per argument
                sent += [(k, c) for k, c in enumerate(contribution) if plan.wanted[k]]
    except Exception as error:
        raise RuntimeError(f"{node.op}: its rule failed{_place(node)}: {error}") from error
    return sent


def run_rule(call: Call, first: Any, saved: Sequence[Any], node: Node) -> Any:
    """Call one rule with the cotangent (or tangent) and the values it named."""
    argument, rule, values, keywords = call
    if not keywords:
        return rule(first, *[saved[index] for index in values])
    known = {**node.metadata, "wanted": node.plan and node.plan.wanted, "position": argument}
    return rule(first, *[saved[index] for index in values], **{name: known[name] for name in keywords})


def backward(tensor: Tensor, gradient: Any, *, retain_graph: bool, create_graph: bool) -> None:
    """`Tensor.backward`: sweep, then add each gradient to the `.grad` of its tensor."""
    node = tensor.node
    if node is None:
        raise RuntimeError("backward: no graph leads here: no input requires a gradient, or it was made under no_grad")
    seed = seed_for(tensor, gradient, "backward")
    with enable_grad() if create_graph else no_grad():
        results = reverse_sweep(
            node, seed if create_graph else seed.array, create_graph=create_graph, retain_graph=retain_graph
        )
        for reached, g in results.items():  # only now, so that an error above leaves no .grad half updated
            target = reached.target() if reached.target is not None else None
            if target is None:
                continue
            if target.grad is not None:
                g = g + (target.grad if create_graph else target.grad.array)
            target.grad = g if isinstance(g, Tensor) else wrap(np.array(g), None)  # a copy: g may be shared


def gradients(output: Tensor, inputs: Sequence[Tensor], gradient: Any = None) -> list[Any]:
    """The gradient of `output` in each input as an array, without touching any `.grad`; zeros where none arrives."""
    if output.node is None:
        raise RuntimeError("gradients: no graph leads here: no input requires a gradient, or it was made under no_grad")
    with no_grad():
        found = reverse_sweep(output.node, seed_for(output, gradient, "gradients").array)
    return [np.zeros_like(x.array) if x.node not in found else found[x.node] for x in inputs]


def seed_for(tensor: Tensor, gradient: Any, who: str) -> Tensor:
    """The cotangent a sweep starts with: the given one, checked, or 1 for a tensor of one element."""
    if gradient is None:
        if tensor.size != 1:
            raise RuntimeError(
                f"{who}: a tensor of shape {tensor.shape} is no loss; give it a gradient, or reduce it to one number"
            )
        return wrap(np.ones_like(tensor.array), None)
    if not isinstance(gradient, Tensor):
        gradient = Tensor(gradient, dtype=tensor.dtype)
    if gradient.shape != tensor.shape:
        raise ValueError(f"{who}: gradient of shape {gradient.shape} given for a tensor of shape {tensor.shape}")
    return gradient if gradient.dtype == tensor.dtype else ops.astype(gradient, dtype=tensor.dtype)


def _fit(node: Node, argument: int, contribution: Any, parent: Node) -> Any:
    """Undo broadcasting and promotion; for any other op a wrong shape or dtype is a mistake in its rule."""
    assert node.primitive is not None
    if node.primitive.broadcasts:
        if contribution.shape != parent.shape:
            contribution = ops.sum_to(contribution, shape=parent.shape)
        if contribution.dtype != parent.dtype:
            contribution = ops.astype(contribution, dtype=parent.dtype)
    if contribution.shape != parent.shape or contribution.dtype != parent.dtype:
        raise RuntimeError(
            f"{node.op}: the rule for argument {argument} sent shape {contribution.shape}, {contribution.dtype}, "
            f"to an argument of shape {parent.shape}, {parent.dtype}{_place(node)}"
        )
    return contribution


def _place(node: Node) -> str:
    return f" (in {'.'.join(node.scope)})" if node.scope else ""


def _as_tensors(node: Node) -> tuple[Any, ...]:
    """What the node saved, as tensors that lead back into the graph: its arguments to its parents, `out` to itself."""
    assert node.plan is not None
    assert node.saved is not None
    signature = node.plan.signature
    if signature.variadic:
        parents: list[Any] = [node.parents, node]
    else:
        parents = [*node.parents, node]

    def lead_back(slot: int, value: Any) -> Any:
        if slot >= len(parents):
            return value
        if isinstance(value, tuple):
            return tuple(lead_back_one(v, p) for v, p in zip(value, parents[slot], strict=True))
        return lead_back_one(value, parents[slot])

    def lead_back_one(value: Any, parent: Node | None) -> Any:
        return value if parent is None else wrap(value, parent)

    return tuple(lead_back(slot, value) for slot, value in zip(node.plan.keep, node.saved, strict=True))


def _through_reference(node: Node, g: Any) -> list[tuple[int, Any]]:
    """A fused op's contributions as recorded ones: run its reference on copies of its arguments and sweep that."""
    assert node.primitive is not None
    assert node.primitive.reference is not None
    assert node.plan is not None
    values = _as_tensors(node)[: node.plan.signature.arity]
    inputs = [ops.alias(value) if isinstance(value, Tensor) else value for value in values]
    ends = {k: tensor.node for k, tensor in enumerate(inputs) if isinstance(tensor, Tensor) and tensor.node is not None}
    out = node.primitive.reference(*inputs, **node.metadata)
    found = reverse_sweep(out.node, g, until=ends.values(), create_graph=True)
    return [
        (k, found[end] if end in found else ops.multiply(inputs[k], 0.0))
        for k, end in ends.items()
        if node.plan.wanted[k]
    ]


def forward_sweep(nodes: Sequence[Node], tangents: dict[Node, Any]) -> dict[Node, Any]:
    """Push tangents through `nodes`, oldest first, recorded with jvp rules; adds to `tangents` and returns it."""
    for node in nodes:
        plan, saved = node.plan, node.saved
        assert plan is not None
        assert saved is not None
        assert node.primitive is not None
        incoming = [None if parent is None else tangents.get(parent) for parent in node.parents]
        pieces = []
        for call in plan.calls:
            t = incoming if call.argument is None else incoming[call.argument]
            if t is None:
                continue
            if call.rule is LINEAR:
                pieces.append(_linear(node, call, t, saved))
            else:
                pieces.append(run_rule(call, t, saved, node))
        if pieces:
            total = pieces[0]
            for piece in pieces[1:]:
                total = total + piece
            tangents[node] = ops.broadcast_to(total, shape=node.shape) if total.shape != node.shape else total
    return tangents


def _linear(node: Node, call: Call, t: Any, saved: Sequence[Any]) -> Any:
    """The op itself, with the tangent in place of the argument it belongs to."""
    assert node.primitive is not None
    assert call.argument is not None
    others = [saved[index] for index in call.values]
    if node.primitive.signature.variadic:
        arrays = [*others[0][: call.argument], t, *others[0][call.argument + 1 :]]
    else:
        arrays = [*others[: call.argument], t, *others[call.argument :]]
    return node.primitive(*arrays, **node.metadata)

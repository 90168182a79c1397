"""A loss of this project's own engine: one observed reverse sweep.

Read next: `viz/sources/engine_names.py`, what the user calls its tensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from engine import Node, Primitive, Tensor, describe
from engine.arrays import Array
from engine.backward import seed_for
from engine.explain import local_derivative
from engine.graph import oldest_first
from engine.memory import kept_bytes
from engine.recording import ScopeName, no_grad
from engine.sweeps import reverse_sweep
from engine.values import known_values
from viz.checks import NothingToTrace
from viz.data import Line
from viz.sources import measures
from viz.sources.assemble import assembled, first_uses
from viz.sources.engine_names import absent, label, names_of
from viz.sources.lines import line_at
from viz.sources.records import Recording, Sent, Value
from viz.sources.watch import Watcher


def record(loss: Tensor, names: Mapping[str, Any]) -> Recording:
    """The records of one reverse sweep from `loss`; `.grad` is untouched and the graph is kept.

    Raises what `viz.trace` says.
    """
    root = loss.node
    if root is None:
        raise NothingToTrace("trace: no blame can flow: no input requires a gradient, or it was made under no_grad")
    if loss.size != 1:
        raise RuntimeError(f"trace: a tensor of shape {loss.shape} is no loss; reduce it to one number, as with .sum()")
    watcher: Watcher[Node, Array] = Watcher(measures)

    def settle(node: Node) -> None:
        """When the sweep reaches a node, all contributions to it have arrived."""
        watcher.settle(node, by_row=_is_embedding(node))

    def observe(node: Node, argument: int, parent: Node, contribution: Any) -> None:
        settle(node)
        assert node.primitive is not None
        local = local_derivative(node, argument, parent)
        watcher.arrive(Sent(node, parent, argument, _rule(node.primitive, argument), local), contribution)

    seed = seed_for(loss, None, "trace").array
    watcher.start(root, seed)
    with no_grad():
        reverse_sweep(root, seed, retain_graph=True, observe=observe)
    watcher.finish()
    ordered = oldest_first(watcher.gradients)
    values = _values(ordered, watcher, {root: loss.array, **known_values(ordered)}, names_of(names))
    embedded = next((node for node in ordered if _is_embedding(node)), None)
    return assembled(
        loss.item(),
        values,
        watcher,
        embedded,
        unknown_value="not kept; engine.keep_values keeps it",
        unknown_line="compute the loss under engine.keep_lines()",
        absent=list(absent(names, set(ordered))),
    )


def _values(
    ordered: Sequence[Node], watcher: Watcher[Node, Array], known: Mapping[Node, Array], names: Mapping[Node, str]
) -> list[Value[Node]]:
    uses, saved = first_uses(ordered, watcher), kept_bytes(ordered)
    values = []
    for node in ordered:
        scope = (uses.get(node, node) if node.primitive is None else node).scope
        values.append(
            Value(
                key=node,
                op=node.op,
                name=label(node, scope, names),
                scope=scope,
                calls=tuple(name.number if isinstance(name, ScopeName) else 0 for name in scope),
                shape=node.shape,
                dtype=str(node.dtype),
                is_leaf=node.primitive is None,
                formula="" if node.primitive is None else describe.formula(node.primitive),
                value=measures.numbers(known[node]) if node in known else None,
                hooked=node.notes is not None and bool(node.notes.hooks),
                saved=saved[node],
                line=_line(node),
            )
        )
    return values


def _line(node: Node) -> Line | None:
    origin = None if node.notes is None else node.notes.origin
    return None if origin is None else line_at(origin.file, origin.number)


def _is_embedding(node: Node) -> bool:
    """Whether a node holds one vector for each position of a text."""
    return node.op == "embedding" and len(node.shape) > 1


@cache
def _rule(primitive: Primitive, argument: int) -> str:
    return describe.rule_text(primitive, argument)

"""A loss of this project's own engine: one observed reverse sweep.

Read next: `viz/sources/jax.py`, the same for a function of JAX.
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
from engine.recording import ScopeName, no_grad
from engine.sweeps import reverse_sweep
from engine.values import known_values
from viz.checks import NothingToTrace
from viz.sources import measures
from viz.sources.assemble import assembled, first_uses
from viz.sources.names import named
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
    values = _values(ordered, watcher, {root: loss.array, **known_values(ordered)}, _names_of(names))
    embedded = next((node for node in ordered if _is_embedding(node)), None)
    return assembled(loss.item(), values, watcher, embedded, "not kept; engine.keep_values keeps it")


def _values(
    ordered: Sequence[Node], watcher: Watcher[Node, Array], known: Mapping[Node, Array], names: Mapping[Node, str]
) -> list[Value[Node]]:
    uses = first_uses(ordered, watcher)
    values = []
    for node in ordered:
        scope = (uses.get(node, node) if node.primitive is None else node).scope
        values.append(
            Value(
                key=node,
                op=node.op,
                name=_label(node, scope, names),
                scope=scope,
                calls=tuple(name.number if isinstance(name, ScopeName) else 0 for name in scope),
                shape=node.shape,
                dtype=str(node.dtype),
                is_leaf=node.primitive is None,
                formula="" if node.primitive is None else describe.formula(node.primitive),
                value=measures.numbers(known[node]) if node in known else None,
                hooked=node.notes is not None and bool(node.notes.hooks),
            )
        )
    return values


def _is_embedding(node: Node) -> bool:
    """Whether a node holds one vector for each position of a text."""
    return node.op == "embedding" and len(node.shape) > 1


def _names_of(names: Mapping[str, Any]) -> dict[Node, str]:
    """The name of each node whose tensor is found in `names`."""
    found: dict[Node, str] = {}
    for path, value in named(names):
        if isinstance(value, Tensor) and value.node is not None:
            found.setdefault(value.node, path)
    return found


def _label(node: Node, scope: tuple[str, ...], names: Mapping[Node, str]) -> str | None:
    """A node's own name, or else the one found; a parameter outside all scopes gets its whole path."""
    found = names.get(node)
    if node.name and not scope and found and found.endswith(f".{node.name}"):
        return found
    return node.name or found


@cache
def _rule(primitive: Primitive, argument: int) -> str:
    return describe.rule_text(primitive, argument)

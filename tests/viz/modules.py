"""Random programs of nested modules: repeated blocks, cells called again, shared leaves, residual additions."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

import engine
import viz
from engine import Tensor

OPS: dict[str, Callable[[Any], Any]] = {
    "tanh": engine.tanh,
    "double": lambda x: x + x,
    "half": lambda x: x * 0.5,
    "sin": engine.sin,
}


@dataclass(frozen=True)
class Step:
    """One step of a program, on a vector x.

    Fields:
        kind: an op; "weight", times a leaf of the module's own; "shared", times a leaf of all; "module".
        name: of the module; where it ends in a point, each time another number is put behind it.
        body: what the module does.
        times: how often one after the other.
        residual: whether the input is added to what the module makes, outside of it.
        longer: how many ops more the module does the last time.
    """

    kind: str
    name: str = ""
    body: tuple[Step, ...] = ()
    times: int = 1
    residual: bool = False
    longer: int = 0


_ops = st.sampled_from([Step(kind) for kind in (*OPS, "weight", "shared")])


def _modules(bodies: st.SearchStrategy[tuple[Step, ...]]) -> st.SearchStrategy[Step]:
    return st.builds(
        Step,
        kind=st.just("module"),
        name=st.sampled_from(["f", "g", "blocks.", "h"]),
        body=bodies,
        times=st.integers(1, 3),
        residual=st.booleans(),
        longer=st.sampled_from([0, 0, 1]),
    )


def _bodies(steps: st.SearchStrategy[Step], least: int = 0) -> st.SearchStrategy[tuple[Step, ...]]:
    return st.lists(steps, min_size=least, max_size=3).map(tuple)


bodies = st.recursive(_bodies(_ops, 1), lambda inner: _bodies(st.one_of(_ops, _modules(inner)), 1), max_leaves=6)


def loss_of(steps: Sequence[Step]) -> Tensor:
    """Run a program; the loss is the sum of what it makes."""
    rng = np.random.default_rng(0)
    leaves: dict[str, Tensor] = defaultdict(lambda: Tensor(rng.uniform(0.5, 1.5, 2), requires_grad=True, name="weight"))
    x = Tensor(rng.uniform(0.5, 1.5, 2), requires_grad=True, name="x")
    return engine.sum(_run(steps, x, "", leaves))


def _run(steps: Sequence[Step], x: Any, path: str, leaves: dict[str, Tensor]) -> Any:
    for number, step in enumerate(steps):
        if step.kind in OPS:
            x = OPS[step.kind](x)
        elif step.kind != "module":
            x = x * leaves["" if step.kind == "shared" else f"{path}/{number}"]
        else:
            for time in range(step.times):
                name = f"{step.name}{time}" if step.name.endswith(".") else step.name
                with engine.scope(name):
                    made = _run(step.body, x, f"{path}/{name}", leaves)
                    for _ in range(step.longer if time == step.times - 1 else 0):
                        made = engine.tanh(made)
                x = x + made if step.residual else made
    return x


def boxes(flow: viz.BlameFlow) -> list[tuple[str, int]]:
    """The path of each box and how many it stands for, from the loss back."""
    return [(".".join(node.scope), node.count) for node in flow.nodes if node.op == "module"]


def assert_sound(flow: viz.BlameFlow, traced: viz.BlameFlow) -> None:
    """Assert the laws of every flow that folding and pruning make of a traced one."""
    nodes = {node.id: node for node in flow.nodes}
    assert len(nodes) == len(flow.nodes)
    arriving: dict[str, list[viz.Edge]] = defaultdict(list)
    for edge in flow.edges:
        assert edge.source in nodes
        arriving[edge.target].append(edge)
    assert arriving.keys() <= nodes.keys()
    for target, edges in arriving.items():
        shares = [edge.share for edge in edges]
        if nodes[target].norm > 0:
            assert sum(shares) == pytest.approx(1, abs=1e-9 * max(1, *map(abs, shares)))
        else:
            assert all(math.isnan(share) for share in shares)
    assert flow.nodes[0].shape == traced.nodes[0].shape  # the loss comes first
    assert all(node.id in arriving for node in flow.nodes[1:] if node.count and node.norm)
    assert sum(node.parameters for node in flow.nodes) == sum(node.parameters for node in traced.nodes)
    assert _blame(flow) == pytest.approx(_blame(traced), nan_ok=True)
    assert flow.stages(2) == traced.stages(2)
    assert flow.dot().startswith("digraph")


def _blame(flow: viz.BlameFlow) -> float:
    """The sum over all nodes: 1, or nan if every gradient is 0."""
    return math.fsum(node.blame for node in flow.nodes)

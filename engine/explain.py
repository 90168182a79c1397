"""explain: the chain rule of one small graph, step by step, with its numbers.

    >>> from engine import Tensor, explain, sin
    >>> x = Tensor(2.0, requires_grad=True, name="x")
    >>> explain(x * x + sin(x), wrt=x)
    d/d add = 1
      add -> multiply   1 x 1 = 1
      add -> sin        1 x 1 = 1
    d/d sin = 1
      sin -> x          -0.4161 x 1 = -0.4161
    d/d multiply = 1
      multiply -> x     2 x 1 = 2
      multiply -> x     2 x 1 = 2
    d/d x = -0.4161 + 2 + 2 = 3.584

Each indented line is one edge: the local derivative of the op, times the cotangent of its result, is the contribution
to the argument. The contributions of several edges are added up. Between arrays the local derivative is a Jacobian: a
row of numbers if it is diagonal, else a matrix with a row for each element of the argument, to be read as (matrix) x
(cotangent).

Read next: `engine/checkpoint.py`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.backward import seed_for
from engine.graph import Node, between
from engine.jacobians import unit_arrays
from engine.recording import no_grad
from engine.rules import fit
from engine.sweeps import prepared, reverse_sweep
from engine.tensor import Tensor

MAX_NODES = 100
MAX_JACOBIAN = 64  # elements


def explain(loss: Tensor, wrt: Tensor) -> None:
    """Print every step of the chain rule from `loss` to `wrt`, for a graph of at most a hundred nodes.

    The graph is kept and `.grad` is not changed. Raises RuntimeError if `loss` does not depend on `wrt`, ValueError
    for a larger graph.
    """
    print(explanation(loss, wrt))


def explanation(loss: Tensor, wrt: Tensor) -> str:
    """The text that `explain` prints."""
    seed = seed_for(loss, None, "explain").array
    assert loss.node is not None
    nodes = between(loss.node, set() if wrt.node is None else {wrt.node})
    if not nodes:
        raise RuntimeError("explain: the loss does not depend on this tensor, so there is no step to show")
    if len(nodes) > MAX_NODES:
        raise ValueError(f"explain: {len(nodes)} nodes are too many to read (at most {MAX_NODES}); viz draws them")
    labels = _labels(nodes)
    received: dict[Node, list[Array]] = defaultdict(list)
    steps: dict[Node, list[tuple[str, str]]] = defaultdict(list)

    def observe(node: Node, argument: int, parent: Node, contribution: Any) -> None:
        g = np.asarray(sum(received[node]))
        local = local_derivative(node, argument, parent) or f"(Jacobian {parent.shape} by {g.shape})"
        times = f"{local} x {_as_text(g)} = {_as_text(contribution)}"
        steps[node].append((f"{labels[node]} -> {labels[parent]}", times))
        received[parent].append(np.asarray(contribution))

    received[loss.node].append(seed)
    with no_grad():
        reverse_sweep(loss.node, seed, nodes[:1], retain_graph=True, observe=observe)
    width = max((len(edge) for rows in steps.values() for edge, _ in rows), default=0)
    lines = []
    for node in reversed(nodes):
        lines.append(f"d/d {labels[node]} = {_sum(received[node])}")
        lines += [f"  {edge:{width}}   {times}" for edge, times in steps[node]]
    return "\n".join(lines)


def _labels(nodes: list[Node]) -> dict[Node, str]:
    """The label of each node: its name or its op, with a number if several nodes share it."""
    names = [node.name or node.op for node in nodes]
    seen: dict[str, int] = defaultdict(int)
    labels = {}
    for node, label in zip(nodes, names, strict=True):
        seen[label] += 1
        labels[node] = label if names.count(label) == 1 else f"{label}{seen[label]}"
    return labels


def local_derivative(node: Node, argument: int, parent: Node) -> str:
    """The op's own derivative in one argument, as text: its rule applied to each unit cotangent.

    An empty string for more than MAX_JACOBIAN elements.
    """
    inputs, outputs = math.prod(parent.shape), math.prod(node.shape)
    if inputs * outputs > MAX_JACOBIAN:
        return ""
    columns = []
    for unit in unit_arrays(node.shape, node.dtype):
        saved, rules = prepared(node, unit, create_graph=False)
        (run,) = [run for at, run in rules if at == argument]
        with np.errstate(all="ignore"):
            columns.append(np.ravel(fit(node, argument, run(unit, saved), parent)))
    if inputs == outputs == 1:
        return _as_text(columns[0].reshape(parent.shape))
    matrix = np.array(columns).reshape(outputs, inputs).T
    if parent.shape == node.shape and np.array_equal(matrix, np.diag(np.diag(matrix))):
        return _as_text(np.diag(matrix).reshape(node.shape))
    return _as_text(matrix)


def _sum(terms: list[Array]) -> str:
    """The text "a + b = total" of several terms, "a" of one."""
    total = _as_text(sum(terms))
    return total if len(terms) == 1 else f"{' + '.join(map(_as_text, terms))} = {total}"


def _as_text(value: Any) -> str:
    """A number or an array as text, with four digits, on one line."""
    array = np.asarray(value)
    if array.size == 1 and array.ndim == 0:
        return f"{array.item() + 0.0:.4g}"  # + 0.0: no minus before a zero
    text = np.array2string(
        array, formatter={"float_kind": lambda v: f"{v + 0.0:.4g}"}, threshold=20, max_line_width=10**6
    )
    return text.replace("\n", "")

"""The sweeps on random programs: conservation, order, freeing, pruning, and agreement with central differences."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import engine
from engine import Node, Tensor
from engine.graph import between, reachable
from engine.primitive import Primitive
from engine.sweeps import reverse_sweep
from engine.tensor import wrap
from engine.testing.numeric import directional
from engine.testing.programs import Program, calls
from engine.transforms import grad_or_zeros

Call = tuple[Program, tuple[Any, ...]]
seeds = st.integers(0, 2**16)


def evaluated(call: Call) -> tuple[list[Tensor], Tensor, Node]:
    """The inputs of a program, its result, and the node of that."""
    program, arrays = call
    tensors = [Tensor(a, requires_grad=True) for a in arrays]
    out = program(*tensors)
    assert out.node is not None
    return tensors, out, out.node


def node_of(x: Tensor) -> Node:
    assert x.node is not None
    return x.node


def directions(seed: int, arrays: Any) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=a.shape) for a in arrays]


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@given(calls(), seeds)
def test_contributions_into_a_node_add_up_to_its_gradient(call: Call, seed: int) -> None:
    _, out, root = evaluated(call)
    (u,) = directions(seed, [out])
    arrived: dict[Node, Any] = defaultdict(lambda: 0.0)

    def observe(node: Node, argument: int, parent: Node, contribution: Any) -> None:
        assert node.parents[argument] is parent
        assert node.serial > parent.serial
        arrived[parent] = arrived[parent] + contribution

    everything = set(reachable(root))
    found = reverse_sweep(root, u, retain_graph=True, observe=observe)
    assert set(arrived) | {root} == everything
    for node in everything - {root}:  # an independent way to each gradient: end the sweep there
        close(arrived[node], reverse_sweep(root, u, retain_graph=True, inputs={node})[node])
    for node, gradient in found.items():
        close(u if node is root else arrived[node], gradient)


@given(calls())
def test_every_node_is_visited_once_youngest_first_and_freed(call: Call) -> None:
    _, out, root = evaluated(call)
    nodes = reachable(root)
    edges = [(node, k) for node in reversed(nodes) for k, parent in enumerate(node.parents) if parent is not None]
    seen: list[tuple[Node, int]] = []
    reverse_sweep(
        root, np.ones(out.shape), observe=lambda node, argument, parent, contribution: seen.append((node, argument))
    )
    assert seen == edges
    assert all(node.saved is None for node in nodes if node.primitive is not None)
    if root.primitive is not None:
        with pytest.raises(RuntimeError, match="freed by an earlier backward"):
            between(root, {root})


@given(calls(), seeds)
def test_gradients_agree_with_central_differences(call: Call, seed: int) -> None:
    program, arrays = call
    tensors, out, root = evaluated(call)
    (u, *vs) = directions(seed, [out, *arrays])
    found = reverse_sweep(root, u)
    slope = sum(np.vdot(found[node_of(x)], v) for x, v in zip(tensors, vs, strict=True) if x.node in found)
    truth = directional(lambda *moved: np.vdot(u, program(*moved)), arrays, vs)
    assert truth.error <= 1e-6, "the programs' bounds should keep central differences good"
    assert abs(slope - truth.value) <= 10 * truth.error + 1e-7


@given(calls(), seeds)
def test_reverse_is_the_transpose_of_forward(call: Call, seed: int) -> None:
    program, arrays = call
    out, pushed = engine.jvp(program, arrays, tuple(vs := directions(seed, arrays)))
    (u,) = directions(seed + 1, [out])
    pulled = engine.vjp(program, *arrays)[1](u)
    close(np.vdot(u, pushed.numpy()), sum(np.vdot(g.numpy(), v) for g, v in zip(pulled, vs, strict=True)))


@given(calls(), seeds)
def test_second_derivatives_agree_whichever_way_they_are_taken(call: Call, seed: int) -> None:
    program, arrays = call
    u, *vs = directions(seed, [program(*arrays), *arrays])
    everything = tuple(range(len(arrays)))
    gradient = grad_or_zeros(lambda *xs: engine.sum(program(*xs) * u), everything)
    _, forward_over_reverse = engine.jvp(gradient, arrays, tuple(vs))

    def slope(*xs: Any) -> Any:
        return engine.sum(engine.stack([engine.sum(g * v) for g, v in zip(gradient(*xs), vs, strict=True)]))

    reverse_over_reverse = grad_or_zeros(slope, everything)(*arrays)
    for k in everything:
        truth = directional(lambda *moved, k=k: gradient(*moved)[k].numpy(), arrays, vs)
        assert (np.abs(forward_over_reverse[k].numpy() - truth.value) <= 10 * truth.error + 1e-6).all()
        close(forward_over_reverse[k].numpy(), reverse_over_reverse[k].numpy())


@given(calls(), seeds)
def test_a_sweep_recorded_retained_or_repeated_gives_the_same(call: Call, seed: int) -> None:
    _, out, root = evaluated(call)
    (u,) = directions(seed, [out])
    recorded = reverse_sweep(root, wrap(u, None), create_graph=True)
    retained = reverse_sweep(root, u, retain_graph=True)
    last = reverse_sweep(root, u)
    assert recorded.keys() == retained.keys() == last.keys()
    for node, gradient in last.items():
        close(recorded[node].numpy(), gradient)
        close(retained[node], gradient)


@given(calls(), seeds, st.data())
def test_gradients_of_some_values_are_those_of_all_and_visit_no_more_than_they_need(
    call: Call, seed: int, data: st.DataObject
) -> None:
    tensors, out, root = evaluated(call)
    (u,) = directions(seed, [out])
    candidates = sorted({*reachable(root), *map(node_of, tensors)}, key=lambda node: node.serial)
    ends = set(data.draw(st.lists(st.sampled_from(candidates), min_size=1, unique=True)))
    needed, visited = set(between(root, ends)), set()
    full = {node: reverse_sweep(root, u, {node}, retain_graph=True).get(node) for node in ends}
    some = reverse_sweep(
        root, u, ends, retain_graph=True, observe=lambda node, argument, parent, contribution: visited.add(parent)
    )
    assert visited <= needed
    assert some.keys() == {node for node, gradient in full.items() if gradient is not None}
    for node, gradient in some.items():
        close(gradient, full[node])


@given(calls(), seeds, st.data())
def test_an_input_that_wants_no_gradient_changes_no_other(call: Call, seed: int, data: st.DataObject) -> None:
    program, arrays = call
    tensors, out, root = evaluated(call)
    (u,) = directions(seed, [out])
    full = reverse_sweep(root, u)
    wanted = data.draw(st.lists(st.booleans(), min_size=len(arrays), max_size=len(arrays)))
    part = [Tensor(a, requires_grad=want) for a, want in zip(arrays, wanted, strict=True)]
    again = program(*part)
    found = {} if again.node is None else reverse_sweep(again.node, u)
    for before, after in zip(tensors, part, strict=True):
        assert (after.node in found) == (after.requires_grad and before.node in full)
        if after.node in found:
            close(found[after.node], full[node_of(before)])


def test_a_nan_is_an_error_only_where_anomalies_are_detected() -> None:
    x = Tensor([-1.0], requires_grad=True)
    with np.errstate(all="ignore"), engine.keep_values():
        engine.sqrt(x).backward([1.0])
    assert x.grad is not None
    assert np.isnan(x.grad.numpy()).all()


def test_a_rule_of_another_dtype_is_a_mistake_where_nothing_was_promoted() -> None:
    def passed_on(x: Any) -> Any:
        return x + 0

    op = Primitive(passed_on, vjp=(lambda g: g.astype(np.float64),))
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    with pytest.raises(RuntimeError, match=r"it sent shape \(2,\), float64, to argument 0 of shape \(2,\), float32"):
        op(x).backward([1.0, 1.0])

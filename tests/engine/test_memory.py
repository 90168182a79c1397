"""The bytes kept for the backward pass: each memory once, for its oldest keeper; leaves left out."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

import engine
import nn
from engine import Tensor
from engine.graph import reachable
from engine.memory import kept_bytes
from engine.sweeps import reverse_sweep


def kept(loss: Tensor) -> dict[str, int]:
    """The bytes by op, for graphs that have each op once."""
    assert loss.node is not None
    return {node.op: saved for node, saved in kept_bytes(reachable(loss.node)).items()}


def leaf(*shape: int) -> Tensor:
    return Tensor(np.ones(shape), requires_grad=True)


def test_ops_keep_what_their_rules_read_and_leaves_do_not_count() -> None:
    x = leaf(10)
    assert kept((x + 1.0).sum()) == {"leaf": 0, "add": 0, "sum": 0}
    assert kept((x * x).sum()) == {"leaf": 0, "multiply": 0, "sum": 0}  # x itself is in memory anyway
    assert kept(engine.exp(x).sum()) == {"leaf": 0, "exp": 80, "sum": 0}


def test_memory_that_several_keep_counts_for_the_oldest() -> None:
    y = engine.exp(leaf(10))  # keeps its result
    assert kept((y * engine.sin(y)).sum()) == {"leaf": 0, "exp": 80, "sin": 0, "multiply": 80, "sum": 0}


def test_a_view_keeps_the_whole_array_it_is_a_view_of() -> None:
    y = leaf(1000) + 1.0
    assert kept(engine.sin(y[:2]).sum())["sin"] == 8000
    assert kept(engine.sin(y[:2]).sum() + engine.cos(y[5:]).sum())["cos"] == 0  # the same memory
    x = leaf(5, 5)
    assert kept(engine.sin(x.T).sum())["sin"] == 0  # a view of a leaf
    assert kept(engine.sin(leaf(5, 5).T).sum())["sin"] == 200  # whose tensor is gone: only the graph keeps it


def test_masks_and_indices_count_and_the_memory_of_a_broadcast_array_is_small() -> None:
    x = leaf(10)
    assert kept(engine.where(np.ones(10, bool), x, 0.0).sum())["where"] == 10
    assert kept(engine.take(x, np.arange(4), axis=0).sum())["take"] == 32
    one = engine.broadcast_to(leaf(1) * 2.0, (1000,))
    assert kept(engine.sin(one).sum())["sin"] == 8


def test_the_sum_is_what_backward_lets_go() -> None:
    """Measured by the allocator, for a network of some megabytes."""
    model = nn.Sequential(*(layer for _ in range(4) for layer in (nn.Linear(256, 256), nn.ReLU(), nn.LayerNorm(256))))
    data = np.ones((512, 256), np.float32)
    model(data).sum().backward()  # kernels are loaded at their first call, which takes memory too
    tracemalloc.start()
    try:
        for parameter in model.parameters():  # so that backward makes no new memory
            parameter.grad = engine.zeros(parameter.shape)
        loss = model(data).square().mean()
        assert loss.node is not None
        expected = sum(kept_bytes(reachable(loss.node)).values())
        before = tracemalloc.get_traced_memory()[0]
        loss.backward()
        freed = before - tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert expected > 4e6
    assert abs(freed - expected) < 0.1 * expected


def test_a_checkpoint_keeps_its_input_and_its_result() -> None:
    def f(x: Tensor) -> Tensor:
        return engine.sin(engine.exp(engine.square(x)))

    x = leaf(1000) + 1.0
    assert sum(kept(f(x)).values()) == 16000
    assert kept(engine.checkpoint(f)(x))["checkpoint"] == 16000


def test_of_the_size_of_the_logits_there_are_only_they_and_their_gradient() -> None:
    x, weight = Tensor(np.ones((32, 2)), requires_grad=True), Tensor(np.ones((50_000, 2)), requires_grad=True)
    labels = np.arange(32)
    labels[::5] = -100
    one = 32 * 50_000 * x.dtype.itemsize
    tracemalloc.start()
    try:
        loss = engine.cross_entropy(engine.linear(x, weight), labels)
        loss.backward()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 1.9 * one < peak < 2.5 * one  # the blocks are small, and so are the gradients of x and weight


def test_cross_entropy_hands_out_what_it_saved_and_nobody_can_change_it() -> None:
    logits = Tensor(np.zeros((2, 3)), requires_grad=True)
    loss = engine.cross_entropy(logits, np.array([0, 1]))
    assert loss.node is not None
    assert logits.node is not None
    first = reverse_sweep(loss.node, np.ones((), loss.dtype), [logits.node], retain_graph=True)[logits.node]
    with pytest.raises(ValueError, match="read-only"):
        first *= 2
    loss.backward()
    assert logits.grad is not None
    np.testing.assert_array_equal(logits.grad.numpy(), first)


@pytest.mark.parametrize(
    ("op", "objects"),
    [
        (lambda y, x: y + 1.0, 1),  # the node
        (lambda y, x: y * 0.5, 1),
        (lambda y, x: engine.tanh(y), 1),
        (lambda y, x: y.sum(), 1),
        (lambda y, x: y * x, 2),  # and the pair of its parents
    ],
)
def test_an_op_adds_few_objects_to_those_that_the_garbage_collector_walks(
    op: Callable[[Tensor, Tensor], Tensor], objects: int
) -> None:
    """Python walks all of them whenever their number has grown by a quarter, which a long graph makes it do."""
    x = Tensor(0.5, requires_grad=True)
    y = op(x, x)  # makes the plan
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(1000):
        y = op(y, x)
    gc.collect()  # tuples of arrays and numbers are taken off its list
    assert (len(gc.get_objects()) - before) / 1000 <= objects + 0.01

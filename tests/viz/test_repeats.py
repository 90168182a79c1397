"""The search for repetitions that folding uses: which pieces repeat the same work, and which do not."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import engine
import nn
import viz
from engine import Tensor
from tests.viz.modules import Step, bodies, boxes, loss_of

depths = st.integers(1, 4)


@given(bodies, st.integers(2, 5), st.sampled_from(["blocks.", "cell"]), st.booleans())
def test_equal_modules_in_a_row_are_one_box(body: tuple[Step, ...], times: int, name: str, residual: bool) -> None:
    module = Step("module", name, body, times, residual)
    flow = viz.trace(loss_of([module])).fold(1)
    label = f"blocks.0-{times - 1}" if name == "blocks." else name
    assert boxes(flow) == [(label, times)]
    additions = [node.count for node in flow.nodes if node.op == "add"]
    assert additions == [times] * residual


@given(bodies, st.integers(2, 4), depths)
def test_each_part_of_a_repeated_module_appears_once(body: tuple[Step, ...], times: int, depth: int) -> None:
    def parts(times: int) -> Counter[tuple[str, tuple[str, ...], int]]:
        flow = viz.trace(loss_of([Step("module", "blocks.", body, times)])).fold(depth)
        inside = [node for node in flow.nodes if node.scope[:1] == (f"blocks.0-{times - 1}",) or times == 1]
        return Counter((n.op, n.scope[1:], n.count // times) for n in inside if n.scope and n.op != "leaf")

    assert parts(times) == parts(1)


@given(bodies, st.integers(3, 5))
def test_a_last_module_that_does_more_stays_apart(body: tuple[Step, ...], times: int) -> None:
    flow = viz.trace(loss_of([Step("module", "blocks.", body, times, longer=1)])).fold(1)
    assert boxes(flow) == [(f"blocks.{times - 1}", 1), (f"blocks.0-{times - 2}", times - 1)]


def test_heads_in_layers() -> None:
    heads = Step("module", "heads.", (Step("weight"), Step("tanh")), 4)
    flow = viz.trace(loss_of([Step("module", "layers.", (Step("sin"), heads), 3)])).fold(2)
    shown = [(".".join(node.scope), node.label, node.count) for node in flow.nodes[1:-1]]
    assert shown == [("layers.0-2.heads.0-3", "heads.0-3", 12), ("layers.0-2", "sin", 3)]


def test_a_cell_called_at_every_step_is_one_box_with_its_weights_inside() -> None:
    class Cell(nn.Module):
        def __init__(self) -> None:
            self.read, self.remember = nn.Linear(3, 4), nn.Linear(4, 4)

        def forward(self, x: Any, h: Any) -> Any:
            return engine.tanh(self.read(x) + self.remember(h))

    class Net(nn.Module):
        def __init__(self) -> None:
            self.cell = Cell()

        def forward(self, x: Any) -> Any:
            h: Any = np.zeros((2, 4), np.float32)
            for step in range(5):
                h = self.cell(x[:, step], h)
            return h

    x = np.ones((2, 5, 3), np.float32)
    for given_ in (x, Tensor(x, requires_grad=True, name="x")):
        traced = viz.trace(Net()(given_).sum())
        assert boxes(traced.fold(1)) == [("cell", 5)]
        assert boxes(traced.fold(1, repeats=False)) == [("cell", 1)] * 5
        assert boxes(traced.fold(2)) == [("cell.remember", 5), ("cell.read", 5)]
        assert [node.name for node in traced.fold(1).nodes if node.op == "leaf"] == ["x"] * (given_ is not x)


def test_leaves_of_repeated_ops_are_one_leaf_and_a_shared_one_too() -> None:
    part = Step("module", "f", (Step("tanh"),))
    flow = viz.trace(loss_of([Step("module", "blocks.", (Step("weight"), part, Step("shared")), 3)])).fold(2)
    leaves = [(".".join(n.scope), n.label, n.count, n.parameters) for n in flow.nodes if n.op == "leaf"]
    assert leaves == [("blocks.0-2", "weight", 3, 6), ("blocks.0-2", "weight", 1, 2), ("blocks.0-2", "x", 1, 2)]


def test_two_leaves_of_one_op_are_two_leaves() -> None:
    def block(x: Any, number: int) -> Any:
        with engine.scope(f"blocks.{number}"), engine.scope("f"):
            x = engine.tanh(x)
        with engine.scope(f"blocks.{number}"):
            return x + Tensor([1.0], requires_grad=True) * Tensor([2.0], requires_grad=True)

    flow = viz.trace(block(block(Tensor([1.0], requires_grad=True), 0), 1).sum()).fold(2)
    assert [node.count for node in flow.nodes if node.op == "leaf"] == [2, 2]


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["conv1", "conv2", "conv3"], [("conv1-3", 3)]),
        (["0", "2", "4", "5"], [("0,2,4-5", 4)]),
        (["f", "g", "f", "g"], [("g", 2), ("f", 2)]),
        (["a.0", "b.0", "b.1", "a.1", "b.2", "b.3"], [("b.1,3", 2), ("b.0,2", 2), ("a.0-1", 2)]),
        (["b.0", "b.1", "a.0", "b.2", "b.3", "a.1"], [("a.0-1", 2), ("b.1,3", 2), ("b.0,2", 2)]),
        (["grid.0.0", "grid.0.1", "grid.1.0", "grid.1.1"], [("grid.0-1.0-1", 4)]),
        (["f", "f", "g", "f"], [("f", 1), ("g", 1), ("f", 2)]),
        (["f", "f", "g", "f", "g"], [("g", 1), ("f", 1), ("g", 1), ("f", 2)]),
        (["layer", "layers"], [("layers", 1), ("layer", 1)]),
        (["x007"], [("x007", 1)]),
    ],
)
def test_names_of_repetitions(names: list[str], shown: list[tuple[str, int]]) -> None:
    flow = viz.trace(loss_of([Step("module", name, (Step("tanh"),)) for name in names])).fold(1)
    assert boxes(flow) == shown


def test_a_slice_before_each_call_repeats_with_it_but_ops_alone_do_not() -> None:
    x = h = Tensor(np.ones((6, 2)), requires_grad=True, name="x")
    for step in range(6):
        with engine.scope("cell"):
            h = engine.tanh(h) * x[step] if step else x[0] * 2.0
    assert boxes(viz.trace(h.sum()).fold(1)) == [("cell", 5), ("cell", 1)]
    h = x[0]
    for step in range(1, 6):
        part = x[step]
        with engine.scope("cell"):
            h = h * part
    shown = [(node.label, node.count) for node in viz.trace(h.sum()).fold(1).nodes]
    assert shown == [("sum", 1), ("cell", 5), ("getitem", 5), ("getitem", 1), ("x", 1)]
    assert all(n.count == 1 for n in viz.trace(engine.tanh(engine.tanh(engine.tanh(x))).sum()).fold(1).nodes)


@pytest.mark.parametrize(
    "other",
    [
        lambda x, w: engine.sin(x) * w,
        lambda x, w: engine.tanh(x) * engine.tanh(w),
        lambda x, w: engine.tanh(x) + w,
        lambda x, w: (engine.tanh(x) * w).reshape(1, 2),
        lambda x, w: engine.tanh(x) * Tensor(w.numpy(), requires_grad=True, name="scale"),
        lambda x, w: engine.tanh(x) * Tensor(w.numpy()[:1], requires_grad=True, name="w"),
        lambda x, w: (engine.tanh(x) * w).reshape(2),
    ],
    ids=["an op", "one more", "another op", "a shape", "a leaf's name", "a leaf's shape", "an op at the end"],
)
def test_modules_that_differ_are_not_taken_for_one(other: Any) -> None:
    def weight() -> Tensor:
        return Tensor([0.5, 2.0], requires_grad=True, name="w")

    x: Any = Tensor([1.0, 2.0], requires_grad=True)
    with engine.scope("f.0"):
        y = engine.tanh(x) * weight()
    with engine.scope("f.1"):
        y = other(y, weight())
    assert boxes(viz.trace(y.sum()).fold(1)) == [("f.1", 1), ("f.0", 1)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda y: engine.concat([y, y]), lambda y: engine.concat([y, y])),
        (lambda y: engine.astype(y, np.float32), lambda y: engine.astype(y, np.float64)),
    ],
    ids=["shape", "dtype"],
)
def test_the_same_ops_that_make_other_shapes_or_dtypes_are_not_the_same(one: Any, other: Any) -> None:
    y: Any = Tensor(np.ones(2), requires_grad=True)
    with engine.scope("f.0"):
        y = one(y)
    with engine.scope("f.1"):
        y = other(y)
    assert boxes(viz.trace(y.sum()).fold(1)) == [("f.1", 1), ("f.0", 1)]


def test_the_same_ops_in_other_calls_are_not_the_same() -> None:
    def inside(*names: str) -> list[tuple[str, int]]:
        """A module that calls g twice, and one that makes these calls instead."""
        y: Any = Tensor(np.ones(2), requires_grad=True)
        for number, inner in enumerate((("g", "g"), names)):
            with engine.scope(f"f.{number}"):
                for name in inner:
                    with engine.scope(name):
                        y = engine.tanh(y) if len(inner) > 1 else engine.tanh(engine.tanh(y))
        return boxes(viz.trace(y.sum()).fold(1))

    assert inside("g", "g") == [("f.0-1", 2)]
    assert inside("g", "h") == inside("h", "g") == inside("g") == [("f.1", 1), ("f.0", 1)]


@pytest.mark.parametrize("other", [lambda a, b: b * b, lambda a, b: a * a, lambda a, b: b * a], ids=["bb", "aa", "ba"])
def test_the_same_ops_wired_otherwise_are_not_the_same(other: Any) -> None:
    y: Any = Tensor([1.0, 2.0], requires_grad=True)
    for number, last in enumerate((lambda a, b: a * b, other)):
        with engine.scope(f"f.{number}"):
            a = engine.tanh(y)
            y = last(a, engine.sin(a))
    assert boxes(viz.trace(y.sum()).fold(1)) == [("f.1", 1), ("f.0", 1)]


def test_leaves_tell_modules_apart_and_those_after_them_too() -> None:
    def shown(*leaves: tuple[str, str]) -> list[tuple[str, int]]:
        y: Any = Tensor([1.0, 2.0], requires_grad=True, name="x")
        for number, names in enumerate(leaves):
            known = {name: Tensor([1.0, 2.0], requires_grad=True, name=name.strip("'")) for name in names}
            with engine.scope(f"f.{number}"):
                for name in names:
                    y = y * known[name]
        return boxes(viz.trace(y.sum()).fold(1))

    assert shown(("v", "w"), ("v", "w"), ("v", "w")) == [("f.0-2", 3)]
    assert shown(("v", "w"), ("v", "u"), ("v", "u")) == [("f.1-2", 2), ("f.0", 1)]
    assert shown(("w", "w"), ("w", "w'")) == [("f.1", 1), ("f.0", 1)]  # once the same leaf, once two of one name


def test_an_addition_belongs_to_the_block_before_it() -> None:
    block = Step("module", "blocks.", (Step("tanh"),), 3, residual=True)
    flow = viz.trace(loss_of([Step("double"), block])).fold(1)
    assert [(node.label, node.count) for node in flow.nodes] == [
        ("sum", 1), ("add", 3), ("blocks.0-2", 3), ("add", 1), ("x", 1)
    ]  # fmt: skip


def test_one_run_takes_nothing_from_another() -> None:
    y: Any = Tensor([1.0, 2.0], requires_grad=True, name="x")
    for number, name in enumerate(("a.0", "a.1", "b.0", "b.1")):
        with engine.scope(name):
            made = engine.tanh(y) if number < 2 else engine.sin(y)
        y = y + made if number < 3 else made
    flow = viz.trace(y.sum()).fold(1)
    assert [(node.label, node.count) for node in flow.nodes] == [
        ("sum", 1), ("b.1", 1), ("add", 1), ("b.0", 1), ("add", 2), ("a.0-1", 2), ("x", 1)
    ]  # fmt: skip

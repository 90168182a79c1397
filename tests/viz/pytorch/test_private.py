"""Each private name of PyTorch that `viz` uses means what it meant: if one of these fails, PyTorch has changed it."""

from __future__ import annotations

from typing import Any

from tests.viz.pytorch.models import Pair, tells_all, torch
from viz.sources import torch_private as private


def product() -> tuple[Any, Any, Any]:
    """Two leaves and the node of their product."""
    x, y = torch.ones(2, 3, requires_grad=True), torch.ones(3, requires_grad=True)
    return x, y, (x * y).grad_fn


def test_a_leaf_is_a_node_of_its_own_that_knows_its_tensor() -> None:
    x, _, node = product()
    leaf = node.next_functions[0][0]
    assert private.is_leaf(leaf)
    assert not private.is_leaf(node)
    assert leaf.variable is x


def test_nodes_are_numbered_as_they_are_made() -> None:
    first = private.next_sequence_number()
    _, _, node = product()
    assert private.sequence_number(node) == first
    assert private.next_sequence_number() == first + 1
    assert private.sequence_number(node.next_functions[0][0]) > 2**63


@tells_all
def test_a_node_knows_the_number_of_its_results() -> None:
    assert private.results(product()[2]) == 1
    assert private.results(torch.ones(2, 5, requires_grad=True).unbind(0)[0].grad_fn) == 2
    assert private.tells_what_is_saved()


@tells_all
def test_cotangents_of_one_element_each() -> None:
    units = list(private.unit_cotangents(product()[2]))
    assert len(units) == 6
    assert units[4].tolist() == [[0, 0, 0], [0, 1, 0]]


@tells_all
def test_saved_tensors_are_seen_without_being_unpacked() -> None:
    x, y, node = product()
    kept = [tensor.data_ptr() for tensor in private.saved_tensors(node)]
    assert sorted(kept) == sorted([x.data_ptr(), y.data_ptr()])

    def never(packed: Any) -> Any:
        raise AssertionError("unpacked")

    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor.tolist(), never):
        packed = (x * y).grad_fn
    assert list(private.saved_tensors(packed)) == []
    assert list(private.small_saved_tensors(packed, 100)) == []
    assert not private.can_be_run_alone(packed)
    assert private.can_be_run_alone(node)


@tells_all
def test_small_saved_tensors_know_the_node_that_made_them() -> None:
    x, _, _ = product()
    made = x.exp()
    squared = (made * made.sum()).grad_fn
    owners = {id(owner): value.numel() for owner, value in private.small_saved_tensors(squared, 6)}
    assert owners[id(made.grad_fn)] == 6
    ((owner, value),) = private.small_saved_tensors(made.grad_fn, 6)  # the result is its own
    assert owner is made.grad_fn
    assert torch.equal(value, made)
    assert list(private.small_saved_tensors(made.grad_fn, 5)) == []


@tells_all
def test_what_a_function_of_the_user_saves_is_seen_too() -> None:
    x, _, _ = product()
    node = Pair.apply(x)[0].grad_fn
    assert [tensor.data_ptr() for tensor in private.saved_tensors(node)] == [x.data_ptr()]
    assert not private.can_be_run_alone(node)


def test_hooks_of_tensors_are_seen() -> None:
    x, _, _ = product()
    assert not private.has_hook(x)
    x.register_hook(lambda g: None)
    assert private.has_hook(x)


def test_anomaly_mode_notes_tracebacks() -> None:
    assert private.recorded_traceback(product()[2]) == []
    with torch.autograd.set_detect_anomaly(True, check_nan=False):
        _, _, node = product()
    assert any("(x * y).grad_fn" in frame for frame in private.recorded_traceback(node))

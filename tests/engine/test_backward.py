"""The life of a graph: backward, what it frees, what it refuses, and that no gradient is ever silently wrong."""

from __future__ import annotations

import contextlib
import copy
import gc
import pickle
import threading
import weakref
from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor


def leaf(*values: float) -> Tensor:
    return Tensor(list(values), requires_grad=True)


def grad_of(x: Tensor) -> Any:
    assert x.grad is not None
    return x.grad.numpy()


def test_a_tensor_used_twice_collects_both_paths() -> None:
    x = leaf(2.0, 3.0)
    (x * x + x).sum().backward()
    np.testing.assert_array_equal(grad_of(x), [5.0, 7.0])


def test_backward_twice_says_that_the_graph_was_freed() -> None:
    loss = (leaf(1.0) * 2.0).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        loss.backward()


def test_retain_graph_allows_a_second_backward_which_accumulates() -> None:
    x = leaf(1.0)
    loss = (x * x).sum()
    loss.backward(retain_graph=True)
    loss.backward()
    np.testing.assert_array_equal(grad_of(x), [4.0])


def test_backward_of_many_elements_needs_a_gradient() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match=r"\(2,\)"):
        (x * 2.0).backward()
    (x * 2.0).backward([1.0, 10.0])
    np.testing.assert_array_equal(grad_of(x), [2.0, 20.0])


def test_a_gradient_of_another_shape_is_never_broadcast() -> None:
    with pytest.raises(ValueError, match=r"\(1,\).*\(2,\)"):
        (leaf(1.0, 2.0) * 2.0).backward([1.0])


def test_backward_without_a_graph_says_why() -> None:
    with pytest.raises(RuntimeError, match="no input requires a gradient"):
        Tensor(1.0).backward()
    with engine.no_grad():
        y = leaf(1.0) * 2.0
    with pytest.raises(RuntimeError, match="no_grad"):
        y.backward()


def test_grad_shares_memory_with_nothing() -> None:
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    seed = np.ones(2, np.float32)
    (x + y).backward(seed)
    assert x.grad is not None
    assert y.grad is not None
    assert not np.shares_memory(x.grad.array, y.grad.array)
    assert not np.shares_memory(x.grad.array, seed)


def test_only_leaves_and_retained_tensors_keep_their_gradient() -> None:
    x = leaf(3.0)
    y, z = x * 2.0, x * 5.0
    y.retain_grad()
    (y * z).sum().backward()
    np.testing.assert_array_equal(grad_of(y), [15.0])
    assert z.grad is None


def test_a_saved_parameter_that_was_assigned_is_an_error() -> None:
    x, w = leaf(1.0), leaf(2.0)
    loss = (x * w).sum()
    w.assign([5.0])
    with pytest.raises(RuntimeError, match=r"multiply.*version 0, now version 1"):
        loss.backward()


def test_a_view_of_an_assigned_parameter_is_an_error_too() -> None:
    w = Tensor(np.eye(2), requires_grad=True)
    loss = (Tensor(np.ones((2, 2)), requires_grad=True) @ w.T).sum()
    w.detach().assign(np.zeros((2, 2)))  # through another handle on the same memory
    with pytest.raises(RuntimeError, match="matmul"):
        loss.backward()


def test_assigning_after_backward_is_what_training_does() -> None:
    w = leaf(2.0)
    for _ in range(3):
        (w * w).sum().backward()
        w.assign(w.numpy() - 0.25 * grad_of(w))
        w.zero_grad()
    np.testing.assert_allclose(w.numpy(), [0.25])


def test_values_cannot_be_changed_behind_the_graph() -> None:
    data = np.array([1.0, 2.0])
    x = Tensor(data, requires_grad=True)
    data[0] = 99.0
    assert x.numpy()[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        x.numpy()[0] = 99.0
    with pytest.raises(TypeError, match="where"):
        x[0] = 99.0


def test_an_array_written_after_it_was_an_operand_does_not_matter() -> None:
    x, factor = leaf(1.0), np.array([3.0], np.float32)
    loss = (x * factor).sum()
    factor[0] = 100.0
    loss.backward()
    np.testing.assert_array_equal(grad_of(x), [3.0])


def test_an_add_keeps_nothing_alive() -> None:
    x = leaf(1.0)
    y = x * 2.0
    kept = weakref.ref(y.array)
    z = y + 1.0
    del y
    assert kept() is None
    z.backward([1.0])
    np.testing.assert_array_equal(grad_of(x), [2.0])


def test_reference_counting_alone_frees_a_graph() -> None:
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        node = weakref.ref((engine.exp(x) * x).sum().node)
        assert node() is None
        loss = (x * x * x).sum()
        loss.backward(create_graph=True)
        node = weakref.ref(loss.node)
        del loss
        x.zero_grad()
        assert node() is None
    finally:
        gc.enable()


def test_a_kept_loss_holds_no_graph_after_backward() -> None:
    x = leaf(1.0)
    y = engine.exp(x)
    node = weakref.ref(y.node)
    loss = (y * y).sum()
    del y
    loss.backward()
    assert node() is None
    assert loss.item() > 0


def test_a_very_long_chain_builds_sweeps_and_frees() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.backward()
    np.testing.assert_array_equal(grad_of(x), [1.0])
    z = x
    for _ in range(100_000):
        z = z + 1.0
    del z  # freed without a sweep, and without recursion


def test_no_grad_and_enable_grad_nest_and_survive_exceptions() -> None:
    x = leaf(1.0)
    with engine.no_grad():
        with engine.enable_grad():
            assert (x * 2.0).requires_grad
        assert not (x * 2.0).requires_grad
    with contextlib.suppress(ValueError), engine.no_grad():
        (x @ Tensor([1.0, 2.0])).sum()
    assert (x * 2.0).requires_grad


def test_no_grad_does_not_leak_into_another_thread() -> None:
    x, seen = leaf(1.0), []
    with engine.no_grad():
        thread = threading.Thread(target=lambda: seen.append((x * 2.0).requires_grad))
        thread.start()
        thread.join()
    assert seen == [True]


def test_only_leaves_can_be_copied_and_pickled() -> None:
    x = Tensor([1.0], requires_grad=True, name="x")
    for twin in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert twin.requires_grad
        assert twin.name == "x"
        assert not np.shares_memory(twin.array, x.array)
    with pytest.raises(RuntimeError, match="detach"):
        copy.deepcopy(x * 2.0)
    with pytest.raises(RuntimeError, match="detach"):
        pickle.dumps(x * 2.0)


def test_create_graph_gives_derivatives_of_derivatives() -> None:
    x = Tensor(2.0, requires_grad=True)
    (x * x * x).backward(create_graph=True)
    first = x.grad
    assert first is not None
    assert first.item() == 12.0
    x.zero_grad()
    first.backward()
    assert x.grad is not None
    assert x.grad.item() == 12.0


def test_an_error_in_a_rule_names_the_op_and_its_scope_and_leaves_no_half_gradient() -> None:
    x = leaf(1.0)
    with engine.scope("layer"):
        y = engine.exp(x)
    loss = (y * x).sum()
    assert y.node is not None
    y.node.saved = (None,)  # what a broken rule would trip over
    with pytest.raises(RuntimeError, match=r"exp: its vjp rule failed \(in layer\)"):
        loss.backward()
    assert x.grad is None


def test_a_hook_sees_the_whole_gradient_and_may_replace_it() -> None:
    x = leaf(1.0, 2.0)
    y = x * 3.0
    seen: list[Any] = []
    y.register_hook(lambda g: seen.append(g.numpy().tolist()))
    remove = y.register_hook(lambda g: g * 10.0)
    (y * y + y).sum().backward()
    assert seen == [[7.0, 13.0]]  # 2y + 1, once, although two paths arrive
    np.testing.assert_array_equal(grad_of(x), [210.0, 390.0])
    remove()
    x.zero_grad()
    y = x * 3.0
    x.register_hook(lambda g: g + 1.0)
    y.sum().backward()
    np.testing.assert_array_equal(grad_of(x), [4.0, 4.0])


def test_a_hook_that_returns_nonsense_is_an_error() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1.0
    remove = y.register_hook(lambda g: g.sum())
    with pytest.raises(ValueError, match=r"multiply: a gradient hook returned shape \(\) for a gradient \(2,\)"):
        y.sum().backward()
    remove()
    y = x * 1.0
    y.register_hook(lambda g: 3.0)  # type: ignore[arg-type, return-value]
    with pytest.raises(TypeError, match="must return a Tensor or None, not float"):
        y.sum().backward()
    with pytest.raises(RuntimeError, match="register_hook"):
        Tensor(1.0).register_hook(print)
    assert x.grad is None


def test_hooks_work_in_recorded_sweeps() -> None:
    x = leaf(3.0)
    x.register_hook(lambda g: g * g)
    (x * x).sum().backward(create_graph=True)
    first = x.grad
    assert first is not None
    assert first.item() == 36
    x.grad = None
    first.sum().backward()  # d(2x)^2 = 8x, and the hook squares that
    assert grad_of(x).item() == 24**2


def test_anomaly_mode_names_the_op_the_scope_and_the_line() -> None:
    x = leaf(-1.0)
    with np.errstate(all="ignore"), engine.detect_anomaly(), engine.scope("layer"):
        with pytest.raises(
            FloatingPointError, match=r"log: .* at \(0,\).*in layer.*test_backward\.py:\d+ in test_anomaly"
        ):
            engine.log(x)
        loss = engine.pow(Tensor([-2.0]), leaf(3.0)).sum()  # 8 log(-2) has no value
        with pytest.raises(
            FloatingPointError, match=r"pow: the gradient it sends to argument 1 is nan \(in layer, made at"
        ):
            loss.backward()


def test_threads_may_share_parameters() -> None:
    w = leaf(2.0)

    def work() -> None:
        for _ in range(100):
            (w * w).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(grad_of(w), [8 * 100 * 4.0])

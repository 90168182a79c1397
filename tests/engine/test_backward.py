"""The life of a graph: backward, what it frees, what it refuses, and that no gradient is ever silently wrong."""

from __future__ import annotations

import gc
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


def test_retain_graph_allows_a_second_backward_which_accumulates() -> None:
    x = leaf(1.0)
    loss = (x * x).sum()
    loss.backward(retain_graph=True)
    loss.backward()
    np.testing.assert_array_equal(grad_of(x), [4.0])


def test_assigning_after_backward_is_what_training_does() -> None:
    w = leaf(2.0)
    for _ in range(3):
        (w * w).sum().backward()
        w.assign(w.numpy() - 0.25 * grad_of(w))
        w.zero_grad()
    np.testing.assert_allclose(w.numpy(), [0.25])


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

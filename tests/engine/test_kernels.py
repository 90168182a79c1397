"""Compiled kernels: the same laws, the same awkward values, and NumPy where they do not fit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor
from engine.primitive import registry
from engine.testing import check_op

NEEDS_NUMBA = pytest.mark.skipif(find_spec("numba") is None, reason="Numba is not installed")
SERVED = ("gelu", "layer_norm")
OPS: dict[str, Any] = {
    "gelu": lambda x: engine.gelu(x, approximate="tanh"),
    "layer_norm": lambda x: engine.layer_norm(x, np.ones(x.shape[-1], x.dtype), np.ones(x.shape[-1], x.dtype)),
}


@contextmanager
def compiled() -> Iterator[None]:
    """A context in which kernels serve."""
    engine.kernels.use("numba")
    try:
        yield
    finally:
        engine.kernels.use("numpy")


@pytest.fixture
def numba() -> Iterator[None]:
    with compiled():
        yield


def grown(f: Any, values: Any, g: Any) -> tuple[Any, Any]:
    """The value of f, and the gradient of <g, f>, in float32."""
    x = Tensor(np.asarray(values, np.float32), requires_grad=True)
    out = f(x)
    out.backward(np.asarray(g, np.float32))
    assert x.grad is not None
    return out.numpy(), x.grad.numpy()


def test_numpy_serves_until_something_else_is_asked_for() -> None:
    engine.kernels.use("numpy")
    assert engine.kernels.active() == "numpy"
    with pytest.raises(ValueError, match=r'^kernels.use: there are "numpy" and "numba", not "?\'?torch'):
        engine.kernels.use("torch")


def test_numba_missing_is_one_line_with_the_way_out() -> None:
    program = """
import sys
sys.modules["numba"] = None
import engine
try:
    engine.kernels.use("numba")
except ImportError as error:
    print(error, engine.kernels.active())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == 'kernels.use: Numba is not installed: pip install "blameflow[fast]" numpy\n', done.stderr


def test_importing_the_engine_does_not_import_numba() -> None:
    program = "import sys, engine; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"


@NEEDS_NUMBA
@pytest.mark.usefixtures("numba")
@pytest.mark.parametrize("op", SERVED)
def test_the_laws_hold_for_kernels(op: str) -> None:
    assert engine.kernels.active() == "numba"
    check_op(registry[op])


@NEEDS_NUMBA
@pytest.mark.parametrize("op", SERVED)
def test_kernels_and_numpy_agree(op: str) -> None:
    rng = np.random.default_rng(0)
    x, g = rng.standard_normal((2, 50, 33)) * 4, rng.standard_normal((2, 50, 33))
    plain = grown(OPS[op], x, g)
    with compiled():
        found = grown(OPS[op], x, g)
    for ours, theirs in zip(found, plain, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
        assert ours.dtype == np.float32


@NEEDS_NUMBA
@pytest.mark.parametrize("order", [("numba", "numpy"), ("numpy", "numba")])
@pytest.mark.parametrize("op", SERVED)
def test_a_node_is_swept_by_what_recorded_it(op: str, order: tuple[str, str]) -> None:
    x = Tensor(np.linspace(-2, 2, 12, dtype=np.float32).reshape(3, 4), requires_grad=True)
    g = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    try:
        engine.kernels.use(order[0])
        out = OPS[op](x)
        assert out.node is not None
        assert out.node.plan is not None
        rules = out.node.plan.pulls
        engine.kernels.use(order[1])
        assert out.node.plan.pulls is rules
        out.backward(g)
    finally:
        engine.kernels.use("numpy")
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), grown(OPS[op], x.numpy(), g)[1], rtol=1e-4, atol=1e-5)


@NEEDS_NUMBA
@pytest.mark.usefixtures("numba")
def test_far_values_and_values_that_are_not_used() -> None:
    value, slope = grown(OPS["gelu"], [1e30, -1e30, 0.5, np.nan, np.inf], [1, 1, 1, 0, 0])
    np.testing.assert_allclose(value[:3], [1e30, 0, 0.345714], rtol=1e-5)
    np.testing.assert_allclose(slope, [1, 0, 0.8673701, 0, 0], rtol=1e-5)
    value, slope = grown(OPS["layer_norm"], [[3e30, -3e30], [np.nan, 1.0]], [[1, 0], [0, 0]])
    np.testing.assert_allclose(value[0], [2, 0], rtol=1e-5)
    np.testing.assert_array_equal(slope, [[0, 0], [0, 0]])


@NEEDS_NUMBA
def test_gelu_is_as_exact_as_numpy_s_over_the_whole_range() -> None:
    """Relative to float64, where the true value is a normal float32; beyond, it is zero or nearly so."""
    x = np.concatenate([np.linspace(-11, 11, 20001), np.geomspace(1e-38, 1e38, 999), -np.geomspace(1e-38, 1e38, 999)])
    x = x.astype(np.float32)
    with np.errstate(all="ignore"):
        exact = engine.gelu(x.astype(np.float64), approximate="tanh")
        plain = engine.gelu(x, approximate="tanh")
        with compiled():
            found = engine.gelu(x, approximate="tanh")
    normal = np.abs(exact) > np.finfo(np.float32).tiny

    def worst(values: Any) -> float:
        return float((np.abs(values - exact)[normal] / np.abs(exact)[normal]).max())

    assert worst(found) < 2 * worst(plain)
    assert np.abs(found - exact)[~normal].max() < 1e-37


@NEEDS_NUMBA
@pytest.mark.usefixtures("numba")
@pytest.mark.parametrize("op", SERVED)
def test_what_does_not_fit_is_left_to_numpy(op: str) -> None:
    for x in (np.ones((2, 4), np.float16), np.ones((2, 4)), np.ones((0, 4), np.float32), np.ones((4, 2), np.float32).T):
        leaf = Tensor(x, requires_grad=True)
        OPS[op](leaf).sum().backward()
        assert leaf.grad is not None
        assert (leaf.grad.shape, leaf.grad.dtype) == (x.shape, x.dtype)
    with pytest.raises(ValueError, match="layer_norm: weight and bias of shapes"):
        engine.layer_norm(np.ones((2, 4), np.float32), np.ones(3, np.float32))


@NEEDS_NUMBA
@pytest.mark.usefixtures("numba")
@pytest.mark.parametrize("op", SERVED)
def test_second_derivatives_are_those_of_the_reference(op: str) -> None:
    x = np.linspace(-1, 2, 6, dtype=np.float32).reshape(2, 3)
    found = engine.grad(lambda y: (engine.grad(lambda z: (OPS[op](z) ** 2).sum())(y) ** 2).sum())(x)
    engine.kernels.use("numpy")
    expected = engine.grad(lambda y: (engine.grad(lambda z: (OPS[op](z) ** 2).sum())(y) ** 2).sum())(x)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-3, atol=1e-4)


@NEEDS_NUMBA
def test_a_folder_that_cannot_be_written_to_is_said_once() -> None:
    program = """
import warnings
import numba.core.caching as caching
caching.CacheImpl._locator_classes = caching.CompileResultCacheImpl._locator_classes = []
warnings.simplefilter("default")
import numpy as np, engine
engine.kernels.use("numba")
x = engine.Tensor(np.ones((1, 2), np.float32), requires_grad=True)
engine.gelu(x, approximate="tanh").sum().backward()
print(x.grad.numpy().tolist())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.startswith("[[1.08"), done.stderr
    assert done.stderr.count("kernels: no folder can be written to") == 1

"""Compiled kernels: the same laws, the same awkward values, and NumPy where they do not fit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor
from engine.kernels import taken
from engine.primitive import registry
from engine.testing import check_op
from nn.optim import Adam, AdamW

NEEDS_NUMBA = pytest.mark.skipif(find_spec("numba") is None, reason="Numba is not installed")
SERVED = ("gelu", "layer_norm", "matmul", "scaled_dot_product_attention")
EYE = np.eye(33, dtype=np.float32)


def attention(x: Any) -> Any:
    """Of each row to those before it, where four axes are wanted."""
    x = x.reshape((1,) * (4 - x.ndim) + x.shape)
    return engine.scaled_dot_product_attention(x, x * 0.5, x + 1.0, causal=True).reshape(x.shape[4 - x.ndim :])


OPS: dict[str, Any] = {
    "gelu": lambda x: engine.gelu(x, approximate="tanh"),
    "layer_norm": lambda x: engine.layer_norm(x, np.ones(x.shape[-1], x.dtype), np.ones(x.shape[-1], x.dtype)),
    "matmul": lambda x: engine.matmul(x, np.ones((x.shape[-1], x.shape[-1]), x.dtype) / x.shape[-1]),
    "scaled_dot_product_attention": attention,
}
SHAPES = dict.fromkeys(SERVED, (2, 50, 33)) | {"scaled_dot_product_attention": (2, 3, 70, 8)}


@contextmanager
def using(name: str) -> Iterator[None]:
    """A context in which kernels serve, or NumPy; for arrays of any size."""
    before = engine.kernels.active()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(taken, "_LEAST", 1)
        engine.kernels.use(name)
        try:
            yield
        finally:
            engine.kernels.use(before)


@pytest.fixture
def numba() -> Iterator[None]:
    with using("numba"):
        yield


def grown(f: Any, values: Any, g: Any) -> tuple[Any, Any]:
    """The value of f, and the gradient of <g, f>, in float32."""
    x = Tensor(np.asarray(values, np.float32), requires_grad=True)
    out = f(x)
    out.backward(np.asarray(g, np.float32))
    assert x.grad is not None
    return out.numpy(), x.grad.numpy()


def said(program: str) -> tuple[str, str]:
    """What a program of its own prints, to both streams."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    return done.stdout, done.stderr


def test_what_serves_is_numba_if_it_is_installed() -> None:
    expected = "numpy" if find_spec("numba") is None else "numba"
    assert said("import engine; print(engine.kernels.active())")[0] == f"{expected}\n"
    with pytest.raises(ValueError, match=r'^kernels.use: there are "numpy" and "numba", not "?\'?torch'):
        engine.kernels.use("torch")


def test_numba_missing_is_one_line_with_the_way_out() -> None:
    program = """
import sys, importlib.util
sys.modules["numba"] = None
find = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == "numba" else find(name)
import engine
try:
    engine.kernels.use("numba")
except ImportError as error:
    print(error, engine.kernels.active())
"""
    assert said(program)[0] == 'kernels.use: Numba is not installed: pip install "blameflow[fast]" numpy\n'


@NEEDS_NUMBA
def test_a_numba_that_does_not_work_is_said_once_and_numpy_serves(tmp_path: Path) -> None:
    (tmp_path / "numba.py").write_text("raise ImportError('Numba needs an older NumPy')")
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import numpy as np, engine
engine.tune(threads=2)
x = engine.Tensor(np.ones(5000, np.float32), requires_grad=True)
for _ in range(2):
    engine.gelu(x, approximate="tanh").sum().backward()
print(engine.kernels.active(), engine.tune().threads)
"""
    out, error = said(program)
    assert out == "numpy 2 for each large product\n"
    assert error.count("kernels.use: Numba cannot be imported: Numba needs an older NumPy; NumPy serves instead") == 1


@NEEDS_NUMBA
def test_numba_is_imported_when_a_large_array_comes() -> None:
    program = """
import sys, engine, numpy as np
for size in (10, 10000):
    engine.gelu(np.ones(size, np.float32), approximate="tanh")
    print("numba" in sys.modules)
"""
    assert said(program)[0] == "False\nTrue\n"


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
    x, g = rng.standard_normal(SHAPES[op]) * 4, rng.standard_normal(SHAPES[op])
    with using("numpy"):
        plain = grown(OPS[op], x, g)
    with using("numba"):
        found = grown(OPS[op], x, g)
    for ours, theirs in zip(found, plain, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-5)
        assert ours.dtype == np.float32


@NEEDS_NUMBA
@pytest.mark.usefixtures("numba")
@pytest.mark.parametrize("op", SERVED)
def test_kernels_are_what_is_called(op: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Matmul has one only where threads share it."""
    from engine import threads
    from engine.kernels import table

    served = []

    def spied(name: str, kernel: Any) -> Any:
        def spy(*arrays: Any, **metadata: Any) -> Any:
            result = kernel(*arrays, **metadata)
            served.append((name, result is not None))
            return result

        return spy

    monkeypatch.setattr(threads._now, "chosen", 2)
    kernels = {name: kernel for name, kernel in table.KERNELS[op]._asdict().items() if kernel is not None}
    spies = table.KERNELS[op]._replace(**{name: spied(name, kernel) for name, kernel in kernels.items()})
    monkeypatch.setitem(table.KERNELS, op, spies)
    shape = (3, 100, 100) if op == "matmul" else SHAPES[op]
    grown(OPS[op], np.ones(shape), np.ones(shape))
    assert set(served) == {(name, True) for name in kernels}


@NEEDS_NUMBA
@pytest.mark.parametrize("order", [("numba", "numpy"), ("numpy", "numba")])
@pytest.mark.parametrize("op", SERVED)
def test_a_node_is_swept_by_what_recorded_it(op: str, order: tuple[str, str]) -> None:
    x = Tensor(np.linspace(-2, 2, 12, dtype=np.float32).reshape(3, 4), requires_grad=True)
    g = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    with using(order[0]):
        out = OPS[op](x)
        assert out.node is not None
        assert out.node.plan is not None
        rules = out.node.plan.pulls
        engine.kernels.use(order[1])
        assert out.node.plan.pulls is rules
        out.backward(g.reshape(out.shape))
    assert x.grad is not None
    with using("numpy"):
        expected = grown(OPS[op], x.numpy(), g.reshape(out.shape))[1]
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-4, atol=1e-5)


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
        with using("numpy"):
            plain = engine.gelu(x, approximate="tanh")
        with using("numba"):
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
    with using("numpy"):
        expected = engine.grad(lambda y: (engine.grad(lambda z: (OPS[op](z) ** 2).sum())(y) ** 2).sum())(x)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-3, atol=1e-4)


@NEEDS_NUMBA
@pytest.mark.parametrize("kind", [Adam, AdamW])
def test_steps_of_optimizers_agree(kind: Any) -> None:
    rng = np.random.default_rng(0)
    start, gradients = rng.standard_normal((60, 90)), rng.standard_normal((5, 60, 90))
    ends = []
    for name in ("numpy", "numba"):
        with using(name):
            p = Tensor(start.astype(np.float32), requires_grad=True)
            optimizer = kind([p], lr=0.01, weight_decay=0.1)
            for g in gradients:
                p.grad = Tensor(g.astype(np.float32))
                optimizer.step()
            ends.append([p.numpy(), *optimizer.state[0].values()])
    for plain, compiled in zip(*ends, strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=1e-5, atol=1e-6)


@NEEDS_NUMBA
def test_a_folder_that_cannot_be_written_to_is_said_once() -> None:
    program = """
import warnings
import numba.core.caching as caching
caching.CacheImpl._locator_classes = caching.CompileResultCacheImpl._locator_classes = []
warnings.simplefilter("default")
import numpy as np, engine
x = engine.Tensor(np.ones((1, 5000), np.float32), requires_grad=True)
engine.gelu(x, approximate="tanh").sum().backward()
print(x.grad.numpy()[0, :2].tolist())
"""
    out, error = said(program)
    assert out.startswith("[1.08"), error
    assert error.count("kernels: no folder can be written to") == 1


# ---- the team --------------------------------------------------------------------------------------------------------


TRAINING = """
import engine, numpy as np
from engine.kernels import taken
print(engine.tune(threads={threads}).threads, end=" ")
rng = np.random.default_rng(0)
def array(*shape):
    return engine.Tensor(rng.standard_normal(shape).astype(np.float32), requires_grad=True)
q, k, v, w = array(2, 4, 100, 32), array(2, 4, 100, 32), array(2, 4, 100, 32), array(32, 512)
for _ in range(30):
    y = engine.scaled_dot_product_attention(q, k, v, causal=True).reshape(-1, 32)
    y = engine.gelu(engine.layer_norm(y, np.ones(32, np.float32)) @ w, approximate="tanh")
    (y * y).mean().backward()
import hashlib
print(hashlib.sha256(b"".join(x.grad.numpy().tobytes() for x in (q, k, v, w))).hexdigest())
"""


@NEEDS_NUMBA
def test_the_number_of_threads_changes_no_bit() -> None:
    """Of what kernels compute; the products are left to one thread, or shared in the same pieces."""
    two, four = (said(TRAINING.format(threads=count))[0].split() for count in (2, 4))
    assert (two[0], four[0]) == ("2", "4")
    assert two[-1] == four[-1]


@NEEDS_NUMBA
def test_a_team_serves_several_threads_and_forked_processes() -> None:
    program = """
import os, threading, warnings
warnings.simplefilter("ignore")  # Python's own about a fork beside threads
import numpy as np, engine
engine.tune(threads=2)
x = np.linspace(-3, 3, 100000).astype(np.float32)
expected = engine.gelu(x, approximate="tanh")
wrong = []
def work():
    for _ in range(200):
        if not np.array_equal(engine.gelu(x, approximate="tanh"), expected):
            wrong.append(1)
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
if hasattr(os, "fork"):
    child = os.fork()
    if not child:
        work()
        os._exit(len(wrong))
    wrong += [1] * (os.waitpid(child, 0)[1] >> 8)
print(len(wrong))
"""
    assert said(program)[0] == "0\n"


@NEEDS_NUMBA
def test_a_helper_keeps_no_array_alive() -> None:
    program = """
import gc, time, weakref, numpy as np, engine
engine.tune(threads=2)
for _ in range(50):
    x = np.ones(1 << 20, np.float32)
    engine.gelu(x, approximate="tanh")
end = weakref.ref(x)
del x
deadline = time.monotonic() + 10
while end() is not None and time.monotonic() < deadline:
    time.sleep(0.01)
print(end() is None)
"""
    assert said(program)[0] == "True\n"

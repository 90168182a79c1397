"""Settings of the whole process. They would hold for all other tests too, so each of these runs in its own process."""

from __future__ import annotations

import subprocess
import sys

import pytest

import engine
from engine.blas import openblas

NEEDS_OPENBLAS = pytest.mark.skipif(openblas() is None, reason="NumPy does not use OpenBLAS here")


def printed(program: str) -> list[str]:
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, encoding="utf-8")
    assert not done.returncode, done.stderr
    return done.stdout.splitlines()


def test_it_says_what_it_did_and_may_be_called_again() -> None:
    first, *_ = lines = printed("import engine; print(engine.tune()); print(engine.tune())")
    assert [line.split()[0] for line in lines] == ["memory", "products", "threads"] * 2
    assert lines[:3] == lines[3:]
    assert first.startswith("memory    ")


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2", engine.Tensor(2.0, requires_grad=True)])
def test_threads_must_be_a_whole_number(threads: object) -> None:
    with pytest.raises(ValueError, match=r"^tune: threads must be a whole number from 1, not "):
        engine.tune(threads=threads)  # type: ignore[arg-type]


@NEEDS_OPENBLAS
def test_products_get_as_many_threads_as_asked_for() -> None:
    assert printed("import engine; print(engine.tune(threads=1).threads)") == ["1 for each large product"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has glibc")
def test_freed_arrays_are_kept() -> None:
    """Counted in pages that the system had to give to the process."""
    program = """
import resource, engine, numpy as np
def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(1 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
before = pages()
done = engine.tune()
pages()
print("kept" in done.memory, before, pages())
"""
    kept, before, after = printed(program)[0].split()
    if kept == "False":
        pytest.skip("this system has another C library")
    assert int(after) < int(before) / 10


@NEEDS_OPENBLAS
def test_other_kernels_compute_the_same_products() -> None:
    """As on a processor whose kernels OpenBLAS does not choose by itself; here it is made to choose older ones."""
    program = """
import sys, engine, numpy as np
from engine.blas import openblas
module = sys.modules["engine.tune"]
module.unused_avx512 = lambda: True
module._AVX512_CORE = "Haswell"
a = np.random.default_rng(0).standard_normal((300, 300))
before = a @ a
old = openblas().core
print(old, "/", engine.tune().products, "/", openblas().core, "/", np.allclose(a @ a, before, rtol=1e-12, atol=1e-12))
"""
    old, said, core, same = printed(program)[0].split(" / ")
    if old == "Haswell" or core != "Haswell":
        pytest.skip(f"there is one kind of kernels only, for {core}")
    assert said == "OpenBLAS with its kernels for Haswell; it had chosen others, without AVX-512"
    assert same == "True"

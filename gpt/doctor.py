"""doctor: what this machine offers to a training, measured, and what to do where it is slow.

Everything is measured for about a second, best of several tries, because other programs only ever make things slower.

Read next: `gpt/files.py`.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import engine
from engine import Tensor
from engine.blas import OpenBLAS, openblas
from engine.tune import Tuned
from gpt.training.processes import cores

_SIDE = 1024  # of the matrices multiplied
_NUMBERS = 1 << 20  # of the arrays added, 4 MB each in float32
_TRIES = 7
_SCALES = 1.3  # what a second thread should be worth at least
_STEADY = 1.5  # how far the tries may be apart on a quiet machine


@dataclass(frozen=True)
class Health:
    """What was found.

    Fields:
        tuned: what `engine.tune` did.
        kernels: what serves the heaviest ops, as `engine.kernels.active` says.
        processor: its name, and how many cores this process may use.
        products: billions of operations a second in products of float32 matrices, by the number of threads; the
            number is 0 where the library does not say.
        spread: the slowest try of a product divided by the fastest.
        fresh, reused: gigabytes a second that an addition reads and writes, with its result in a new array, and in one
            that is there already.
        small_op: microseconds of one small op, forward and backward.
    """

    tuned: Tuned
    kernels: str
    processor: str
    products: dict[int, float]
    spread: float
    fresh: float
    reused: float
    small_op: float

    def lines(self) -> Iterator[str]:
        """The findings, a line each."""
        yield f"python     {platform.python_version()}, NumPy {np.__version__}"
        yield f"processor  {self.processor}"
        yield f"memory     {self.tuned.memory}"
        yield f"products   {self.tuned.products}"
        yield f"threads    {self.tuned.threads}"
        yield f"kernels    {self.kernels}"
        for threads, rate in self.products.items():
            who = f"{threads} thread{'s' if threads > 1 else ''}" if threads else "all threads"
            yield f"measured   {rate:.0f} billion operations a second in products of matrices, {who}"
        memory = f"{self.reused:.1f} GB a second in an addition, {self.fresh:.1f} with a new array for the result"
        yield f"measured   {memory}"
        yield f"measured   {self.small_op:.1f} µs for a small op, forward and backward"

    def advice(self) -> Iterator[str]:
        """What to do, a sentence each; nothing where all is well."""
        yield from self.tuned.advice
        if self.kernels == "numpy":
            yield 'NumPy alone serves; kernels of Numba, which pip install "blameflow[fast]" brings, train faster.'
        counts = sorted(self.products)
        if len(counts) > 1 and self.products[counts[-1]] < _SCALES * self.products[counts[0]]:
            yield (
                f"{counts[-1]} threads compute products hardly faster than one: other programs use the cores, or this "
                "process may not use them all."
            )
        if self.spread > _STEADY:
            yield (
                f"The same product took up to {self.spread:.1f} times as long: another program uses the processor. "
                "Measure again when it is quiet."
            )


def examine() -> Health:
    """Measure this machine, after `engine.tune`; takes about two seconds."""
    tuned = engine.tune()
    library = openblas()
    products, spread = _products(library)
    x, y, out = (np.ones(_NUMBERS, np.float32) for _ in range(3))
    moved = 3 * x.nbytes / 1e9
    return Health(
        tuned=tuned,
        kernels=engine.kernels.active(),
        processor=f"{processor()}, {cores()} cores",
        products=products,
        spread=spread,
        fresh=moved / min(_seconds(lambda: x + y)),
        reused=moved / min(_seconds(lambda: np.add(x, y, out=out))),
        small_op=_small_op(),
    )


def _products(library: OpenBLAS | None) -> tuple[dict[int, float], float]:
    """The rate by the number of threads, and how far the tries were apart."""
    a = np.ones((_SIDE, _SIDE), np.float32)
    operations = 2 * _SIDE**3 / 1e9
    if library is None:
        times = _seconds(lambda: a @ a)
        return {0: operations / min(times)}, max(times) / min(times)
    rates, spread, chosen = {}, 1.0, library.threads
    for threads in sorted({1, cores()}):
        library.threads = threads
        times = _seconds(lambda: a @ a)
        rates[threads] = operations / min(times)
        spread = max(spread, max(times) / min(times))
    library.threads = chosen
    return rates, spread


def _small_op() -> float:
    x = Tensor(np.ones(1), requires_grad=True)
    length = 1000

    def chain() -> None:
        y: Any = x
        for _ in range(length):
            y = y * 1.0
        y.backward()

    return min(_seconds(chain)) / length * 1e6


def _seconds(work: Callable[[], Any]) -> list[float]:
    """The times of several tries, after one that is not counted."""
    times = []
    for _ in range(1 + _TRIES):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return times[1:]


def processor() -> str:
    """Its name."""
    try:
        described = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in described.splitlines() if line.startswith("model name"))
    return next(named, platform.machine())

"""What the engine itself costs: small ops, long chains, and its import.

    python benchmarks/overhead.py [--rounds 15] [--length 2000]

1. A chain of small ops, forward and backward, per op: ours and PyTorch eager (one thread) on (4, 4) float32 arrays;
   autograd on the same arrays and micrograd on Python numbers where they are installed.
2. A chain of additions, ours alone: built, swept and freed, per op, at 100,000 and at 1,000,000 ops.
3. The import of `engine` against the import of NumPy, in fresh processes.
"""

from __future__ import annotations

import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.contest import Contest, parser, repeat, report, serve


def chain(x: Any, factor: Any, length: int, tanh: Callable[[Any], Any]) -> Any:
    """A product, a tanh, a sum that fans out to x, a difference, and so on."""
    y = x
    for _ in range(length // 4):
        y = tanh(y * factor)
        y = (y + x) - factor
    return y


def blameflow(length: int) -> Callable[[], float]:
    import numpy as np

    from engine import Tensor, tanh

    factor = Tensor(np.full((4, 4), 0.5, np.float32))

    def once() -> float:
        x = Tensor(np.full((4, 4), 0.25, np.float32), requires_grad=True)
        chain(x, factor, length, tanh).sum().backward()
        assert x.grad is not None
        return x.grad.array[0, 0].item()

    return once


def pytorch(length: int) -> Callable[[], float]:
    import torch

    torch.set_num_threads(1)
    factor = torch.full((4, 4), 0.5)

    def once() -> float:
        x = torch.full((4, 4), 0.25, requires_grad=True)
        chain(x, factor, length, torch.tanh).sum().backward()
        return float(x.grad[0, 0])

    return once


def autograd(length: int) -> Callable[[], float]:
    import autograd
    import autograd.numpy as np

    factor = np.full((4, 4), 0.5, np.float32)
    gradient = autograd.grad(lambda x: np.sum(chain(x, factor, length, np.tanh)))
    return lambda: float(gradient(np.full((4, 4), 0.25, np.float32))[0, 0])


def micrograd(length: int) -> Callable[[], float]:
    from micrograd.engine import Value

    sys.setrecursionlimit(10 * length + 1000)  # its sweep is recursive

    def tanh(x: Any) -> Any:
        return x.relu()  # it has no tanh; relu costs it less

    def once() -> float:
        x = Value(0.25)
        chain(x, Value(0.5), length, tanh).backward()
        return x.grad

    return once


CONTESTANTS = {"blameflow": blameflow, "pytorch": pytorch, "autograd": autograd, "micrograd": micrograd}


def long_chain(length: int) -> tuple[float, float, float]:
    """Microseconds per op to build, to sweep and to free a chain of additions without a sweep."""
    from engine import Tensor

    def build() -> Any:
        y = Tensor(0.0, requires_grad=True)
        for _ in range(length):
            y = y + 1.0
        return y

    marks = [time.perf_counter()]
    y = build()
    marks.append(time.perf_counter())
    y.backward()
    marks.append(time.perf_counter())
    y = build()
    gc.collect()
    began = time.perf_counter()
    del y
    freed = time.perf_counter() - began
    built, swept = (1e6 * (b - a) / length for a, b in pairwise(marks))
    return built, swept, 1e6 * freed / length


def seconds_to_import(module: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    return time.perf_counter() - began


def main() -> None:
    arguments = parser(__doc__, CONTESTANTS, rounds=15)
    arguments.add_argument("--length", type=int, default=2000)
    args = arguments.parse_args()
    if args.worker:
        once = CONTESTANTS[args.worker](args.length)
        serve(lambda times: repeat(once, times))
        return
    print(f"1. a chain of {args.length} small ops, forward and backward")
    contest = Contest(__file__, list(CONTESTANTS), ["--length", str(args.length)])
    contest.rounds(2, 5)
    report(contest.rounds(args.rounds, 5), "us per op", 1e6 / args.length)
    contest.close()
    print("2. a long chain of additions, microseconds per op (best of 3)")
    totals = {}
    for length in (100_000, 1_000_000):
        built, swept, freed = (min(column) for column in zip(*(long_chain(length) for _ in range(3)), strict=True))
        totals[length] = built + swept + freed
        print(f"{length:>10,}: build {built:.2f}, sweep {swept:.2f}, free {freed:.2f}")
    print(f"     ratio: {totals[1_000_000] / totals[100_000]:.2f} per op, the long one over the short one")
    print("3. import, in fresh processes")
    pairs = [(seconds_to_import("engine"), seconds_to_import("numpy")) for _ in range(args.rounds)]
    for name, found in zip(("engine", "numpy"), zip(*pairs, strict=True), strict=True):
        print(f"{name:>10}: median {1000 * statistics.median(found):.0f} ms")
    print(f"     ratio: median {statistics.median(a / b for a, b in pairs):.2f}")


if __name__ == "__main__":
    main()

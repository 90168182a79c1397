"""What the engine itself costs: small ops, long chains, and its import.

    python benchmarks/overhead.py [--rounds 15] [--length 2000]

1. A chain of small ops, forward and backward, per op: ours and PyTorch eager (one thread) on (4, 4) float32 arrays;
   autograd on the same arrays and micrograd on Python numbers where they are installed.
2. A chain and a tree of small ops, ours alone: built, swept and freed, per op, at 100,000 and at 1,000,000 ops, with
   Python's garbage collector running, as it does in a program; once more without it, which shows its part.
3. The import of `engine` against the import of NumPy, in fresh processes that find compiled bytecode.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
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


def deep(x: Any, half: Any, length: int) -> Any:
    """A chain: each op takes the result of the one before."""
    y = x
    for _ in range(length // 2):
        y = y * half + x
    return y


def wide(x: Any, half: Any, length: int) -> Any:
    """A tree: half of the ops take x, the others add two results each; the whole last row is alive at once."""
    row = [x * half for _ in range(length // 2)]
    while len(row) > 1:
        odd = row[-1:] if len(row) % 2 else []
        row = [a + b for a, b in zip(row[::2], row[1::2], strict=False)] + odd
    return row[0]


def built_swept_freed(graph: Callable[[Any, Any, int], Any], length: int) -> tuple[float, float, float]:
    """Microseconds of the processor per op to build a graph, to sweep it, and to free one that is not swept."""
    import numpy as np

    from engine import Tensor

    x, half = Tensor(np.float32(0.5), requires_grad=True), Tensor(np.float32(0.5))
    marks = [time.process_time()]
    y = graph(x, half, length)
    marks.append(time.process_time())
    y.backward()
    marks.append(time.process_time())
    y = graph(x, half, length)
    began = time.process_time()
    del y
    freed = time.process_time() - began
    built, swept = (1e6 * (b - a) / length for a, b in pairwise(marks))
    return built, swept, 1e6 * freed / length


def long_graphs(repeats: int = 3) -> None:
    """Both graphs at both lengths, with the collector and without: the best of a few, and the ratio per op."""
    for graph, collecting in ((deep, True), (deep, False), (wide, True), (wide, False)):
        (gc.enable if collecting else gc.disable)()
        totals = []
        for length in (100_000, 1_000_000):
            rows = [built_swept_freed(graph, length) for _ in range(repeats)]
            built, swept, freed = (min(column) for column in zip(*rows, strict=True))
            totals.append(built + swept + freed)
            title = f"{graph.__name__}, {length:,} ops{'' if collecting else ', collector off'}"
            print(f"{title:>36}: build {built:.2f}, sweep {swept:.2f}, free {freed:.2f}, together {totals[-1]:.2f}")
        print(f"{'ratio':>36}: {totals[1] / totals[0]:.2f} per op, the long one over the short one")
    gc.enable()


def seconds_to_import(module: str, bytecode: str) -> float:
    """How long a fresh process takes for one import, with its compiled bytecode in the folder `bytecode`."""
    settings = {**os.environ, "PYTHONPATH": sys.path[0], "PYTHONPYCACHEPREFIX": bytecode}
    settings.pop("PYTHONDONTWRITEBYTECODE", None)
    program = f"import time; began = time.perf_counter(); import {module}; print(time.perf_counter() - began)"
    command = [sys.executable, "-c", program]
    return float(subprocess.run(command, env=settings, capture_output=True, text=True, check=True).stdout)


def imports(rounds: int) -> None:
    with TemporaryDirectory() as bytecode:
        times: dict[str, list[float]] = {"engine": [], "numpy": []}
        for k in range(rounds + 1):
            for name, found in times.items():
                taken = seconds_to_import(name, bytecode)
                found += [taken] * bool(k)  # the first import compiles
    report(times, "ms", 1000)


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
    print("2. long graphs, microseconds of the processor per op (best of 3)")
    long_graphs()
    print("3. import, in fresh processes")
    imports(args.rounds)


if __name__ == "__main__":
    main()

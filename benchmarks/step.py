"""One training step (forward, backward, clipping, AdamW) of the same model: ours against PyTorch, JAX and autograd.

    python benchmarks/step.py [--model w1 w2 w3 calculator] [--only pytorch fast-tuned ...] [--rounds 7] [--quick]

Contestants take turns of about a second. The first table has medians, and how much of the machine's peak they reach:
the best rate of a product of two 2048 x 2048 matrices of float32 in NumPy (with `engine.tune()` and without) and
PyTorch, measured in turns as well. The second has the ratio to PyTorch eager in the same round.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.contest import BASE, Contest, Times, parser, ratios, repeat, serve, spread, watch_for
from benchmarks.contestants import CONTESTANTS, Step
from benchmarks.quiet import Watch
from benchmarks.tables import table
from benchmarks.workload import WORKLOADS

SIDE = 2048  # of the matrices whose product gives the peak
TURN = 1.0  # seconds
AGREEMENT = 1e-4  # of the first losses


def product_numpy(tuned: bool) -> Step:
    import numpy as np

    import engine

    if tuned:
        engine.tune()
    a = np.ones((SIDE, SIDE), np.float32)
    return lambda: float((a @ a)[0, 0])


def product_pytorch() -> Step:
    import torch

    a = torch.ones(SIDE, SIDE)
    return lambda: float((a @ a)[0, 0])


PRODUCTS: dict[str, tuple[str, Callable[[], Step]]] = {
    "product-numpy": ("NumPy", lambda: product_numpy(tuned=False)),
    "product-numpy-tuned": ("NumPy after `engine.tune()`", lambda: product_numpy(tuned=True)),
    "product-pytorch": ("PyTorch", product_pytorch),
}


def peaks(rounds: int, watch: Watch) -> dict[str, float]:
    """The best rate of each library in a large product, in operations a second."""
    contest = Contest(__file__, list(PRODUCTS), watch=watch)
    times = contest.rounds(rounds, contest.amounts(TURN / 2))
    contest.close()
    return {name: 2 * SIDE**3 / min(found) for name, found in times.items()}


def measured(model: str, names: list[str], rounds: int, watch: Watch) -> Times:
    """Seconds of a step. SystemExit if the first losses differ: then these are not the same model."""
    contest = Contest(__file__, names, ["--model", model], watch)
    for reason in contest.left_out:
        print(f"{model}: {reason}\n")
    losses = contest.first
    print(f"{model}: first losses {', '.join(f'{n} {loss:.6f}' for n, loss in losses.items())}", file=sys.stderr)
    if max(losses.values()) - min(losses.values()) > AGREEMENT:
        raise SystemExit(f"{model}: the first losses differ, so these are not the same model: {losses}")
    times = contest.rounds(rounds, contest.amounts(TURN))
    contest.close()
    return times


def main() -> None:
    arguments = parser(__doc__, [*CONTESTANTS, *PRODUCTS], rounds=7)
    arguments.add_argument("--model", nargs="+", choices=WORKLOADS, default=["calculator"])
    arguments.add_argument("--only", nargs="+", choices=CONTESTANTS, default=[*CONTESTANTS])
    args = arguments.parse_args()
    if args.worker in PRODUCTS:
        product = PRODUCTS[args.worker][1]()
        serve(lambda times: repeat(product, times))
        return
    if args.worker:
        step = CONTESTANTS[args.worker].step(WORKLOADS[args.model[0]])
        serve(lambda steps: repeat(step, steps))
        return
    watch = watch_for(args.rounds)
    rates = peaks(args.rounds, watch)
    times = {model: measured(model, args.only, args.rounds, watch) for model in args.model}
    peak = max(rates.values())
    said = ", ".join(f"{PRODUCTS[name][0]} {rate / 1e9:.0f}" for name, rate in rates.items())
    print(f"A product of {SIDE} x {SIDE} matrices, billions of operations a second: {said}.\n")
    head = ["ms a step (share of that peak)", *args.model]
    names = [name for name in args.only if any(name in found for found in times.values())]
    print(table(head, [[CONTESTANTS[n].title, *(_time(times[m], n, m, peak) for m in args.model)] for n in names]))
    if BASE in names:
        print()
        head = ["time relative to PyTorch eager", *args.model]
        shown = [n for n in names if n != BASE]
        print(table(head, [[CONTESTANTS[n].title, *(_ratio(times[m], n) for m in args.model)] for n in shown]))
    print(f"\nMedians and ranges of {args.rounds} rounds. {watch}")


def _time(times: Times, name: str, model: str, peak: float) -> str:
    if name not in times:
        return ""
    seconds = statistics.median(times[name])
    return f"{1e3 * seconds:.1f} ({WORKLOADS[model].flops() / seconds / peak:.0%})"


def _ratio(times: Times, name: str) -> str:
    return spread(ratios(times)[name]) if name in times else ""


if __name__ == "__main__":
    main()

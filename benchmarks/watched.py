"""What it costs to look at a backward pass of PyTorch: `viz.trace` beside the plain pass, for models of many kinds.

    python benchmarks/watched.py [gpt2-12 ...] [--rounds 5] [--threads 2] [--dropout]

Every model has a process of its own, in which backward and trace take turns; times are medians, and the ratio is the
median of the rounds' ratios. Extra memory is how much the trace raises the process's peak above that of the backward
pass. The last columns say how right the flow is: how far the shares into a value are from adding up to 1, and how far
the norm of a stage is from that of its parameters' `.grad`, each the worst of the model.
"""

from __future__ import annotations

import argparse
import math
import statistics
import subprocess
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

import viz
from benchmarks.machine import peak_memory
from benchmarks.torch_models import MODELS

HEAD = (
    f"{'model':<9}{'values':>7}{'fold(1)':>9}{'fold(2)':>9}{'backward':>13}{'trace':>13}{'ratio':>7}{'memory':>10}"
    f"{'|shares-1|':>12}{'stages':>9}"
)


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def watched(name: str, rounds: int, dropout: bool) -> str:
    """The row of one model."""
    torch.manual_seed(0)
    model, loss_of = MODELS[name]()
    model.train(dropout)
    plain, traced = [], []
    for number in range(rounds + 1):
        model.zero_grad(set_to_none=True)
        with viz.scopes(model):
            loss = loss_of()
        taken = seconds(lambda loss=loss: loss.backward(retain_graph=True))[0]  # type: ignore[misc]
        before = peak_memory()
        taken_by_trace, flow = seconds(lambda loss=loss: viz.trace(loss))  # type: ignore[misc]
        if number:
            plain.append(taken)
            traced.append(taken_by_trace)
        else:  # the first round warms up, and tells the memory
            extra = peak_memory() - before
    ratio = statistics.median(b / a for a, b in zip(plain, traced, strict=True))
    boxes = [len(flow.fold(depth).nodes) for depth in (1, 2)]
    return (
        f"{name:<9}{len(flow.nodes):>7}{boxes[0]:>9}{boxes[1]:>9}{1e3 * statistics.median(plain):>10.1f} ms"
        f"{1e3 * statistics.median(traced):>10.1f} ms{ratio:>7.2f}{extra:>7.0f} MB"
        f"{worst_share(flow):>12.0e}{worst_stage(flow, model):>9.0e}"
    )


def worst_share(flow: viz.BlameFlow) -> float:
    """How far the shares into a value are from adding up to 1; those into a gradient of zero are nan and left out."""
    into: dict[str, float] = defaultdict(float)
    for edge in flow.edges:
        into[edge.target] += edge.share
    return max(abs(total - 1) for total in into.values() if not math.isnan(total))


def worst_stage(flow: viz.BlameFlow, model: Any) -> float:
    """How far the norm of a stage is, relatively, from the norm of what `backward` left in `.grad`."""
    gradients = {path: float(p.grad.double().norm()) for path, p in model.named_parameters() if p.grad is not None}
    expected: dict[str, float] = defaultdict(float)
    for parameter in flow.parameters:
        path = ".".join((*parameter.scope, parameter.name or ""))
        norm = gradients[path if path in gradients else parameter.name or ""]
        stage = parameter.scope[0] if parameter.scope else parameter.name or ""
        expected[stage] = math.hypot(expected[stage], norm)
    return max(abs(stage.norm - expected[stage.name]) / expected[stage.name] for stage in flow.stages())


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("models", nargs="*", metavar="model", help=f"all if none is named: {', '.join(MODELS)}")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--threads", type=int, default=torch.get_num_threads())
    options.add_argument("--dropout", action="store_true", help="models in training mode")
    options.add_argument("--worker", help=argparse.SUPPRESS)
    given = options.parse_args()
    for name in given.models:
        if name not in MODELS:
            options.error(f"no model {name!r}; there are {', '.join(MODELS)}")
    if given.worker:
        warnings.simplefilter("ignore")
        torch.set_num_threads(given.threads)
        print(watched(given.worker, given.rounds, given.dropout))
        return
    print(f"PyTorch {torch.__version__}, {given.threads} threads, medians of {given.rounds} rounds\n{HEAD}")
    same = ["--rounds", str(given.rounds), "--threads", str(given.threads), *["--dropout"] * given.dropout]
    for name in given.models or MODELS:
        command = [sys.executable, __file__, "--worker", name, *same]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        last = (done.stderr.strip() or "ended early").splitlines()[-1]
        print(done.stdout.strip() if not done.returncode else f"{name:<9}is left out: {last}", flush=True)


if __name__ == "__main__":
    main()

"""One training step (forward, backward, clipping, AdamW) of the same model: ours against PyTorch eager.

    python benchmarks/step.py [--model calculator|w1|w2|w3] [--rounds 7] [--steps 20]

Each contestant lives in a process of its own, started from this one; they take turns, so that a slow moment of the
machine hits both, and the median of the ratios is what counts. Both start from the same parameters and the first loss
must agree. PyTorch runs as installed, with its own number of threads.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

MODELS: dict[str, tuple[dict[str, Any], int]] = {  # shape, batch size; every text fills the block
    "calculator": (
        {"vocab_size": 23, "block_size": 44, "n_layer": 2, "n_head": 8, "n_embd": 64, "positions": "rotary"}
        | {"rotary_base": 100.0, "activation": "relu2", "tie": False},
        32,
    ),
    "w1": ({"vocab_size": 65, "block_size": 64, "n_layer": 4, "n_head": 4, "n_embd": 128, "bias": False}, 12),
    "w2": ({"vocab_size": 65, "block_size": 128, "n_layer": 6, "n_head": 6, "n_embd": 192, "bias": False}, 16),
    "w3": ({"vocab_size": 65, "block_size": 256, "n_layer": 6, "n_head": 6, "n_embd": 384, "bias": False}, 4),
}
SETTINGS: dict[str, Any] = {"lr": 1e-3, "betas": (0.9, 0.98), "weight_decay": 0.1}


def batch(name: str) -> tuple[Any, Any]:
    """The same random text for both."""
    import numpy as np

    shape, size = MODELS[name]
    text = np.random.default_rng(0).integers(0, shape["vocab_size"], (size, shape["block_size"] + 1))
    return text[:, :-1], text[:, 1:]


def ours(name: str) -> Callable[[], float]:
    from gpt.machine import keep_memory, prepare_blas

    prepare_blas()
    keep_memory()
    import numpy as np

    from gpt import GPT, GPTConfig
    from gpt.parallel import Parallel
    from gpt.training import new_model
    from nn import clip_grad_norm
    from nn.optim import AdamW

    model = new_model(lambda: GPT(GPTConfig(**MODELS[name][0])), seed=0)
    parameters = model.parameters()
    optimizer = AdamW(parameters, **SETTINGS)
    parallel = Parallel(model, parts=2)
    ids, labels = batch(name)
    pieces = list(zip(np.array_split(ids, 2), np.array_split(labels, 2), strict=True))

    def step() -> float:
        loss = parallel.backward(pieces)
        clip_grad_norm(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss

    return step


def pytorch(name: str) -> Callable[[], float]:
    import torch

    from benchmarks.torch_gpt import TorchGPT
    from gpt import GPT, GPTConfig
    from gpt.training import new_model

    config = GPTConfig(**MODELS[name][0])
    model = TorchGPT(config)
    state = new_model(lambda: GPT(config), seed=0).state_dict()
    model.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    optimizer = torch.optim.AdamW(model.parameters(), **SETTINGS)
    ids, labels = (torch.from_numpy(array) for array in batch(name))

    def step() -> float:
        loss = model.loss(ids, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return float(loss.detach())

    return step


CONTESTANTS = {"blameflow": ours, "pytorch": pytorch}


def work(contestant: str, name: str) -> None:
    """A contestant's process: read a number of steps, run them, print the seconds and the first loss."""
    step = CONTESTANTS[contestant](name)
    for line in sys.stdin:
        began = time.perf_counter()
        losses = [step() for _ in range(int(line))]
        print(time.perf_counter() - began, losses[0], flush=True)


def ask(worker: subprocess.Popen[str], steps: int) -> tuple[float, float]:
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(f"{steps}\n")
    worker.stdin.flush()
    answer = worker.stdout.readline().split()
    if len(answer) != 2:
        raise SystemExit("a contestant ended early; is PyTorch installed? pip install 'blameflow[bench]'")
    return float(answer[0]) / steps, float(answer[1])


def spread(values: list[float]) -> str:
    return f"median {statistics.median(values):.2f}, {min(values):.2f} to {max(values):.2f}"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--model", choices=MODELS, default="calculator")
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--steps", type=int, default=20)
    arguments.add_argument("--worker", choices=CONTESTANTS, help=argparse.SUPPRESS)
    args = arguments.parse_args()
    if args.worker:
        work(args.worker, args.model)
        return
    workers = {
        contestant: subprocess.Popen(
            [sys.executable, __file__, "--worker", contestant, "--model", args.model],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for contestant in CONTESTANTS
    }
    first = {contestant: ask(worker, 1)[1] for contestant, worker in workers.items()}
    print(f"model {args.model}; first losses " + ", ".join(f"{name} {loss:.6f}" for name, loss in first.items()))
    if abs(first["blameflow"] - first["pytorch"]) > 1e-4:
        raise SystemExit("the first losses differ: these are not the same model")
    for worker in workers.values():
        ask(worker, 5)
    times: dict[str, list[float]] = {contestant: [] for contestant in CONTESTANTS}
    for _ in range(args.rounds):
        for contestant, worker in workers.items():
            times[contestant].append(1000 * ask(worker, args.steps)[0])
    for contestant, found in times.items():
        print(f"{contestant:>10}: {spread(found)} ms per step")
    print(f"     ratio: {spread([a / b for a, b in zip(*times.values(), strict=True)])}, ours over PyTorch's")
    for worker in workers.values():
        assert worker.stdin is not None
        worker.stdin.close()
        worker.wait()


if __name__ == "__main__":
    main()

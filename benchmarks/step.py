"""One training step (forward, backward, clipping, AdamW) of the same model: ours against PyTorch eager.

    python benchmarks/step.py [--model calculator|w1|w2|w3] [--rounds 7] [--steps 20]

Ours four times: as the command line trains, in two processes; as a script that begins with `engine.tune()`, with and
without kernels of Numba; and as the same script without that line. All start from the same parameters and the first
losses must agree. PyTorch runs as installed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.contest import Contest, parser, repeat, report, serve

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


def command_line(name: str) -> Callable[[], float]:
    from gpt.__main__ import prepare

    prepare()  # before NumPy is imported
    import numpy as np

    from gpt.parallel import Parallel

    ids, labels = batch(name)
    pieces = list(zip(np.array_split(ids, 2), np.array_split(labels, 2), strict=True))
    return stepping(name, lambda model: partial(Parallel(model, parts=2).backward, pieces))


def tuned(name: str) -> Callable[[], float]:
    import engine

    engine.tune()
    return script(name)


def fast(name: str) -> Callable[[], float]:
    import engine

    engine.kernels.use("numba")
    return tuned(name)


def script(name: str) -> Callable[[], float]:
    ids, labels = batch(name)

    def backward(model: Any) -> float:
        loss = model.loss(ids, labels)
        loss.backward()
        return float(loss.item())

    return stepping(name, lambda model: partial(backward, model))


def stepping(name: str, backward_of: Callable[[Any], Callable[[], float]]) -> Callable[[], float]:
    """A step of a new model, given what makes the function that computes its loss and gradients."""
    from gpt import GPT, GPTConfig
    from gpt.training import new_model
    from nn import clip_grad_norm
    from nn.optim import AdamW

    model = new_model(lambda: GPT(GPTConfig(**MODELS[name][0])), seed=0)
    parameters = model.parameters()
    optimizer = AdamW(parameters, **SETTINGS)
    backward = backward_of(model)

    def step() -> float:
        loss = backward()
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
    tied = {"head.weight": state["embedding.weight"]} if config.tie else {}  # PyTorch wants it under both paths
    model.load_state_dict({key: torch.from_numpy(value) for key, value in {**state, **tied}.items()})
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


CONTESTANTS = {"command-line": command_line, "fast": fast, "tuned": tuned, "script": script, "pytorch": pytorch}


def main() -> None:
    arguments = parser(__doc__, CONTESTANTS, rounds=7)
    arguments.add_argument("--model", choices=MODELS, default="calculator")
    arguments.add_argument("--steps", type=int, default=20)
    args = arguments.parse_args()
    if args.worker:
        step = CONTESTANTS[args.worker](args.model)
        serve(lambda steps: repeat(step, steps))
        return
    contest = Contest(__file__, list(CONTESTANTS), ["--model", args.model])
    losses = contest.first
    print(f"model {args.model}; first losses " + ", ".join(f"{name} {loss:.6f}" for name, loss in losses.items()))
    if max(losses.values()) - min(losses.values()) > 1e-4:
        raise SystemExit("the first losses differ: these are not the same model")
    contest.rounds(1, 5)
    report(contest.rounds(args.rounds, args.steps), "ms per step", 1000)
    contest.close()


if __name__ == "__main__":
    main()

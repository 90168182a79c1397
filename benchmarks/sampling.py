"""Sampling: characters a second from the W1 model, one text at a time, ours against PyTorch and JAX.

    python benchmarks/sampling.py [--rounds 7] [--quick]

Everyone takes the likeliest character each time, in texts of 64. Ours is `gpt.generate`, which keeps keys and values.
PyTorch takes part twice: as nanoGPT samples, with the whole text read again for each character, and with keys and
values kept by hand; JAX reads the whole text. The probability of the text must agree. JAX pads the text to 64
characters, because a compiled function has one shape.
"""

from __future__ import annotations

import math
import os
import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.contest import Contest, parser, ratios, serve, spread, watch_for
from benchmarks.contestants import CONTESTANTS, torch_model
from benchmarks.tables import table
from benchmarks.workload import WORKLOADS

W1 = WORKLOADS["w1"]
TURN = 1.0  # seconds
TEXT = W1.config.block_size - 1  # characters after the first; a longer text is read from a later beginning

Sampler = Callable[[int], float]  # samples so many characters, in texts of this length; the mean log probability


def ours(kernels: str, tuned: bool) -> Sampler:
    import engine

    engine.kernels.use(kernels)
    if tuned:
        engine.tune()
    from gpt.generation.generate import generate
    from gpt.tokenizers import CharTokenizer

    model = W1.model()
    tokenizer = CharTokenizer("".join(map(chr, range(48, 48 + W1.config.vocab_size))))

    def text(count: int) -> float:
        return math.log(generate(model, tokenizer, tokenizer.characters[0], limit=count, stop=())[1])

    return partial(texts, text)


def texts(text: Callable[[int], float], count: int) -> float:
    """The sampler made of a function that samples one text of so many characters and returns its log probability."""
    sizes = [min(TEXT, count - start) for start in range(0, count, TEXT)]
    return sum(map(text, sizes)) / count


def by(scores: Callable[[list[int]], Any], log_probabilities: Callable[[Any], Any]) -> Sampler:
    """A sampler for functions of a library: the scores after a text, and their logarithms as probabilities."""

    def text(count: int) -> float:
        ids, total = [0], 0.0
        for _ in range(count):
            found = log_probabilities(scores(ids))
            ids.append(int(found.argmax()))
            total += float(found[ids[-1]])
        return total

    return partial(texts, text)


def pytorch() -> Sampler:
    import torch

    model = torch_model(W1)

    def scores(ids: list[int]) -> Any:
        with torch.no_grad():
            return model.logits(torch.tensor([ids]))[0, -1]

    return by(scores, lambda row: torch.log_softmax(row.double(), -1))


def pytorch_cached() -> Sampler:
    import torch

    model = torch_model(W1)

    def text(count: int) -> float:
        kept: list[list[Any]] = [[] for _ in model.blocks]
        id, total = 0, 0.0
        with torch.no_grad():
            for _ in range(count):
                found = torch.log_softmax(model.logits(torch.tensor([[id]]), kept)[0, -1].double(), -1)
                id = int(found.argmax())
                total += float(found[id])
        return total

    return partial(texts, text)


def jax() -> Sampler:
    os.environ["JAX_PLATFORMS"] = "cpu"
    import jax
    import jax.numpy as jnp
    import numpy as np

    from benchmarks.functional_gpt import Library, logits

    library = Library(jnp, jax.lax.stop_gradient)
    parameters = {name: jnp.asarray(value) for name, value in W1.model().state_dict().items()}

    def last(padded: Any, length: Any) -> Any:
        return jax.nn.log_softmax(logits(parameters, padded, W1.config, library)[0, length - 1])

    compiled = jax.jit(last)

    def scores(ids: list[int]) -> Any:
        padded = np.zeros((1, W1.config.block_size), np.int32)
        padded[0, : len(ids)] = ids
        return np.asarray(compiled(padded, len(ids)))

    return by(scores, lambda row: row)


BASE = "pytorch-cached"
TITLES = {name: one.title for name, one in CONTESTANTS.items()} | {BASE: "PyTorch, eager, keys and values kept"}

SAMPLERS: dict[str, Callable[[], Sampler]] = {
    "pytorch": pytorch,
    BASE: pytorch_cached,
    "jax": jax,
    "plain": partial(ours, "numpy", tuned=False),
    "plain-tuned": partial(ours, "numpy", tuned=True),
    "fast": partial(ours, "numba", tuned=False),
    "fast-tuned": partial(ours, "numba", tuned=True),
}


def main() -> None:
    args = parser(__doc__, SAMPLERS, rounds=7).parse_args()
    if args.worker:
        serve(SAMPLERS[args.worker]())
        return
    watch = watch_for(args.rounds)
    contest = Contest(__file__, list(SAMPLERS), watch=watch)
    for reason in contest.left_out:
        print(f"{reason}\n")
    for name in contest.workers:
        contest.ask(name, TEXT)
    if max(contest.last.values()) - min(contest.last.values()) > 1e-3:
        raise SystemExit(f"the probabilities of the texts differ: {contest.last}")
    times = contest.rounds(args.rounds, contest.amounts(TURN))
    contest.close()
    relative = ratios(times, BASE)
    rows = [
        [TITLES[name], f"{1 / statistics.median(found):,.0f}", spread(relative[name]) if relative else ""]
        for name, found in times.items()
    ]
    print(table(["sampling, w1", "characters a second", "time relative to PyTorch that keeps keys and values"], rows))
    print(f"\nMedians and ranges of {args.rounds} rounds. {watch}")


if __name__ == "__main__":
    main()

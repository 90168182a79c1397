"""Where a model's parameters live, and where the FLOPs of a token go.

The FLOPs are counted as in appendix F of Hoffmann et al. 2022, "Training compute-optimal large language models", less
the terms for the softmax and for the embedding, which is looked up and not multiplied. So they are those of products of
matrices alone, a multiplication with its addition counted as 2:

    2 * weights                   for each matrix of weights, the head's included
    4 * context * channels        for each block: the scores of a query with all keys, and the average of all values

Every position is counted with the whole context, though a causal model may leave the later positions out. Twice as many
are needed for the backward pass, where each product has two derivatives. Biases, norms, activations and the softmax
are not counted; they take time, but hardly any of these FLOPs.

Read next: `gpt/inspection/memory.py`.
"""

from __future__ import annotations

from typing import NamedTuple

from gpt.model import GPT
from nn import Linear, MultiHeadAttention

BACKWARD = 2  # FLOPs of the backward pass for each of the forward pass


class Part(NamedTuple):
    """A part of the model.

    Fields:
        name: "query", "norms" and so on; "attention" is what has no parameters: scores and averages.
        values: how many parameters it has, each counted once.
        flops: of the forward pass, for each token of a text as long as the model's block.
    """

    name: str
    values: int
    flops: int


NAMES = (
    "embedding", "positions", "query", "key", "value", "attention", "output", "feed-forward", "norms", "head",
)  # fmt: skip


def parts(model: GPT) -> list[Part]:
    """All parts, in the order in which a token passes them; those of all blocks together.

    Where the head shares the embedding's weight, it has FLOPs and no values.
    """
    values, flops = dict.fromkeys(NAMES, 0), dict.fromkeys(NAMES, 0)
    for path, parameter in model.named_parameters():
        values[_part_of(path)] += parameter.size
    for path, module in model.named_modules():
        if isinstance(module, Linear):
            flops[_part_of(path)] += 2 * module.weight.size
        elif isinstance(module, MultiHeadAttention):
            flops["attention"] += 4 * model.config.block_size * model.config.n_embd
    return [Part(name, values[name], flops[name]) for name in NAMES if values[name] or flops[name]]


def _part_of(path: str) -> str:
    """The part that a parameter or a module belongs to."""
    names = path.split(".")
    for name in names:
        if name in ("query", "key", "value", "output"):
            return name
        if name == "feed_forward":
            return "feed-forward"
        if name.endswith("norm"):
            return "norms"
    return names[0]

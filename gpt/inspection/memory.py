"""The memory that a model takes.

Read next: `gpt/inspection/vectors.py`.
"""

from __future__ import annotations

from typing import NamedTuple

from gpt.model import GPT
from nn import MultiHeadAttention


class Memory(NamedTuple):
    """Bytes.

    Fields:
        parameters: of all of them, each counted once.
        training: of these with their gradients and the two averages that AdamW keeps of each.
        cached: of the keys and values of one token, which are kept while a text is continued.
    """

    parameters: int
    training: int
    cached: int


def memory(model: GPT) -> Memory:
    """What a model takes in the precision of its parameters."""
    parameters = sum(value.numpy().nbytes for value in model.parameters())
    cached = 0
    for _, module in model.named_modules():
        if isinstance(module, MultiHeadAttention):
            for made in (module.key, module.value):
                cached += made.weight.shape[0] * made.weight.numpy().itemsize
    return Memory(parameters, 4 * parameters, cached)

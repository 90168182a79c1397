"""The model of `gpt/model.py` in PyTorch, with the same parameter names. Needs the optional group `bench`."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional

from gpt.model import GPTConfig


class TorchBlock(torch.nn.Module):
    def __init__(self, c: GPTConfig) -> None:
        super().__init__()
        self.heads = c.n_head
        self.attention_norm = torch.nn.LayerNorm(c.n_embd, bias=c.bias)
        names = ("query", "key", "value", "output")
        self.attention = torch.nn.ModuleDict({n: torch.nn.Linear(c.n_embd, c.n_embd, bias=c.bias) for n in names})
        self.feed_forward_norm = torch.nn.LayerNorm(c.n_embd, bias=c.bias)
        self.feed_forward = torch.nn.ModuleDict(
            {
                "expand": torch.nn.Linear(c.n_embd, 4 * c.n_embd, bias=c.bias),
                "contract": torch.nn.Linear(4 * c.n_embd, c.n_embd, bias=c.bias),
            }
        )
        self.activation = c.activation

    def forward(self, x: Any, cos: Any, sin: Any, kept: list[Any] | None = None) -> Any:
        """With a list, x is what follows on the positions whose keys and values are in it; it gets those of x too."""
        batch, time, channels = x.shape

        def heads(projection: Any, y: Any) -> Any:
            return projection(y).view(batch, time, self.heads, channels // self.heads).transpose(1, 2)

        y = self.attention_norm(x)
        q, k, v = (heads(self.attention[name], y) for name in ("query", "key", "value"))
        if cos is not None:
            q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if kept is not None:
            if kept:
                k, v = torch.cat((kept[0], k), 2), torch.cat((kept[1], v), 2)
            kept[:] = k, v
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=time > 1)
        x = x + self.attention["output"](y.transpose(1, 2).reshape(batch, time, channels))
        y = self.feed_forward["expand"](self.feed_forward_norm(x))
        y = functional.relu(y).square() if self.activation == "relu2" else functional.gelu(y, approximate="tanh")
        return x + self.feed_forward["contract"](y)


def rotate(x: Any, cos: Any, sin: Any) -> Any:
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)


class TorchGPT(torch.nn.Module):
    """Pre-norm, rotary or learned positions, the head tied or not."""

    def __init__(self, c: GPTConfig) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(c.vocab_size, c.n_embd)
        self.blocks = torch.nn.ModuleList(TorchBlock(c) for _ in range(c.n_layer))
        self.norm = torch.nn.LayerNorm(c.n_embd, bias=c.bias)
        self.head = torch.nn.Linear(c.n_embd, c.vocab_size, bias=False)
        self.positions = torch.nn.Embedding(c.block_size, c.n_embd) if c.positions == "learned" else None
        if c.tie:
            self.head.weight = self.embedding.weight
        self.cos = self.sin = None
        if c.positions == "rotary":
            width = c.n_embd // c.n_head
            rates = torch.exp(-math.log(c.rotary_base) * torch.arange(0, width, 2) / width)
            angles = torch.arange(c.block_size)[:, None] * rates
            self.cos, self.sin = angles.cos(), angles.sin()

    def logits(self, ids: Any, kept: list[list[Any]] | None = None) -> Any:
        """With a list of one list a block, empty at first, ids follow on those that were read: one text, or one id."""
        start = kept[0][0].shape[2] if kept and kept[0] else 0
        here = slice(start, start + ids.shape[1])
        x = self.embedding(ids)
        if self.positions is not None:
            x = x + self.positions.weight[here]
        cos, sin = (None if angles is None else angles[here] for angles in (self.cos, self.sin))
        for number, block in enumerate(self.blocks):
            x = block(x, cos, sin, None if kept is None else kept[number])
        return self.head(self.norm(x))

    def loss(self, ids: Any, labels: Any) -> Any:
        return functional.cross_entropy(self.logits(ids).flatten(0, 1), labels.flatten())

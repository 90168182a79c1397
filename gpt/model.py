"""GPT: embedding, blocks, head. Reads characters (batch, time) and predicts one at each position.

With `causal` attention each position sees itself and those before it, so it can predict the next character. Without, it
sees the whole text, as in BERT (Devlin et al. 2019), and can predict characters that are hidden in its input.

Read next: `gpt/generation/__init__.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import engine
from nn import (
    Cache,
    Dropout,
    Embedding,
    LearnedPositions,
    Linear,
    Module,
    ModuleList,
    RotaryPositions,
    SinusoidalPositions,
    TransformerBlock,
    init,
)
from nn.feed_forward import ACTIVATIONS
from nn.norms import NORMS
from nn.settings import choice, flag, positive, probability, size

IGNORED = -100  # the label of a position that the loss leaves out; cross_entropy's default

POSITIONS = ("learned", "sinusoidal", "rotary")


@dataclass(frozen=True)
class GPTConfig:
    """The shape of a model.

    Fields:
        vocab_size: number of different characters.
        block_size: length of the longest text it can read.
        n_layer, n_head, n_embd: blocks, heads per block, channels.
        bias: whether affine maps and norms have a bias.
        dropout: its probability, on the embedding and on the outputs of attention and feed-forward.
        positions: "learned" or "sinusoidal" (added), or "rotary" (queries and keys are rotated).
        rotary_base: the slowest rotation takes about this many positions per radian.
        norm: "pre" or "post".
        n_hidden: channels between the two maps of the feed-forward; None for 4 * n_embd, or 8/3 * n_embd with "swiglu".
        activation: of the feed-forward, "gelu", "relu", "relu2" (relu squared) or "swiglu" (Shazeer 2020).
        tie: whether the head uses the embedding's weight.
        kv_heads: heads of keys and values, each for a group of the n_head heads of queries (Ainslie et al. 2023); a
            divisor of n_head. None means n_head.
        norm_kind: "layer" for LayerNorm, "rms" for RMSNorm (Zhang and Sennrich 2019), which has no bias.
        causal: whether attention sees earlier positions only; False for a model that fills gaps.
    """

    vocab_size: int
    block_size: int
    n_layer: int
    n_head: int
    n_embd: int
    bias: bool = True
    dropout: float = 0.0
    positions: str = "learned"
    rotary_base: float = 10000.0
    norm: str = "pre"
    activation: str = "gelu"
    tie: bool = True
    kv_heads: int | None = None
    n_hidden: int | None = None
    norm_kind: str = "layer"
    causal: bool = True

    def __post_init__(self) -> None:
        for name in ("vocab_size", "block_size", "n_layer", "n_head", "n_embd"):
            size("GPTConfig", name, getattr(self, name))
        if self.n_embd % self.n_head:
            raise ValueError(f"GPTConfig: n_embd {self.n_embd} does not divide into n_head {self.n_head}")
        if self.kv_heads is not None and self.n_head % size("GPTConfig", "kv_heads", self.kv_heads):
            raise ValueError(f"GPTConfig: kv_heads must divide n_head {self.n_head}, and is {self.kv_heads}")
        if self.n_hidden is not None:
            size("GPTConfig", "n_hidden", self.n_hidden)
        for name in ("bias", "tie", "causal"):
            flag("GPTConfig", name, getattr(self, name))
        probability("GPTConfig", "dropout", self.dropout)
        choice("GPTConfig", "positions", self.positions, POSITIONS)
        positive("GPTConfig", "rotary_base", self.rotary_base)
        choice("GPTConfig", "norm", self.norm, ("pre", "post"))
        choice("GPTConfig", "norm_kind", self.norm_kind, [*NORMS])
        choice("GPTConfig", "activation", self.activation, [*ACTIVATIONS])


class GPT(Module):
    """The character model: ids (batch, time) to logits (batch, time, vocab_size)."""

    def __init__(self, config: GPTConfig) -> None:
        c = self.config = config
        self.embedding = Embedding(c.vocab_size, c.n_embd)
        if c.positions == "learned":
            self.positions: Module | None = LearnedPositions(c.block_size, c.n_embd)
        else:
            self.positions = SinusoidalPositions(c.block_size, c.n_embd) if c.positions == "sinusoidal" else None
        self.dropout = Dropout(c.dropout) if c.dropout else None
        self.blocks = ModuleList(self._block() for _ in range(c.n_layer))
        self.norm = NORMS[c.norm_kind](c.n_embd, c.bias) if c.norm == "pre" else None
        self.head = Linear(c.n_embd, c.vocab_size, bias=False)
        for _, module in self.named_modules():
            if isinstance(module, Linear):
                module.weight = init.fan_in_normal(*module.weight.shape)
        if c.tie:
            self.embedding.weight = self.head.weight  # the head needs small values; the first norm rescales x

    def _block(self) -> TransformerBlock:
        c = self.config
        rotary = None
        if c.positions == "rotary":
            rotary = RotaryPositions(c.block_size, c.n_embd // c.n_head, base=c.rotary_base)
        return TransformerBlock(
            c.n_embd,
            c.n_head,
            kv_heads=c.kv_heads,
            bias=c.bias,
            causal=c.causal,
            dropout=c.dropout,
            norm=c.norm,
            norm_kind=c.norm_kind,
            hidden=c.n_hidden,
            activation=c.activation,
            rotary=rotary,
        )

    def forward(self, ids: Any, only: Any = None, cache: Cache | None = None) -> Any:
        """Logits (batch, time, vocab_size), or (n, vocab_size) at the positions of a boolean mask `only` (batch, time).

        No later layer attends to the last block's output at other positions, so leaving it out changes no logit. With
        a cache, ids are what follows on those it has read, and the logits are the same as after reading all at once.
        """
        read = 0 if cache is None else cache.length
        if ids.ndim != 2 or read + ids.shape[1] > self.config.block_size:
            before = f", {read} of them read before" if read else ""
            raise ValueError(
                f"GPT: ids must be (batch, time) with time up to {self.config.block_size}{before}, not {ids.shape}"
            )
        *blocks, last = self.blocks
        x = self._embedded(ids, read)
        for block in blocks:
            x = block(x, cache=cache)
        x = last(x, only, cache)
        if cache is not None:
            cache.advance(ids.shape[1])
        x = x if self.norm is None else self.norm(x)
        return self.head(x)

    def _embedded(self, ids: Any, start: int = 0) -> Any:
        """The input of the first block, for ids from position `start`: (batch, time, channels)."""
        x = self.embedding(ids)
        x = x if self.positions is None else self.positions(x, start)
        return x if self.dropout is None else self.dropout(x)

    def attention_weights(self, ids: Any) -> list[Any]:
        """For each block, how much each position attends to each: (batch, heads, time, time). No graph is recorded."""
        found = []
        block: Any
        with engine.no_grad():
            x = self._embedded(ids)
            for block in self.blocks:
                found.append(block.attention_weights(x))
                x = block(x)
        return found

    def states(self, ids: Any) -> list[Any]:
        """The residual stream after each block, (batch, time, channels). No graph is recorded."""
        found = []
        with engine.no_grad():
            x = self._embedded(ids)
            for block in self.blocks:
                x = block(x)
                found.append(x)
        return found

    def loss(self, ids: Any, labels: Any) -> Any:
        """Mean cross-entropy, in nats, at the positions whose label is not -100; ids and labels are (batch, time)."""
        labels = np.asarray(labels)
        counted = labels != IGNORED
        if counted.all():
            return engine.cross_entropy(self(ids), labels)
        return engine.cross_entropy(self(ids, counted), labels[counted])

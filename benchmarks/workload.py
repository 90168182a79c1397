"""The models of the benchmarks, the text each reads, and how much arithmetic a training step of one is."""

from __future__ import annotations

from typing import Any, NamedTuple


class Workload(NamedTuple):
    """A model and a batch; every text fills the block.

    Fields:
        shape: the arguments of `GPTConfig`.
        batch: how many texts.
    """

    shape: dict[str, Any]
    batch: int

    @property
    def config(self) -> Any:
        from gpt import GPTConfig

        return GPTConfig(**self.shape)

    def text(self) -> tuple[Any, Any]:
        """The same random ids and labels for every contestant, (batch, block_size) each."""
        import numpy as np

        drawn = np.random.default_rng(0).integers(
            0, self.shape["vocab_size"], (self.batch, self.shape["block_size"] + 1)
        )
        return drawn[:, :-1], drawn[:, 1:]

    def model(self) -> Any:
        """Our model, whose initial values every contestant gets."""
        from gpt import GPT
        from gpt.training.trainer import new_model

        return new_model(lambda: GPT(self.config), seed=0)

    def flops(self) -> int:
        """Multiplications and additions in the matrix products of one training step.

        The backward pass has two products for each of the forward pass. Attention counts in full, although half of its
        scores are masked and may be left out.
        """
        s = self.shape
        channels, time = s["n_embd"], s["block_size"]
        projections = 4 * channels * channels  # query, key, value, output
        feed_forward = 2 * channels * 4 * channels
        attention = 2 * time * channels  # the scores of a position, and the sum they weight
        head = s["vocab_size"] * channels
        multiplications = s["n_layer"] * (projections + feed_forward + attention) + head  # for each token, forward
        return 3 * 2 * self.batch * time * multiplications


CALCULATOR: dict[str, Any] = {"vocab_size": 23, "block_size": 44, "n_layer": 2, "n_head": 8, "n_embd": 64} | {
    "positions": "rotary",
    "rotary_base": 100.0,
    "activation": "relu2",
    "tie": False,
}


def nano(block_size: int, n_layer: int, n_head: int, n_embd: int, batch: int) -> Workload:
    """A character model in the form of nanoGPT's: no biases, learned positions, tied head."""
    sizes = {"block_size": block_size, "n_layer": n_layer, "n_head": n_head, "n_embd": n_embd}
    return Workload({"vocab_size": 65, "bias": False, **sizes}, batch)


WORKLOADS = {
    "w1": nano(64, 4, 4, 128, batch=12),
    "w2": nano(128, 6, 6, 192, batch=16),
    "w3": nano(256, 6, 6, 384, batch=4),
    "calculator": Workload(CALCULATOR, 32),
}
SETTINGS: dict[str, Any] = {"lr": 1e-3, "betas": (0.9, 0.98), "weight_decay": 0.1}  # of AdamW
CLIP = 1.0  # the largest joint norm of the gradient

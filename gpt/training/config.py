"""How to train, as settings that a run keeps.

Read next: `gpt/training/optimizers.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from nn.settings import choice, decay, not_negative, positive, probability, size

SCHEDULES = ("cosine", "linear", "stable", "constant")
OPTIMIZERS = ("adamw", "adam", "sgd", "muon")


@dataclass(frozen=True)
class TrainingConfig:
    """How to train.

    Fields:
        steps, batch_size: updates, and texts in each batch.
        accumulate: batches whose gradients are averaged for one update.
        optimizer: "adamw", "adam", "sgd" (with momentum), or "muon" for the matrices of the blocks and AdamW for all
            other parameters.
        learning_rate: the peak; reached after `warmup` steps.
        matrix_rate: the peak for the matrices that Muon updates.
        schedule: "cosine" or "linear", down to `floor` times the peak at the last step; "stable", which stays at the
            peak until the last share `decay` of the steps, and then falls linearly; or "constant".
        weight_decay: on matrices only, not on biases and norms.
        beta1, beta2: of the averages that Adam and AdamW keep of the gradient and of its square; beta1 is also the
            momentum of SGD and Muon.
        clip: largest joint norm of the gradient.
        seed: of initial parameters, of dropout and of the order of the data.
        evaluate_every: steps between measurements on the validation data.
        patience: stop after so many measurements without a better one; 0 for never.
        checkpoint_every: steps between checkpoints.
        parts: each batch is split into this many pieces, computed in parallel processes. It decides the order of sums
            and so the last bits of the result; therefore it is a setting and does not depend on the machine.
    """

    steps: int = 18000
    batch_size: int = 32
    accumulate: int = 1
    optimizer: str = "adamw"
    learning_rate: float = 2.5e-3
    matrix_rate: float = 0.02
    schedule: str = "cosine"
    decay: float = 0.4
    floor: float = 0.0
    warmup: int = 100
    weight_decay: float = 0.3
    beta1: float = 0.9
    beta2: float = 0.99
    clip: float = 10.0
    seed: int = 0
    evaluate_every: int = 500
    patience: int = 0
    checkpoint_every: int = 500
    parts: int = 2

    def __post_init__(self) -> None:
        owner = "TrainingConfig"
        for name in ("steps", "batch_size", "accumulate", "evaluate_every", "checkpoint_every", "parts"):
            size(owner, name, getattr(self, name))
        for name in ("warmup", "seed", "patience"):
            size(owner, name, getattr(self, name), least=0)
        for name in ("learning_rate", "matrix_rate", "clip"):
            positive(owner, name, getattr(self, name))
        for name in ("beta1", "beta2"):
            decay(owner, name, getattr(self, name))
        not_negative(owner, "weight_decay", self.weight_decay)
        for name in ("decay", "floor"):
            probability(owner, name, getattr(self, name))
        choice(owner, "optimizer", self.optimizer, OPTIMIZERS)
        choice(owner, "schedule", self.schedule, SCHEDULES)

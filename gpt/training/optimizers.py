"""The optimizers of a training, under one learning rate schedule.

Read next: `gpt/training/stages.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import Tensor
from engine.arrays import Array
from gpt.model import GPT
from gpt.training.config import TrainingConfig
from nn.optim import SGD, Adam, AdamW, Muon, Optimizer
from nn.schedules import Schedule, warmup_constant, warmup_cosine, warmup_linear, warmup_stable_decay


class Optimizers:
    """One or two optimizers that share all parameters of a model; each has its own peak of the learning rate."""

    def __init__(self, model: GPT, config: TrainingConfig) -> None:
        self._each = _made(model, config)
        self._peaks = [optimizer.lr for optimizer in self._each]
        self.share = _schedule(config)

    @property
    def steps(self) -> int:
        """How many updates were made."""
        return self._each[0].steps

    def rate(self, step: int) -> float:
        """The learning rate of an update, counted from 0; with Muon, that of the other parameters."""
        return self._peaks[-1] * self.share(step)

    def step(self) -> None:
        """Update every parameter by the gradient in its `.grad`, which is None afterwards."""
        share = self.share(self.steps)
        for optimizer, peak in zip(self._each, self._peaks, strict=True):
            optimizer.lr = peak * share
            optimizer.step()
            optimizer.zero_grad()

    def state(self) -> tuple[list[Any], dict[str, Array]]:
        """All that an update depends on besides the parameters: plain settings, and arrays by name."""
        plain: list[Any] = []
        arrays: dict[str, Array] = {}
        for k, optimizer in enumerate(self._each):
            state = optimizer.state_dict()
            for position, kept in state.pop("state").items():
                arrays |= {f"{k}.{position}.{name}": array for name, array in kept.items()}
            plain.append(state)
        return plain, arrays

    def restore(self, plain: list[Any], arrays: Mapping[str, Array]) -> None:
        """Go on from where others stood; ValueError or TypeError if they were of another kind."""
        if len(plain) != len(self._each):
            raise ValueError(f"the state is of {len(plain)} optimizers, and this training has {len(self._each)}")
        states: list[dict[int, dict[str, Array]]] = [{} for _ in plain]
        for name, array in arrays.items():
            k, position, kept = name.split(".")
            states[int(k)].setdefault(int(position), {})[kept] = array
        for optimizer, state, kept_arrays in zip(self._each, plain, states, strict=True):
            optimizer.load_state_dict({**state, "state": kept_arrays})


def _schedule(c: TrainingConfig) -> Schedule:
    """The learning rate of each step as a share of the peak; the warm-up of a short training is shorter."""
    warmup, total = min(c.warmup, c.steps - 1), c.steps
    if c.schedule == "constant":
        return warmup_constant(1.0, warmup=warmup, total=total)
    if c.schedule == "stable":
        decay = max(1, min(round(c.decay * total), total - warmup))
        return warmup_stable_decay(1.0, warmup=warmup, total=total, decay=decay, floor=c.floor)
    falling = warmup_cosine if c.schedule == "cosine" else warmup_linear
    return falling(1.0, warmup=warmup, total=total, floor=c.floor)


def _made(model: GPT, c: TrainingConfig) -> list[Optimizer]:
    named = list(model.named_parameters())
    if c.optimizer == "muon":
        blocks = [p for path, p in named if path.startswith("blocks.") and p.ndim == 2]
        own = {id(p) for p in blocks}
        rest = [p for _, p in named if id(p) not in own]
        muon = Muon(blocks, lr=c.matrix_rate, momentum=c.beta1, weight_decay=c.weight_decay)
        return [muon, AdamW(_groups(rest), lr=c.learning_rate, betas=(c.beta1, c.beta2), weight_decay=c.weight_decay)]
    groups = _groups([p for _, p in named])
    if c.optimizer == "sgd":
        return [SGD(groups, lr=c.learning_rate, momentum=c.beta1, weight_decay=c.weight_decay)]
    kind = AdamW if c.optimizer == "adamw" else Adam
    return [kind(groups, lr=c.learning_rate, betas=(c.beta1, c.beta2), weight_decay=c.weight_decay)]


def _groups(parameters: list[Tensor]) -> list[dict[str, Any]]:
    """Matrices with weight decay, vectors without."""
    matrices = [p for p in parameters if p.ndim > 1]
    vectors = [p for p in parameters if p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]

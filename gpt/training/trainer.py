"""Training on the calculator: batches, steps, measurements.

One update is `Trainer.step`: loss and gradient, clipping, the optimizer. Everything else here prepares its data or
measures its result.

Read next: `gpt/training/worker.py`, which computes loss and gradient of one part of a batch.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import engine
from engine.arrays import Array
from gpt.data import calculator
from gpt.data.calculator import Encoded, Problem, accuracy_by, exactly_right
from gpt.model import GPT
from gpt.training.parallel import Parallel
from nn import clip_grad_norm
from nn.clipping import joint_norm
from nn.optim import AdamW
from nn.schedules import warmup_cosine
from nn.settings import not_negative, positive, size

_ADVICE = "lower the learning rate"


@dataclass(frozen=True)
class TrainingConfig:
    """How to train.

    Fields:
        steps, batch_size: updates, and problems in each.
        learning_rate: the peak; reached after `warmup` steps, then falling to 0 along a cosine.
        weight_decay: on matrices only, not on biases and norms.
        betas: AdamW's.
        clip: largest joint norm of the gradient.
        seed: of initial parameters and of the order of the data.
        evaluate_every: steps between measurements on the held-out problems.
        repeat_times: how often each product ("times"), of which there are few, occurs in an epoch; the others once.
        parts: each batch is split into this many pieces, computed in parallel processes. It decides the order of sums
            and so the last bits of the result; therefore it is a setting and does not depend on the machine.
    """

    steps: int = 18000
    batch_size: int = 32
    learning_rate: float = 2.5e-3
    warmup: int = 100
    weight_decay: float = 0.3
    betas: tuple[float, float] = (0.9, 0.99)
    clip: float = 10.0
    seed: int = 0
    evaluate_every: int = 500
    repeat_times: int = 3
    parts: int = 2

    def __post_init__(self) -> None:
        owner = "TrainingConfig"
        for name in ("steps", "batch_size", "evaluate_every", "repeat_times", "parts"):
            size(owner, name, getattr(self, name))
        for name in ("warmup", "seed"):
            size(owner, name, getattr(self, name), least=0)
        positive(owner, "learning_rate", self.learning_rate)
        positive(owner, "clip", self.clip)
        not_negative(owner, "weight_decay", self.weight_decay)


@dataclass
class Progress:
    """The state of a training after a step; at some steps it is also a line of metrics.jsonl.

    Fields:
        loss, learning_rate: of this step's batch, and of its update.
        norm: of the gradient of all parameters together, before it is clipped.
        accuracy: the latest measurement on held-out problems; None before the first.
        squared: the squared norm of the same gradient, by stage (`blocks.0.attention`) in the order of the model; they
            add up to norm**2. None at steps that are not measured.
    """

    step: int
    steps: int
    loss: float
    learning_rate: float
    norm: float
    tokens_per_second: float
    seconds: float
    accuracy: float | None = None
    squared: dict[str, float] | None = None

    @property
    def seconds_left(self) -> float:
        """Time left at the average speed so far."""
        return self.seconds / self.step * (self.steps - self.step)


def batches(epoch: Array, lengths: Array, size: int, rng: np.random.Generator) -> Iterator[Array]:
    """Rows for each step, without end: every epoch in a new order, rows of similar length in the same batch.

    Shuffled rows are sorted by length within chunks of 8 batches, and then the batches are shuffled, so that a batch
    needs little padding but its content stays random.
    """
    chunk = 8 * size
    while True:
        order = rng.permutation(epoch)
        for start in range(0, len(order), chunk):
            rows = order[start : start + chunk]
            rows = rows[np.argsort(lengths[rows], kind="stable")]
            pieces = [rows[k : k + size] for k in range(0, len(rows), size)]
            for piece in rng.permutation(len(pieces)):
                yield pieces[piece]


@dataclass
class Trainer:
    """A model, its optimizer and its data. `all_steps` yields a Progress after each step.

    `parallel` computes loss and gradient, and holds the state of the random numbers that they draw (dropout).

    It remembers the last parameters that gave a finite loss and gradient: where an update has spoiled them, only the
    next loss shows it.
    """

    model: GPT
    config: TrainingConfig
    train: list[Problem]
    held_out: list[Problem]
    metrics: Path | None = None
    _train: Encoded = field(init=False)
    _held_out: Encoded = field(init=False)

    def __post_init__(self) -> None:
        c, tokenizer = self.config, calculator.tokenizer()
        self._train = calculator.encode(self.train, tokenizer)
        self._held_out = calculator.encode(self.held_out, tokenizer)
        self._parameters = self.model.parameters()
        self._good = [p.array.copy() for p in self._parameters]
        matrices = [p for p in self._parameters if p.ndim > 1]
        vectors = [p for p in self._parameters if p.ndim <= 1]
        self.optimizer = AdamW(
            [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}],
            lr=c.learning_rate,
            betas=c.betas,
            weight_decay=c.weight_decay,
        )
        self.parallel = Parallel(self.model, c.parts, c.seed)
        self.schedule = warmup_cosine(c.learning_rate, warmup=min(c.warmup, c.steps - 1), total=c.steps)

    @np.errstate(all="ignore")  # what leaves the range of floats shows in the loss or in the gradient
    def step(self, rows: Array, by_stage: bool = False) -> tuple[float, float, dict[str, float] | None]:
        """One update on some rows of the training data.

        Returns the loss, the norm of its gradient before clipping, and its squared norm by stage, or None unless
        `by_stage`.
        """
        self.optimizer.lr = self.schedule(self.optimizer.steps)
        parts = np.array_split(rows, self.config.parts)
        pieces = [calculator.take(self._train, part) for part in parts if len(part)]
        loss = self.parallel.backward(pieces)
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss} at step {self.optimizer.steps + 1}; {_ADVICE}")
        squared = squared_by_stage(self.model) if by_stage else None
        norm = clip_grad_norm(self._parameters, self.config.clip)
        for good, parameter in zip(self._good, self._parameters, strict=True):
            np.copyto(good, parameter.array)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss, norm, squared

    def check(self) -> None:
        """Raise FloatingPointError if a parameter or the loss on some held-out problems is not finite now."""
        for path, parameter in self.model.named_parameters():
            if not np.isfinite(parameter.array).all():
                raise FloatingPointError(f"{path} is not finite after step {self.optimizer.steps}; {_ADVICE}")
        ids, labels = calculator.take(self._held_out, np.arange(min(64, len(self.held_out))))
        with engine.no_grad(), np.errstate(all="ignore"):
            loss = self.model.loss(ids, labels).item()
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss} after step {self.optimizer.steps}; {_ADVICE}")

    def go_back(self) -> None:
        """Assign the last parameters that gave a finite loss and gradient."""
        for good, parameter in zip(self._good, self._parameters, strict=True):
            parameter.assign(good)

    def accuracy(self) -> dict[str, float]:
        """The fraction of held-out problems answered exactly by greedy decoding, of all and by operation."""
        self.model.eval()
        right = exactly_right(self.model, self._held_out)
        self.model.train()
        return accuracy_by(right, [problem.operation for problem in self.held_out])

    def all_steps(self) -> Iterator[Progress]:
        """Train to the end, yielding after each step."""
        c, data = self.config, self._train
        repeats = [c.repeat_times if problem.operation == "times" else 1 for problem in self.train]
        epoch = np.repeat(np.arange(len(self.train)), repeats)
        rows = batches(epoch, data.lengths, c.batch_size, np.random.default_rng(c.seed))
        began, tokens, accuracy = time.perf_counter(), 0, None
        for step in range(1, c.steps + 1):
            batch = next(rows)
            evaluated = step % c.evaluate_every == 0 and step < c.steps
            measured = evaluated or step % 50 == 0 or step in (1, c.steps)
            loss, norm, squared = self.step(batch, by_stage=measured)
            tokens += int(data.lengths[batch].sum())
            seconds = time.perf_counter() - began
            rate = self.schedule(step - 1)
            progress = Progress(step, c.steps, loss, rate, norm, tokens / seconds, seconds, accuracy, squared)
            if evaluated:
                accuracy = progress.accuracy = self.accuracy()["all"]
            if measured and self.metrics is not None:
                append_metrics(self.metrics, vars(progress))
            yield progress


def new_model(make: Callable[[], GPT], seed: int) -> GPT:
    """Make a model whose initial parameters depend on the seed only."""
    engine.random.seed(seed)
    return make()


def stage_of(path: str) -> str:
    """The stage a parameter belongs to: the first two names of its module's path, `blocks.0` counting as one name."""
    names = re.findall(r"[^.]+(?:\.\d+)*", path.rpartition(".")[0])  # blocks.0.attention.query.weight: blocks.0, ...
    return ".".join(names[:2])


def squared_by_stage(model: GPT) -> dict[str, float]:
    """The squared norm of the gradient in `.grad`, by stage, in the order of the model."""
    squared: dict[str, float] = {}
    for path, parameter in model.named_parameters():
        if parameter.grad is not None:
            stage = stage_of(path)
            squared[stage] = squared.get(stage, 0.0) + joint_norm([parameter.grad.array]) ** 2
    return squared


def append_metrics(path: Path, measurement: dict[str, Any]) -> None:
    """Add one measurement to a file of JSON lines."""
    with path.open("a") as file:
        file.write(json.dumps(measurement) + "\n")

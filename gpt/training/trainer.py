"""Training: batches, steps, measurements.

One update is `Trainer.step`: loss and gradient, clipping, the optimizer. Everything else here measures its result, and
remembers the best parameters so far.

The invariant: what a step does depends on the model, the settings, the data and `state()`. A training that is stopped
after any step and restored goes on with the same bits.

Read next: `gpt/training/worker.py`, which computes loss and gradient of one part of a batch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import engine
from engine import Tensor
from engine.arrays import Array
from gpt.data.batches import Batches, Data, Measures, mean_loss, split
from gpt.model import GPT, IGNORED
from gpt.training.config import TrainingConfig
from gpt.training.metrics import append
from gpt.training.optimizers import Optimizers
from gpt.training.parallel import Parallel
from gpt.training.stages import squared_by_stage
from nn import clip_grad_norm

_ADVICE = "lower the learning rate"


@dataclass
class Progress:
    """The state of a training after a step; at some steps it is also a line of metrics.jsonl.

    Fields:
        loss, learning_rate: of this step's batch, and of its update.
        norm: of the gradient of all parameters together, before it is clipped.
        validation: measured after this step; None at steps that are not evaluated.
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
    validation: Measures | None = None
    squared: dict[str, float] | None = None

    @property
    def seconds_left(self) -> float:
        """Time left at the average speed so far."""
        return self.seconds / self.step * (self.steps - self.step)


@dataclass
class Best:
    """The best measurement so far, the parameters it was made with, and how many measurements followed."""

    step: int
    measures: Measures
    parameters: list[Array]
    followed: int = 0


class Trainer:
    """A model, its optimizers and its data. `all_steps` yields a Progress after each step.

    Fields:
        parallel: computes loss and gradient, and holds the state of the random numbers that they draw (dropout).
        best: None before the first measurement whose loss is finite.
        tired: whether the training ended because `patience` measurements in a row were no better.

    It remembers the last parameters that gave a finite loss and gradient: where an update has spoiled them, only the
    next loss shows it.
    """

    def __init__(self, model: GPT, config: TrainingConfig, data: Data, metrics: Path | None = None) -> None:
        self.model, self.config, self.data, self.metrics = model, config, data, metrics
        self._parameters = model.parameters()
        self._good = [p.array.copy() for p in self._parameters]
        self.optimizers = Optimizers(model, config)
        self.parallel = Parallel(model, config.parts, config.seed)
        self.batches = Batches(data, config.batch_size, config.seed)
        self._some = Batches(data, size=8, seed=0).next()
        self.best: Best | None = None
        self.tired = False
        self._seconds, self._tokens = 0.0, 0

    @property
    def steps(self) -> int:
        """How many steps were made."""
        return self.optimizers.steps

    @np.errstate(all="ignore")  # what leaves the range of floats shows in the loss or in the gradient
    def step(self, by_stage: bool = False) -> tuple[float, float, dict[str, float] | None]:
        """One update on the next batch, or on the next few together.

        Returns the loss, the norm of its gradient before clipping, and its squared norm by stage, or None unless
        `by_stage`.
        """
        loss = self._backward()
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss} at step {self.steps + 1}; {_ADVICE}")
        squared = squared_by_stage(self.model) if by_stage else None
        norm = clip_grad_norm(self._parameters, self.config.clip)
        for good, parameter in zip(self._good, self._parameters, strict=True):
            np.copyto(good, parameter.array)
        self.optimizers.step()
        return loss, norm, squared

    def _backward(self) -> float:
        """The loss of the next update's batches, with its gradient in `.grad`: the mean over all labels of them all."""
        batches = [self.batches.next() for _ in range(self.config.accumulate)]
        counts = [int((labels != IGNORED).sum()) for _, labels in batches]
        self._tokens += sum(ids.size for ids, _ in batches)
        if len(batches) == 1:
            return self.parallel.backward(split(batches[0], self.config.parts))
        loss, sums = 0.0, [np.zeros_like(p.array) for p in self._parameters]
        for batch, count in zip(batches, counts, strict=True):
            weight = count / sum(counts)
            loss += weight * self.parallel.backward(split(batch, self.config.parts))
            for total, gradient in zip(sums, [p.grad for p in self._parameters], strict=True):
                total += weight * gradient.array if gradient is not None else 0.0
        for total, parameter in zip(sums, self._parameters, strict=True):
            parameter.grad = Tensor(total)
        return loss

    def check(self) -> None:
        """Raise FloatingPointError if a parameter or the loss on some of the data is not finite now."""
        for path, parameter in self.model.named_parameters():
            if not np.isfinite(parameter.array).all():
                raise FloatingPointError(f"{path} is not finite after step {self.steps}; {_ADVICE}")
        loss = mean_loss(self.model, [self._some])
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss} after step {self.steps}; {_ADVICE}")

    def go_back(self) -> None:
        """Assign the best parameters so far, or else the last ones that gave a finite loss and gradient."""
        values = self._good if self.best is None else self.best.parameters
        for value, parameter in zip(values, self._parameters, strict=True):
            parameter.assign(value)

    def best_parameters(self) -> dict[str, Array]:
        """The best parameters so far, by path; empty before the first measurement."""
        paths = [path for path, _ in self.model.named_parameters()]
        return dict(zip(paths, self.best.parameters, strict=True)) if self.best else {}

    def evaluate(self) -> Measures:
        """Measure the model on the validation data, and remember it if it is the best so far."""
        measures = self.data.validate(self.model)
        best = self.best
        if math.isfinite(measures["loss"]) and (
            best is None or self.data.score(measures) > self.data.score(best.measures)
        ):
            self.best = Best(self.steps, measures, [p.array.copy() for p in self._parameters])
        elif best is not None:
            best.followed += 1
            self.tired = 0 < self.config.patience <= best.followed
        return measures

    def all_steps(self) -> Iterator[Progress]:
        """Train to the end, yielding after each step."""
        c, before, began = self.config, self._seconds, time.perf_counter()
        while self.steps < c.steps and not self.tired:
            step = self.steps + 1
            evaluated = step % c.evaluate_every == 0 or step == c.steps
            measured = evaluated or step % 50 == 0 or step == 1
            loss, norm, squared = self.step(by_stage=measured)
            validation = self.evaluate() if evaluated else None
            self._seconds = before + time.perf_counter() - began
            rate, speed = self.optimizers.rate(step - 1), self._tokens / self._seconds
            progress = Progress(step, c.steps, loss, rate, norm, speed, self._seconds, validation, squared)
            if measured and self.metrics is not None:
                append(self.metrics, vars(progress))
            yield progress

    # ---- stopping and going on -------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """All that the next step depends on: what can be written as JSON, and arrays by name."""
        plain, arrays = self.optimizers.state()
        best = self.best
        facts = {
            "step": self.steps,
            "optimizers": plain,
            "random": self.parallel.states(),
            "batches": self.batches.state(),
            "best": best and {"step": best.step, "measures": best.measures, "followed": best.followed},
            "tired": self.tired,
            "seconds": self._seconds,
            "tokens": self._tokens,
        }
        return facts, {
            **{f"model.{path}": array for path, array in self.model.state_dict().items()},
            **{f"best.{path}": array for path, array in self.best_parameters().items()},
            **{f"optimizers.{name}": array for name, array in arrays.items()},
        }

    def restore(self, facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Go on from the state of a training with the same model and data; KeyError, TypeError or ValueError if not."""
        named = _under("model", arrays)
        self.model.load_state_dict(named)
        self.optimizers.restore(facts["optimizers"], _under("optimizers", arrays))
        self.parallel.restore(facts["random"])
        self.batches.restore(facts["batches"])
        if facts["best"]:
            parameters = _under("best", arrays)
            ordered = [parameters[path] for path, _ in self.model.named_parameters()]
            self.best = Best(parameters=ordered, **facts["best"])
        self.tired, self._seconds, self._tokens = facts["tired"], facts["seconds"], facts["tokens"]
        for good, parameter in zip(self._good, self._parameters, strict=True):
            np.copyto(good, parameter.array)


def _under(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays whose name begins with the prefix, by the rest of their name."""
    return {name.removeprefix(f"{prefix}."): array for name, array in arrays.items() if name.startswith(f"{prefix}.")}


def new_model(make: Callable[[], GPT], seed: int) -> GPT:
    """Make a model whose initial parameters depend on the seed only."""
    engine.random.seed(seed)
    return make()

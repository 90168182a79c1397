"""The gradient of each stage over a training, and whether it vanished or exploded.

The measure is the root mean square (rms) of the gradient in a stage's parameters: a norm would grow with their number.

    a stage vanishes    if over the last tenth of the measurements its rms is below 1e-4 of the median stage's, or 0
    a stage explodes    if at any measurement its rms is more than 1,000 times its median over the first tenth of them
                        (zeros left out), or not finite

Read next: `gpt/report/markup.py`, the pieces of the page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from engine.arrays import Array
from gpt.model import GPT
from gpt.report.metrics import Measured
from gpt.training.stages import stage_of

VANISHES = 1e-4
EXPLODES = 1e3


@dataclass(frozen=True)
class History:
    """The squared gradient by stage and measurement.

    Fields:
        stages: in the order of the model.
        sizes: the number of parameters of each.
        steps: of each measurement, or of each column the first and the last step.
        squared: (stages, measurements); nan where nothing was measured.
    """

    stages: tuple[str, ...]
    sizes: Array
    steps: tuple[tuple[int, int], ...]
    squared: Array

    @property
    def rms(self) -> Array:
        """Root mean square of the gradient, (stages, measurements)."""
        return np.asarray(np.sqrt(self.squared / self.sizes[:, None]))

    @property
    def shares(self) -> Array:
        """Each stage's share of the sum of squares, (stages, measurements); nan where that is 0 or not finite."""
        total = self.squared.sum(axis=0)
        usable = np.isfinite(total) & (total > 0)
        return np.where(usable, self.squared / np.where(usable, total, 1.0), np.nan)

    def binned(self, most: int) -> History:
        """At most so many columns, each the mean of neighbouring measurements."""
        pieces = np.array_split(np.arange(len(self.steps)), min(most, len(self.steps)) or 1)
        pieces = [piece for piece in pieces if len(piece)]
        squared = [self.squared[:, piece].mean(axis=1) for piece in pieces]
        steps = tuple((self.steps[piece[0]][0], self.steps[piece[-1]][1]) for piece in pieces)
        return History(self.stages, self.sizes, steps, np.array(squared).reshape(-1, len(self.stages)).T)

    def tenth(self) -> int:
        """A tenth of the number of measurements, at least 1."""
        return max(1, math.ceil(len(self.steps) / 10))

    def late(self) -> Array:
        """Each stage's rms in the last tenth, relative to the median stage's; nan for 0 / 0 and where it is unknown."""
        rms = np.sqrt(self.squared[:, -self.tenth() :].mean(axis=1) / self.sizes)
        known = rms[~np.isnan(rms)]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(rms / (np.median(known) if known.size else math.nan))

    def growth(self) -> Array:
        """Each stage's rms at each measurement, relative to its median in the first tenth without zeros.

        nan where the median or the rms is unknown; inf where the rms is not finite.
        """
        early = [[value for value in row if value > 0] for row in self.rms[:, : self.tenth()].tolist()]
        base = np.array([median(values) if values else math.nan for values in early])
        return np.where(np.isinf(self.rms), math.inf, self.rms / base[:, None])


def history(model: GPT, measured: Sequence[Measured]) -> History:
    """The history of the model's stages, from all measurements that have a "squared"."""
    sizes: dict[str, int] = {}
    for path, parameter in model.named_parameters():
        sizes[stage_of(path)] = sizes.get(stage_of(path), 0) + parameter.size
    known = [(one.step, one.squared) for one in measured if one.squared is not None]
    squared = [[by_stage.get(stage, math.nan) for stage in sizes] for _, by_stage in known]
    return History(
        tuple(sizes),
        np.array([*sizes.values()]),
        tuple((step, step) for step, _ in known),
        np.array(squared, np.float64).reshape(-1, len(sizes)).T,
    )


def vanishing(past: History) -> list[tuple[str, float]]:
    """Each stage that vanishes, with its rms in the last tenth relative to the median stage's; 0 for no gradient."""
    none = past.squared[:, -past.tenth() :].sum(axis=1) == 0
    ratios = np.where(none, 0.0, past.late()).tolist()
    return [(stage, ratio) for stage, ratio in zip(past.stages, ratios, strict=True) if ratio < VANISHES]


def exploding(past: History) -> list[tuple[str, float, int]]:
    """Each stage that explodes, with its largest growth (inf where the rms is not finite) and the step of that."""
    found = []
    for stage, growth in zip(past.stages, np.nan_to_num(past.growth(), nan=0.0, posinf=math.inf), strict=True):
        largest = float(growth.max(initial=0.0))
        if largest > EXPLODES:
            found.append((stage, largest, past.steps[int(growth.argmax())][0]))
    return found

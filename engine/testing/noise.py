"""Noise: how coarsely a function is rounded where the dtype of its results does not say so.

A function may convert its arguments to float32 and return float64, as many kernels do; or add up in float32 inside; or
stop an iteration at a tolerance. Differences at small steps then measure its rounding, and no slope. Two tests find
that out. They are made only where central differences have not settled after a few steps:

    precision   f(x) = f(x rounded to float32), exactly, at random x, though the next floats give other results; or all
                results are numbers of float32. Likewise for float16 and bfloat16.
    noise       the third and fourth differences along a line: those of a smooth function vanish like h^3 and h^4, those
                of noise are as large at one scale as at the next (Hamming's table; Moré and Wild 2011).

The invariant: noise widens the error of a slope, never its value. And steps and jumps that no precision explains are
properties of the function, not noise.

Read next: `engine/testing/remainder.py`, a second test for a slope that seems wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.testing.numeric import attempt, moved, precision

BITS = {"bfloat16": 8, "float16": 11, "float32": 24}  # of a significand, the coarsest first
SCALES = [2.0**-k for k in (4, 8, 12, 16, 20)]  # of the steps along a line, relative to the arguments
PLATEAU = 8.0  # noise differs from one scale to the next by no more than this factor
POINTS = 8  # at which the precision is tested
MOSTLY = 0.3  # of the results that change with 64 floats change with 2
CLEAR = 8.0  # noise of fewer units of the dtype is ordinary rounding
CANCELLED = 64 * np.finfo(np.float64).eps  # noise of terms of size one that cancel in f
LARGEST = 2.0**-17  # relative to f: larger noise, if no precision explains it, is a property of the function
ROUGHEST = 2.0**-5  # and larger still, it is a jump or a pole


class Noise:
    """How a function is rounded near one point. Nothing is computed before it is asked for.

    Attributes:
        unit: the unit to which each result is rounded, relative to it: that of its dtype, or of noise once measured.
        words: what was found, as a clause of a report, or "".
    """

    def __init__(self, f: Callable[..., Any], xs: Sequence[Array], out: Array) -> None:
        self._f, self._xs, self._out = f, xs, out
        self._rng = np.random.default_rng(5)
        self.unit: Any = precision(out)
        self.words = ""
        self._size: Array | None = None

    def measure(self) -> Array:
        """How far each result is off by rounding, absolutely; 0 where the dtype tells all."""
        if self._size is None:
            self._size = np.zeros(self._out.shape)
            if self._out.size and self._out.dtype.kind == "f":
                with np.errstate(all="ignore"):
                    self._measure()
        return self._size

    def _measure(self) -> None:
        samples, level, last = self._line()
        height = np.nan_to_num(np.abs(samples)).max(axis=0)
        relative, rough = (np.nan_to_num(np.where(height > 0, size / height, 0.0)) for size in (level, last))
        name = self._precision(samples, float(max(relative.max(), rough.max())))
        if name:
            unit = 2.0 ** (1 - BITS[name])
            self._size = np.where(level > 0, np.maximum(2 * level, unit * height), unit * height.max())
            self.unit = np.maximum(unit, relative)
            self.words = "" if self._out.dtype == name else f"f computes in {name}"
        elif CLEAR * precision(self._out) < relative.max() < ROUGHEST:
            worst = int(np.argmax(relative))
            self.words = f"f has noise of {level.flat[worst]:.1g}, {relative.flat[worst]:.1g} of its value"
            if 2.0**-27 < relative.flat[worst] < LARGEST:
                self.words += ", as much as float32 leaves inside"
            small = (relative > CLEAR * precision(self._out)) & ((relative < LARGEST) | (level < CANCELLED))
            small &= ~self._steps()
            self._size, self.unit = np.where(small, 2 * level, 0.0), np.where(small, relative, self.unit)

    def _line(self) -> tuple[Array, Array, Array]:
        """Results along lines, one for each scale; the size of the noise where two scales agree; its last size."""
        rows, unknown = [], np.full(self._out.shape, np.nan)
        level, before = unknown, unknown
        for scale in SCALES:
            directions = [self._away(x) for x in self._xs]
            steps = [scale * k for k in (-3, -2, -1, 0, 1, 2, 3)]
            line = np.array([moved(self._f, self._xs, directions, h, self._out) for h in steps], np.float64)
            rows.append(line)
            third = np.diff(line, 3, axis=0) / 20**0.5  # 20 = 1 + 9 + 9 + 1, so that noise of size 1 gives 1
            fourth = np.diff(line, 4, axis=0) / 70**0.5  # 70 = 1 + 16 + 36 + 16 + 1
            size = np.sqrt(np.mean(np.concatenate([third, fourth]) ** 2, axis=0))
            same = (size > 0) & (size <= PLATEAU * before) & (before <= PLATEAU * size)
            level = np.where(np.isnan(level) & same, np.maximum(size, before), level)
            before = np.where(size > 0, size, before)
            if np.isfinite(level).all():
                break
        return np.concatenate(rows), level, before

    def _precision(self, samples: Array, noise: float) -> str:
        """The lower precision that f computes in and that explains the noise; "" if there is none."""
        possible = {name: bits for name, bits in BITS.items() if noise > 2.0 ** (-bits - 4)}
        return next((name for name, bits in possible.items() if self._casts(bits) or _written_in(samples, bits)), "")

    def _casts(self, bits: int) -> bool:
        """Whether f converts its arguments to floats of so many bits: rounding them first changes nothing.

        And what changes if they go 64 floats farther mostly does so if they go 2, as in no step function.
        """
        changed = sensitive = 0
        for k in range(POINTS):
            xs = [self._near(x, (2.0**-5, 0.75)[k % 2]) for x in self._xs]  # precision is the same everywhere
            cast = [rounded(x, bits) for x in xs]
            ways = [x * 2.0 ** (1 - bits) * self._rng.choice([-1, 1], x.shape) for x in cast]
            here, there = (attempt(self._f, points, self._out) for points in (xs, cast))
            if not np.array_equal(here, there, equal_nan=True):
                return False
            two, many = (
                attempt(self._f, [x + floats * way for x, way in zip(cast, ways, strict=True)], self._out) != here
                for floats in (2, 64)
            )
            changed, sensitive = changed + int((two & many).sum()), sensitive + int(many.sum())
        return sensitive >= POINTS // 2 and changed > MOSTLY * sensitive

    def _steps(self) -> Array:
        """Where the smallest steps change nothing."""
        directions = [self._away(x) for x in self._xs]
        moves = [moved(self._f, self._xs, directions, h, self._out) != self._out for h in (2.0**-30, -(2.0**-30))]
        return np.asarray(~np.any(moves, axis=0))

    def _away(self, x: Array) -> Array:
        """A random direction: as far as each element is from 0; no element leaves 0 unless all are 0."""
        return (np.abs(x) if x.any() else np.ones(x.shape)) * self._rng.uniform(0.5, 1.0, x.shape)

    def _near(self, x: Array, reach: float) -> Array:
        """A random point, up to so much nearer to 0; or near 0, if all elements are 0."""
        return np.asarray(x * (1 - reach * self._rng.random(x.shape)) if x.any() else self._rng.random(x.shape))


def rounded(x: Array, bits: int) -> Array:
    """Rounded to a significand of so many bits."""
    significand, exponent = np.frexp(x)
    return np.asarray(np.ldexp(np.round(np.ldexp(significand, bits)), exponent - bits))


def _written_in(samples: Array, bits: int) -> bool:
    """Whether all results that vary fit into floats of so many bits, and need them: none of them is a whole number."""
    varied = samples[:, (samples != samples[:1]).any(axis=0)]
    whole = varied == np.round(varied)
    fits = np.array_equal(rounded(varied, bits), varied, equal_nan=True)
    return bool(varied.size and fits and not whole.any() and not np.array_equal(rounded(varied, bits - 2), varied))

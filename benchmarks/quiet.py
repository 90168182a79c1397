"""Timing on a machine that others use too: what was measured while it was busy is thrown away and measured again.

Before and after each measurement a fixed piece of work is timed, the calibration. It occupies all cores, so another
program on any of them makes it slower, and so does a processor that has slowed down. Where it takes longer than the
best time seen so far by more than the tolerance, the measurement between does not count.

A machine that is busy from the first second to the last has no better time to be compared with; nothing here shows it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import cache
from typing import TypeVar

Result = TypeVar("Result")

TOLERANCE = 1.15  # calibrations of a quiet machine differ by less
FIRST = 20  # calibrations before the first measurement, to know what a quiet machine takes
REPEATS = 4  # of one measurement; after so many the least disturbed one counts
_REST = 0.05  # seconds; the threads of a BLAS wait actively for about half as long after a product


class Watch:
    """Repeats measurements until the machine was quiet.

    Args:
        limit: how many may be repeated in all, so that a busy machine does not take for ever.
        calibrate: times the fixed piece of work, in seconds.

    Fields:
        best: the best calibration so far.
        repeated: how many measurements were thrown away.
    """

    def __init__(self, limit: int = 200, calibrate: Callable[[], float] | None = None) -> None:
        self._limit, self._calibrate = limit, calibrate or calibration
        self._slowest: list[float] = []  # of the two calibrations around each measurement that counts
        self.best = math.inf
        self.repeated = 0

    def quietly(self, measure: Callable[[], Result]) -> Result:
        """What `measure` returns, from a call during which the machine was quiet if there was one."""
        if not self._slowest:
            self.best = min(self._calibrate() for _ in range(FIRST))
        tries: list[tuple[float, Result]] = []
        while True:
            before, result, after = self._calibrate(), measure(), self._calibrate()
            self.best = min(self.best, before, after)
            tries.append((max(before, after), result))
            if not self._busy(tries[-1][0]) or len(tries) > REPEATS or self.repeated >= self._limit:
                break
            self.repeated += 1
        slowest, result = min(tries, key=lambda one: one[0])
        self._slowest.append(slowest)
        return result

    def _busy(self, seconds: float) -> bool:
        return seconds > TOLERANCE * self.best

    @property
    def disturbed(self) -> int:
        """How many measurements count although the machine was busy, by the best calibration known now."""
        return sum(map(self._busy, self._slowest))

    def __str__(self) -> str:
        repeated = f"{self.repeated} of {len(self._slowest) + self.repeated} measurements were thrown away and repeated"
        return f"{repeated} because the machine was busy; {self.disturbed} count although it was."


def calibration() -> float:
    """Seconds of a fixed piece of work that occupies all cores and the memory: the best of three, about 10 ms each."""
    work = _work()
    time.sleep(_REST)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    time.sleep(_REST)
    return min(times)


@cache
def _work() -> Callable[[], None]:
    import numpy as np  # a contestant may have to set something before this

    a, product = (np.ones((512, 512), np.float32) for _ in range(2))
    x, total = (np.ones(1 << 21, np.float32) for _ in range(2))  # 8 MB each

    def work() -> None:
        for _ in range(4):
            np.matmul(a, a, out=product)
            np.add(x, x, out=total)

    return work

"""Contestants that take turns: each lives in a process of its own, started from one parent.

A slow moment of the machine then hits all of them, and the median of the ratios is what counts. A contestant whose
library is not installed is left out, and said so.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any


def parser(description: str | None, contestants: Iterable[str], rounds: int) -> argparse.ArgumentParser:
    """The options that every contest has: how many rounds, and, for its own use, which contestant to be."""
    made = argparse.ArgumentParser(description=description and description.splitlines()[0])
    made.add_argument("--rounds", type=int, default=rounds)
    made.add_argument("--worker", choices=list(contestants), help=argparse.SUPPRESS)
    return made


def repeat(function: Callable[[], float], times: int) -> float:
    """Call a function a number of times; its last result."""
    result = 0.0
    for _ in range(times):
        result = function()
    return result


def serve(run: Callable[[int], Any]) -> None:
    """A contestant's process: read an amount, run it, print the seconds it took and one number it returned."""
    for line in sys.stdin:
        began = time.perf_counter()
        result = run(int(line))
        print(time.perf_counter() - began, float(result), flush=True)


class Contest:
    """The parent's side: `script --worker NAME` must call `serve`."""

    def __init__(self, script: str, names: Sequence[str], options: Sequence[str] = ()) -> None:
        self.workers: dict[str, subprocess.Popen[str]] = {}
        for name in names:
            command = [sys.executable, script, "--worker", name, *options]
            pipe = subprocess.PIPE
            self.workers[name] = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self.first: dict[str, float] = {}  # what each returned from its first run
        for name in names:
            try:
                self.first[name] = self.ask(name, 1)[1]
            except ModuleNotFoundError as error:
                print(f"{name} is left out: {error}")
                del self.workers[name]

    def ask(self, name: str, amount: int) -> tuple[float, float]:
        """Let one contestant run an amount: the seconds it took for each, and the number it returned."""
        worker = self.workers[name]
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert worker.stderr is not None
        try:
            worker.stdin.write(f"{amount}\n")
            worker.stdin.flush()
        except BrokenPipeError:
            pass
        answer = worker.stdout.readline().split()
        if len(answer) != 2:
            last = (worker.stderr.read().strip() or "ended early").splitlines()[-1]
            if "ModuleNotFoundError" in last:
                raise ModuleNotFoundError(last.partition(": ")[2])
            raise SystemExit(f"{name}: {last}")
        return float(answer[0]) / amount, float(answer[1])

    def rounds(self, count: int, amount: int) -> dict[str, list[float]]:
        """Seconds for each of the amount, by contestant, one figure for every round."""
        times: dict[str, list[float]] = {name: [] for name in self.workers}
        for _ in range(count):
            for name, found in times.items():
                found.append(self.ask(name, amount)[0])
        return times

    def close(self) -> None:
        for worker in self.workers.values():
            worker.communicate()


def report(times: dict[str, list[float]], unit: str, scale: float) -> None:
    """Print each contestant's times, and the ratio of the first one's to every other's."""
    for name, found in times.items():
        print(f"{name:>10}: {_spread([scale * t for t in found])} {unit}")
    ours, *others = times
    for other in others:
        ratios = [a / b for a, b in zip(times[ours], times[other], strict=True)]
        print(f"{'ratio':>10}: {_spread(ratios)}, {ours} over {other}")


def _spread(values: list[float]) -> str:
    return f"median {statistics.median(values):.2f}, {min(values):.2f} to {max(values):.2f}"

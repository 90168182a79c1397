"""Contestants that take turns: each lives in a process of its own, started from one parent.

The parent lets one after the other run, round after round, and repeats a turn during which the machine was busy
(`benchmarks/quiet.py`). A ratio is taken in each round, between turns that are seconds apart, so a slow change of the
machine hits both sides. A contestant that cannot run here is left out, with its reason.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from benchmarks.quiet import Watch

Times = dict[str, list[float]]  # by contestant, one figure for every round

BASE = "pytorch"  # the contestant that all others are compared with
QUICK = 2  # rounds, where one only wants to see that everything runs


class NotHereError(Exception):
    """A contestant cannot run on this machine; the message says why."""


def parser(description: str | None, contestants: Iterable[str], rounds: int) -> argparse.ArgumentParser:
    """The options that every contest has: how many rounds, and, for its own use, which contestant to be."""
    made = argparse.ArgumentParser(description=description and description.splitlines()[0])
    made.add_argument("--rounds", type=int, default=rounds)
    quick = f"{QUICK} rounds: too few to quote, enough to see that everything runs"
    made.add_argument("--quick", dest="rounds", action="store_const", const=QUICK, help=quick)
    made.add_argument("--worker", choices=list(contestants), help=argparse.SUPPRESS)
    return made


def watch_for(rounds: int) -> Watch:
    """A watch that repeats at most 30 measurements for each round, and none in a quick run."""
    return Watch(limit=0 if rounds == QUICK else 30 * rounds)


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
    """The parent's side: `script --worker NAME` must call `serve`.

    Fields:
        first: what each contestant returned from its first run, of the amount 1.
        last: what each returned from its latest run.
        left_out: why contestants do not take part, a sentence each.
    """

    def __init__(
        self, script: str, names: Sequence[str], options: Sequence[str] = (), watch: Watch | None = None
    ) -> None:
        self.watch = watch or Watch()
        self.workers: dict[str, subprocess.Popen[str]] = {}
        for name in names:
            command = [sys.executable, script, "--worker", name, *options]
            pipe = subprocess.PIPE
            self.workers[name] = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self.first: dict[str, float] = {}
        self.last: dict[str, float] = {}
        self.left_out: list[str] = []
        for name in names:
            try:
                self.ask(name, 1)
            except NotHereError as error:
                self.left_out.append(f"{name} is left out: {error}")
                self.workers.pop(name).communicate()
        self.first |= self.last

    def ask(self, name: str, amount: int) -> float:
        """Let one contestant run an amount: the seconds it took for each."""
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
            kind, _, message = last.partition(": ")
            if kind.rpartition(".")[2] in ("NotHereError", "ImportError", "ModuleNotFoundError"):
                raise NotHereError(message)
            raise SystemExit(f"{name}: {last}")
        self.last[name] = float(answer[1])
        return float(answer[0]) / amount

    def amounts(self, seconds: float) -> dict[str, int]:
        """For each contestant, how much it does in about so many seconds, and at least 1: turns of equal length."""
        return {name: max(1, round(seconds / self.turn(name, 1))) for name in self.workers}

    def turn(self, name: str, amount: int) -> float:
        """Seconds for each of the amount, on a quiet machine if that is possible."""
        return self.watch.quietly(lambda: self.ask(name, amount))

    def rounds(self, count: int, amount: int | Mapping[str, int]) -> Times:
        """Seconds for each of the amount, by contestant, one figure for every round."""
        times: Times = {name: [] for name in self.workers}
        for _ in range(count):
            for name, found in times.items():
                found.append(self.turn(name, amount if isinstance(amount, int) else amount[name]))
        return times

    def close(self) -> None:
        for worker in self.workers.values():
            worker.communicate()


def ratios(times: Times, base: str = BASE) -> Times:
    """Each contestant's time over that of the base in the same round; nothing where the base takes no part."""
    if base not in times:
        return {}
    return {name: [a / b for a, b in zip(found, times[base], strict=True)] for name, found in times.items()}


def spread(values: Sequence[float]) -> str:
    """A median, and the range of all rounds."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def report(times: Times, unit: str, scale: float) -> None:
    """Print each contestant's time, and its ratio to PyTorch's."""
    relative = ratios(times)
    for name, found in times.items():
        ratio = f", ratio {spread(relative[name])}" if name in relative else ""
        print(f"{name:>10}: {spread([scale * t for t in found])} {unit}{ratio}")

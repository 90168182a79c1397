"""How a training shows itself: a live line in a terminal, and lines in a log; and how it is stopped.

Read next: `gpt/commands/events.py`.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as ProgressBar

from gpt.training.trainer import Progress

_PAUSE = 0.2  # seconds between two states of the live line
_PAUSE_OF_LOG = 10.0


class Line:
    """One line that says where the training stands: rewritten in a terminal, otherwise repeated now and then."""

    def __init__(self, console: Console, steps: int) -> None:
        self._console = console
        self._bar = ProgressBar(
            TextColumn("{task.description}"), BarColumn(bar_width=20), console=console, transient=True
        )
        self._task = self._bar.add_task("starting", total=steps)
        self._shown = 0.0
        self._measures = ""

    @contextmanager
    def live(self) -> Iterator[Line]:
        """Show it while this context lasts."""
        if not self._console.is_terminal:
            yield self
            return
        with self._bar:
            yield self

    def show(self, progress: Progress) -> None:
        """Show a step, unless another was shown a moment ago."""
        if progress.validation:
            self._measures = measures(progress.validation)
        now, terminal = time.monotonic(), self._console.is_terminal
        if now - self._shown < (_PAUSE if terminal else _PAUSE_OF_LOG) and progress.step < progress.steps:
            return
        self._shown = now
        if terminal:
            self._bar.update(self._task, completed=progress.step, description=self._text(progress))
        else:
            self._console.print(self._text(progress), highlight=False)

    def _text(self, progress: Progress) -> str:
        minutes, seconds = divmod(round(progress.seconds_left), 60)
        return (
            f"step {progress.step:,}/{progress.steps:,}  loss {progress.loss:.4f}  {self._measures}"
            f"{progress.tokens_per_second:,.0f} tokens/s  {minutes}:{seconds:02} left"
        )


def measures(found: dict[str, float]) -> str:
    """What was measured on the validation data, in a few words."""
    shown = f"validation {found['loss']:.4f}"
    return shown + (f" ({found['accuracy']:.1%} right)  " if "accuracy" in found else "  ")


class Stop:
    """Whether the user, or the system, has asked the training to stop."""

    asked = False


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Within this context Ctrl-C, and the signal to terminate, ask for a stop; a second Ctrl-C stops at once.

    Asking lets the step end first, so that what is saved is the state after a step.
    """
    stop = Stop()

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True

    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread may receive signals
        return
    before: dict[int, Any] = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

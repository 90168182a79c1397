"""What ops do besides computing: record or not, for which sweeps, under which scope.

The settings are one small entry on a stack that lives in a context variable, so a thread or an asyncio task never sees
another's. Generators need more care, since they share their caller's context: an entry made inside a generator holds
only while that generator runs, and its caller is left alone between two `next`. The exception is a generator that
`contextlib.contextmanager` turned into a context manager: there the caller is whom the setting is for.

Read next: `engine/tensor.py`.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from itertools import count
from types import FrameType
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_next_call = count().__next__


class Recording:
    """One entry of the stack.

    Fields:
        enabled: whether ops record nodes at all.
        forward: whether nodes also keep what a forward sweep will ask for, beside what a reverse sweep asks for.
        anomaly: whether the first nan is an error.
        keeping: whether nodes keep their values.
        scope: the names of the modules that are running, outermost first.
        outer: the entry below.
        frame: the generator that made this entry; it holds only while that runs.
        left: set when it was left while another entry lay on top.
        plain: nothing but recording for a reverse sweep, as nearly always.
    """

    __slots__ = ("anomaly", "enabled", "forward", "frame", "keeping", "left", "outer", "plain", "scope")

    def __init__(
        self,
        enabled: bool = True,
        forward: bool = False,
        anomaly: bool = False,
        keeping: bool = False,
        scope: tuple[str, ...] = (),
        outer: Recording | None = None,
        frame: FrameType | None = None,
    ) -> None:
        self.enabled = enabled
        self.forward = forward
        self.anomaly = anomaly
        self.keeping = keeping
        self.scope = scope
        self.outer = outer
        self.frame = frame
        self.left = False
        self.plain = enabled and not (forward or anomaly or keeping) and frame is None


stack: ContextVar[Recording] = ContextVar("recording", default=Recording())  # noqa: B039 (never written but `left`)


def current() -> Recording:
    """The entry in force here: the topmost that was not left and whose generator, if it has one, is running."""
    now = stack.get()
    while now.left or (now.frame is not None and now.frame.f_back is None):  # a suspended frame has no caller
        assert now.outer is not None
        now = now.outer
    return now


_FOR_THE_CALLER = (
    contextlib._GeneratorContextManager.__enter__.__code__,
    contextlib._AsyncGeneratorContextManager.__aenter__.__code__,
)


def _generator(frame: FrameType) -> FrameType | None:
    """The frame, if it is a generator's that will be suspended behind its caller's back."""
    suspends = frame.f_code.co_flags & (inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR)
    if not suspends or (frame.f_back is not None and frame.f_back.f_code in _FOR_THE_CALLER):
        return None
    return frame


class changed:  # noqa: N801 (reads as a statement: with changed(enabled=False))
    """Context manager, and decorator of functions, under which some fields of the current entry are others."""

    def __init__(self, **changes: Any) -> None:
        self.changes = changes
        self.entries: list[Recording] = []

    def __enter__(self) -> None:
        now = current()
        fields = {name: getattr(now, name) for name in ("enabled", "forward", "anomaly", "keeping", "scope")}
        entry = Recording(**{**fields, **self.changes}, outer=now, frame=_generator(sys._getframe(1)))
        self.entries.append(entry)
        stack.set(entry)

    def __exit__(self, *_: object) -> None:
        entry = self.entries.pop()
        if stack.get() is not entry:
            # A generator interleaved its `with` with ours. Who lies on top will skip this entry.
            entry.left, entry.plain = True, False
            return
        assert entry.outer is not None
        stack.set(entry.outer)

    def __call__(self, function: F) -> F:
        if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
            raise TypeError(
                f"{function.__name__} is a generator or a coroutine: decorating would cover its creation only; "
                "open the context inside it"
            )

        @wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with changed(**self.changes):  # one of its own: the function may run in several threads at once
                return function(*args, **kwargs)

        return inside  # type: ignore[return-value]


def no_grad() -> changed:
    """Context manager (and decorator) under which nothing is recorded."""
    return changed(enabled=False)


def enable_grad() -> changed:
    """Context manager (and decorator) that records again inside `no_grad`."""
    return changed(enabled=True)


def detect_anomaly() -> changed:
    """Context manager (and decorator) under which the first nan is a FloatingPointError.

    It names the op, its scope and the line that called it, forward and backward. Every result is looked at: slow.
    """
    return changed(anomaly=True)


def keep_values() -> changed:
    """Context manager (and decorator) under which every node keeps its value, so that a picture can show it.

    Without it only what some rule saved, and what a living tensor holds, is known after the fact. Costs memory.
    """
    return changed(keeping=True)


class Call(str):
    """A name in a scope path that also knows which call it stands for: of two calls of one module, the later one's
    `number` is higher. As a string it is the name and nothing more.
    """

    __slots__ = ("number",)
    number: int

    def __new__(cls, name: str) -> Call:
        call = super().__new__(cls, name)
        call.number = _next_call()
        return call


def scope(name: str) -> changed:
    """Context manager that puts `name` at the end of the scope path of every node recorded inside."""
    return changed(scope=(*current().scope, Call(name)))

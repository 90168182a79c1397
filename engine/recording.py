"""What ops do besides computing: whether they record, for which sweeps, and under which scope.

The settings are a `Recording`, the top of a stack that lives in a context variable, so a thread or an asyncio task
never sees the settings of another. `with no_grad():` pushes an entry and pops it again.

The invariant: a setting never leaks to a caller, a thread or a task. Generators need care for that, which
`engine/generators.py` takes.

Read next: `engine/generators.py`.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from itertools import count
from types import FrameType
from typing import Any, TypeVar

from engine.generators import generator_of, suspended

F = TypeVar("F", bound=Callable[..., Any])

_next_call = count().__next__


class Recording:
    """One entry of the stack of settings.

    Fields:
        enabled: whether ops record nodes at all.
        forward: whether nodes keep what a forward sweep will ask for, besides what a reverse sweep asks for.
        anomaly: whether the first nan is an error.
        keeping: whether nodes keep their values.
        lines: whether nodes note the line of user code that made them.
        scope: the names of the modules that are running, outermost first.
        outer: the entry below.
        context: the context manager that made this entry, which will remove it.
        frame: the generator that made this entry, or None; the entry holds only while the generator runs.
        left: whether its `with` block has ended although another entry was on top.
        plain: whether ops only have to record for a reverse sweep, as in nearly every call.
        idle: whether ops only have to compute: nothing is recorded, and no result is checked.
    """

    __slots__ = (
        "anomaly",
        "context",
        "enabled",
        "forward",
        "frame",
        "idle",
        "keeping",
        "left",
        "lines",
        "outer",
        "plain",
        "scope",
    )

    def __init__(
        self,
        enabled: bool = True,
        forward: bool = False,
        anomaly: bool = False,
        keeping: bool = False,
        lines: bool = False,
        scope: tuple[str, ...] = (),
        outer: Recording | None = None,
        context: changed | None = None,
        frame: FrameType | None = None,
    ) -> None:
        self.enabled = enabled
        self.forward = forward
        self.anomaly = anomaly
        self.keeping = keeping
        self.lines = lines
        self.scope = scope
        self.outer = outer
        self.context = context
        self.frame = frame
        self.left = False
        self.plain = enabled and not (forward or anomaly or keeping or lines) and frame is None
        self.idle = not (enabled or anomaly) and frame is None


stack: ContextVar[Recording] = ContextVar("recording", default=Recording())  # noqa: B039 (never written but `left`)


def current() -> Recording:
    """The settings in force here: the topmost entry that was not left and whose generator, if any, is running."""
    now = stack.get()
    while now.left or suspended(now.frame):
        assert now.outer is not None
        now = now.outer
    return now


def _kept(entry: Recording) -> Recording:
    """This entry, or if it was left the topmost one below that was not."""
    while entry.left and entry.outer is not None:
        entry = entry.outer
    return entry


class changed:  # noqa: N801 (reads as a statement: with changed(enabled=False))
    """Context manager (and decorator of functions) under which some settings have other values.

    One object may be entered again, also while it is entered already, by another thread or by another generator: it
    keeps nothing of an entry itself.

    Args:
        inside: names to put at the end of the scope path that is in force where the context is entered.
        changes: the other values, by field of `Recording`.
    """

    def __init__(self, *inside: str, **changes: Any) -> None:
        self.inside = inside
        self.changes = changes

    def __enter__(self) -> None:
        now, new = current(), self.changes.get
        scope = new("scope", now.scope)
        entry = Recording(
            new("enabled", now.enabled),
            new("forward", now.forward),
            new("anomaly", now.anomaly),
            new("keeping", now.keeping),
            new("lines", now.lines),
            (*scope, *map(ScopeName, self.inside)) if self.inside else scope,
            _kept(stack.get()),
            self,
            generator_of(sys._getframe(1)),
        )
        stack.set(entry)

    def __exit__(self, *_: object) -> None:
        top, frame = stack.get(), sys._getframe(1)
        if top.context is self and top.frame is generator_of(frame) and top.outer is not None:
            stack.set(_kept(top.outer))
            return
        # The `with` blocks of a generator and its caller overlap: `current` will skip the entry that ends here.
        mine: list[Recording] = []
        entry: Recording | None = top
        while entry is not None:
            if entry.context is self and not entry.left:
                mine.append(entry)
            entry = entry.outer
        ended = [one for maker in (frame, None) for one in mine if one.frame is maker][:1]
        for one in ended:  # none where a generator ends in another thread than it began in
            one.left, one.plain, one.idle = True, False, False

    def __call__(self, function: F) -> F:
        suspends = (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction)
        if any(is_one(function) for is_one in suspends):
            raise TypeError(
                f"{function.__name__} is a generator or a coroutine: decorating would cover its creation only; "
                "open the context inside it"
            )

        @wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self:
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

    The error names the op, its scope and the line that called it, forward and backward. Slow: checks every result.
    """
    return changed(anomaly=True)


def keep_values() -> changed:
    """Context manager (and decorator) under which every node keeps its value, so that a picture can show it.

    Without it only what some rule saved, and what a living tensor holds, is known after the fact. Costs memory.
    """
    return changed(keeping=True)


def keep_lines() -> changed:
    """Context manager (and decorator) under which every node notes the line of user code that made it.

    The line is the innermost one outside `engine` and `nn`; a picture shows it. Costs some 10 µs and 300 bytes an op.
    """
    return changed(lines=True)


class ScopeName(str):
    """A name in a scope path, with the number of the `with scope` that put it there.

    As a string it is the name and nothing more. Of two calls of one module, the later one has the higher `number`.
    """

    __slots__ = ("number",)
    number: int

    def __new__(cls, name: str) -> ScopeName:
        named = super().__new__(cls, name)
        named.number = _next_call()
        return named


def scope(name: str) -> changed:
    """Context manager (and decorator) that puts `name` at the end of the scope path of every node recorded inside.

    The path is that of where the context is entered, and each time it is entered is a call of its own.
    """
    if not isinstance(name, str):
        raise TypeError(f"scope: the name must be a string, as in scope('encoder'), not {type(name).__name__}")
    return changed(name)

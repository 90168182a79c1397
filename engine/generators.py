"""Which settings hold inside a generator, and which hold for the code that calls it.

A generator shares its caller's context variables, so a setting made inside one would be in force for the caller between
two `next`. A setting therefore remembers the generator that made it, and holds only while that generator runs. The
exception is a generator that `contextlib.contextmanager` made a context manager: its setting is meant for the caller.

Read next: `engine/operands.py`.
"""

from __future__ import annotations

import contextlib
import inspect
from types import FrameType

_CONTEXT_MANAGERS = (
    contextlib._GeneratorContextManager.__enter__.__code__,
    contextlib._AsyncGeneratorContextManager.__aenter__.__code__,
)


def generator_of(frame: FrameType) -> FrameType | None:
    """The frame itself if it is a generator's, and not a context manager's; else None."""
    suspends = frame.f_code.co_flags & (inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR)
    if not suspends or (frame.f_back is not None and frame.f_back.f_code in _CONTEXT_MANAGERS):
        return None
    return frame


def suspended(frame: FrameType | None) -> bool:
    """Whether a generator is waiting for its next `next`: its frame has no caller then."""
    return frame is not None and frame.f_back is None

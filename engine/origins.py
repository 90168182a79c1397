"""origins: the line of user code that called an op.

Every op is called through a few frames of this package, and often through a layer of `nn`. The user's line is the
innermost one outside both: for a model that the user wrote, the line in its `forward`; for `nn.Linear` that the user
calls, the line of the call. It is looked up only under `keep_lines` and `detect_anomaly`.

Read next: `engine/anomaly.py`.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

LIBRARIES = frozenset({"engine", "nn"})  # whose code is not the user's; named here, because engine imports no layers


class Origin(NamedTuple):
    """A line of code: its file, its number from 1, and the name of the function it stands in."""

    file: str
    number: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.number} in {self.function}"


def origin() -> Origin:
    """The innermost line of user code that is running."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in LIBRARIES:
        frame = frame.f_back
    return Origin(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)

"""What `detect_anomaly` checks: where the first nan appears.

Forward, a result with a nan that no argument had; backward, a contribution with a nan while the cotangent had none.
Both are FloatingPointErrors that name the op, its scope, and the line of user code that called it.

Read next: `engine/describe.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.graph import Node, place_of
from engine.origins import origin


def has_nan(value: Any) -> bool:
    """Whether an array or a tensor holds a nan."""
    array = getattr(value, "array", value)
    return isinstance(array, np.ndarray | np.generic) and array.dtype.kind == "f" and bool(np.isnan(array).any())


def inspect_result(op: str, out: Any, arrays: Sequence[Any], node: Node | None, scope: tuple[str, ...]) -> None:
    """Note where a node was made. FloatingPointError if its result holds a nan and no argument does."""
    made_at = origin()
    if node is not None:
        node.note().origin = made_at
    if has_nan(out) and not any(has_nan(array) for array in arrays):
        first = tuple(int(i) for i in np.argwhere(np.isnan(out))[0])
        raise FloatingPointError(f"{op}: its result is nan at {first}, and no argument was{place_of(scope, made_at)}")


def inspect_contribution(node: Node, argument: int, g: Any, contribution: Any) -> None:
    """FloatingPointError if a contribution holds a nan and the cotangent does not."""
    if has_nan(contribution) and not has_nan(g):
        raise FloatingPointError(f"{node.op}: the gradient it sends to argument {argument} is nan{node.place}")

"""The law of an op's call: a shortcut does what the general call does.

Read next: `engine/testing/laws/precision.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np

from engine.primitive import Primitive
from engine.recording import changed, scope
from engine.tensor import Tensor
from engine.testing.claims import Case
from engine.testing.report import GradientError

_SETTINGS: tuple[dict[str, bool], ...] = ({}, {"enabled": False}, {"forward": True}, {"keeping": True}, {"lines": True})


def shortcut_is_the_general_call(case: Case) -> None:
    """shortcut = call: in value, and in all that the node remembers, whatever the arguments and the settings are."""
    for arguments in _ways_to_give(case.arrays):
        for setting in _SETTINGS:
            with changed(**setting), scope("law"), np.errstate(all="ignore"):
                general, short = (  # the general call first: it makes the shortcut's plan
                    _result(call, case.primitive, *arguments, **case.metadata)
                    for call in (Primitive.__call__, type(case.primitive).__call__)
                )
            different = [name for name, (one, other) in _compared(short, general).items() if not _same(one, other)]
            if different:
                given = ", ".join(type(argument).__name__ for argument in arguments)
                raise GradientError(
                    f"{case.primitive.name}: called with ({given}), the shortcut gives another "
                    f"{' and '.join(different)} than Primitive.__call__",
                    "shortcut = call",
                )


def _ways_to_give(arrays: list[Any]) -> Iterator[tuple[Any, ...]]:
    """The arguments in every combination of forms; of more than two, all in one form, or all but one."""
    forms = [*map(_forms, arrays)]
    if len(arrays) <= 2:
        yield from product(*forms)
        return
    for number in range(max(map(len, forms))):
        alike = [of_one[number % len(of_one)] for of_one in forms]
        yield tuple(alike)
        for k, of_one in enumerate(forms):
            yield (*alike[:k], of_one[(number + 1) % len(of_one)], *alike[k + 1 :])


def _forms(x: Any) -> list[Any]:
    """A tensor that requires a gradient, in two dtypes; a constant, an array, and two numbers. None stays None."""
    if x is None:
        return [None]
    leaves = [Tensor(x, requires_grad=True, dtype=dtype) for dtype in (None, np.float32)] if x.dtype.kind == "f" else []
    return [*leaves, Tensor(x), x, x.flat[0].item() if x.size else 1.0, 1]


def _result(call: Callable[..., Any], *arguments: Any, **metadata: Any) -> Any:
    """What the call returns; an error as its type and message."""
    try:
        return call(*arguments, **metadata)
    except (ValueError, IndexError, TypeError, AttributeError) as error:
        return type(error).__name__, str(error)


def _compared(short: Any, general: Any) -> dict[str, tuple[Any, Any]]:
    """Pairs of what must be the same, by the word for it."""
    pairs = {"kind of result": (type(short), type(general)), "value": (_array(short), _array(general))}
    if not isinstance(short, Tensor) or not isinstance(general, Tensor):
        return pairs
    one, other = short.node, general.node
    pairs["node"] = (one is None, other is None)
    if one is not None and other is not None:
        for name in ("primitive", "plan", "parents", "saved", "metadata", "shape", "dtype", "scope"):
            pairs[name] = (getattr(one, name), getattr(other, name))
    return pairs


def _array(result: Any) -> Any:
    return result.array if isinstance(result, Tensor) else result


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    return type(one) is type(other) and bool(one == other)

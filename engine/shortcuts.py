"""Shortcuts: the call of an op of one or two arrays and nothing else, without the loops of `Primitive.__call__`.

Most calls in a program are of such ops, on tensors of one dtype, recorded for a reverse sweep. For these the general
call takes twice as long. A shortcut handles them alone and leaves every other call to the general one; a law of
`engine.testing` holds the two equal, in value and in what the node remembers.

Read next: `engine/declare.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine.half import HALF
from engine.primitive import REFUSALS, Primitive
from engine.recording import stack
from engine.tensor import Tensor, recorded

ndarray, SINGLE, DOUBLE = np.ndarray, np.dtype(np.float32), np.dtype(np.float64)
_NO_METADATA: dict[str, Any] = {}
_MISSING: Any = object()


class Unary(Primitive):
    """A primitive of one array."""

    def __init__(self, forward: Callable[..., Any], **knowledge: Any) -> None:
        super().__init__(forward, **knowledge)
        self.first = self.plan(False, 1, 0b1)

    def __call__(self, x: Any = _MISSING, /, *more: Any, **metadata: Any) -> Any:
        if more or metadata or x is _MISSING:
            return Primitive.__call__(self, *_given(x), *more, **metadata)
        if type(x) is not Tensor:
            if type(x) is not ndarray or (x.dtype is not SINGLE and x.dtype is not DOUBLE):
                return Primitive.__call__(self, x)
            out = self.forward(x)  # a rule calls an op on an array
            return out if type(out) is ndarray else np.asarray(out)
        now, plan = stack.get(), self.first
        node, array, save = x.node, x.array, plan.quick_save
        if node is None or node.dtype is HALF or save is None or not now.plain:
            return Primitive.__call__(self, x)
        try:
            out = self.forward(array)
        except REFUSALS as error:
            raise self.explained(error, (array,), _NO_METADATA) from error
        if type(out) is not ndarray:
            out = np.asarray(out)
        return recorded(out, out.dtype, self, (node,), plan, save(array, out), _NO_METADATA, now.scope)


class Binary(Primitive):
    """A primitive of two arrays."""

    def __init__(self, forward: Callable[..., Any], **knowledge: Any) -> None:
        super().__init__(forward, **knowledge)
        self.first, self.second, self.both = (self.plan(False, 2, wanted) for wanted in (0b01, 0b10, 0b11))

    def __call__(self, x: Any = _MISSING, y: Any = _MISSING, /, *more: Any, **metadata: Any) -> Any:
        if more or metadata or y is _MISSING:
            return Primitive.__call__(self, *_given(x, y), *more, **metadata)
        left: Any
        right: Any
        if type(x) is Tensor:
            left, of_x = x.array, x.node
        elif type(x) is float or type(x) is int:
            left, of_x = x, None
        elif type(x) is ndarray and type(y) is ndarray:  # a rule calls an op on arrays
            if x.dtype is y.dtype and (x.dtype is SINGLE or x.dtype is DOUBLE):
                return np.asarray(self.forward(x, y))
            return Primitive.__call__(self, x, y)
        else:
            return Primitive.__call__(self, x, y)
        if type(y) is Tensor:
            right, of_y = y.array, y.node
        elif type(y) is float or type(y) is int:
            right, of_y = y, None
        else:
            return Primitive.__call__(self, x, y)
        if of_x is not None:
            expected, plan = of_x.dtype, self.first if of_y is None else self.both
        elif of_y is not None:
            expected, plan = of_y.dtype, self.second
        else:
            return Primitive.__call__(self, x, y)
        now, save = stack.get(), plan.quick_save
        if save is None or expected is HALF or not now.plain:
            return Primitive.__call__(self, x, y)
        try:
            out = self.forward(left, right)
        except REFUSALS as error:
            raise self.explained(error, (left, right), _NO_METADATA) from error
        if type(out) is not ndarray:
            out = np.asarray(out)
        dtype = out.dtype
        if dtype is not expected:  # the arguments may have to be promoted
            return Primitive.__call__(self, x, y)
        return recorded(out, dtype, self, (of_x, of_y), plan, save(left, right, out), _NO_METADATA, now.scope)


def _given(*arguments: Any) -> tuple[Any, ...]:
    """The arguments without the missing ones."""
    return tuple(argument for argument in arguments if argument is not _MISSING)

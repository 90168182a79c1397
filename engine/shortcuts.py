"""Shortcuts: the calls that a program makes most, without the questions that `Primitive.__call__` asks of each.

There are two. Most ops of a training take one or two arrays and nothing else, tensors of one dtype, recorded for a
reverse sweep: `Unary` and `Binary`. And an op only has to compute where its arguments are arrays, as in a rule, or
where `no_grad` says so: `Quick`. For these the general call takes twice as long. A shortcut handles them alone and
leaves every other call to the general one; a law of `engine.testing` holds the two equal, in value and in what the
node remembers.

Read next: `engine/declare.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.graph import NO_METADATA
from engine.half import HALF
from engine.operands import setting
from engine.plan import Joint, Plan, Rule
from engine.primitive import PLAIN, REFUSALS, Primitive
from engine.recording import stack
from engine.tensor import Tensor, recorded, wrap

ndarray, SINGLE, DOUBLE = np.ndarray, np.dtype(np.float32), np.dtype(np.float64)


class Quick(Primitive):
    """A primitive with a quick call where nothing is recorded, for arguments of one dtype, float32 or float64."""

    def __init__(self, forward: Callable[..., Any], **knowledge: Any) -> None:
        super().__init__(forward, **knowledge)
        self._optional = [name in self.signature.optional for name in self.signature.arguments]

    def __call__(self, *arguments: Any, **metadata: Any) -> Any:
        if len(arguments) != self.arity or len(metadata) != self.metadata_count:
            return Primitive.__call__(self, *arguments, **metadata)
        arrays: list[Any] = []
        dtype, tensor = None, False  # whether an argument is a tensor
        for x in arguments:
            if type(x) is Tensor:
                if not tensor and not stack.get().idle:
                    return Primitive.__call__(self, *arguments, **metadata)
                x, tensor = x.array, True
            elif x is None and self._optional[len(arrays)]:
                arrays.append(None)
                continue
            elif type(x) is not ndarray:
                return Primitive.__call__(self, *arguments, **metadata)
            if x.dtype is not dtype:
                if dtype is not None:  # the arguments may have to be promoted
                    return Primitive.__call__(self, *arguments, **metadata)
                dtype = x.dtype
            arrays.append(x)
        if dtype is not SINGLE and dtype is not DOUBLE:
            return Primitive.__call__(self, *arguments, **metadata)
        for name, value in metadata.items():
            if type(value) not in PLAIN:
                metadata[name] = setting(self.name, name, value)
        try:
            out = self.forward(*arrays, **metadata)
        except REFUSALS as error:
            raise self.explained(error, arrays, metadata) from error
        if self.residuals:
            out, *_ = self.parted(out)
        if type(out) is not ndarray:
            out = np.asarray(out)
        return wrap(out, None) if tensor else out


class _Shortcut(Quick):
    """A primitive with a quick call for the plans in `quick`: the first call of each kind is general, and makes one.

    Fields:
        quick: the plans for reverse sweeps that read arguments and the result alone, by the bit mask of the arguments
            that require a gradient.
    """

    def __init__(self, forward: Callable[..., Any], **knowledge: Any) -> None:
        self.quick: list[Plan | None] = [None] * 4
        super().__init__(forward, **knowledge)

    def implement(self, forward: Callable[..., Any], vjp: Sequence[Rule | None] | Joint) -> None:
        self.quick = [None] * 4
        super().implement(forward, vjp)

    def plan(self, forward_mode: bool, count: int, wanted: int, half: bool = False) -> Plan:
        plan = super().plan(forward_mode, count, wanted, half)
        if plan.quick_save is not None and not (forward_mode or half):
            self.quick[wanted] = plan
        return plan


class Unary(_Shortcut):
    """A primitive of one array."""

    def __call__(self, *arguments: Any, **metadata: Any) -> Any:
        if len(arguments) == 1 and not metadata:
            return self.short(arguments[0])
        return Quick.__call__(self, *arguments, **metadata)

    def short(self, x: Any) -> Any:
        """The call with one argument."""
        if type(x) is not Tensor:
            dtype = x.dtype if type(x) is ndarray else None
            if dtype is not SINGLE and dtype is not DOUBLE:
                return Quick.__call__(self, x)
            forward = self.forward
            out = forward(x)  # a rule calls an op on an array
            return out if type(out) is ndarray else np.asarray(out)
        now, node, array, plan = stack.get(), x.node, x.array, self.quick[0b1]
        if node is None or plan is None or node.dtype is HALF or not now.plain:
            return Quick.__call__(self, x)
        forward = self.forward
        try:
            out = forward(array)
        except REFUSALS as error:
            raise self.explained(error, (array,), NO_METADATA) from error
        if type(out) is not ndarray:
            out = np.asarray(out)
        shape = out.shape
        if shape == node.shape:
            shape = node.shape  # the same tuple: one object less for each node of a long graph
        saved = plan.quick_save(array, out) if plan.keep else ()
        return recorded(out, shape, out.dtype, plan, node, saved, NO_METADATA, now.scope)


class Binary(_Shortcut):
    """A primitive of two arrays."""

    def __call__(self, *arguments: Any, **metadata: Any) -> Any:
        if len(arguments) == 2 and not metadata:
            x, y = arguments
            return self.short(x, y)
        return Quick.__call__(self, *arguments, **metadata)

    def short(self, x: Any, y: Any) -> Any:
        """The call with two arguments."""
        left: Any
        right: Any
        if type(x) is Tensor:
            left, of_x = x.array, x.node
        elif type(x) is float or type(x) is int:
            left, of_x = x, None
        elif type(x) is ndarray and type(y) is ndarray:  # a rule calls an op on arrays
            dtype = x.dtype
            if dtype is y.dtype and (dtype is SINGLE or dtype is DOUBLE):
                forward = self.forward
                out = forward(x, y)
                return out if type(out) is ndarray else np.asarray(out)
            return Quick.__call__(self, x, y)
        else:
            return Quick.__call__(self, x, y)
        if type(y) is Tensor:
            right, of_y = y.array, y.node
        elif type(y) is float or type(y) is int:
            right, of_y = y, None
        else:
            return Quick.__call__(self, x, y)
        links: Any
        if of_x is None:
            node, plan, links = of_y, self.quick[0b10], of_y
        elif of_y is None:
            node, plan, links = of_x, self.quick[0b01], of_x
        else:
            node, plan, links = of_x, self.quick[0b11], (of_x, of_y)
        now = stack.get()
        if node is None or plan is None or node.dtype is HALF or not now.plain:
            return Quick.__call__(self, x, y)
        forward = self.forward
        try:
            out = forward(left, right)
        except REFUSALS as error:
            raise self.explained(error, (left, right), NO_METADATA) from error
        if type(out) is not ndarray:
            out = np.asarray(out)
        dtype, shape = out.dtype, out.shape
        if dtype is not node.dtype:  # the arguments may have to be promoted
            return Quick.__call__(self, x, y)
        if shape == node.shape:
            shape = node.shape
        saved = plan.quick_save(left, right, out) if plan.keep else ()
        return recorded(out, shape, dtype, plan, links, saved, NO_METADATA, now.scope)


def shortest(op: Callable[..., Any]) -> Callable[..., Any]:
    """What to call instead of an op, if the arguments are complete: a method, as Python calls an object by a detour."""
    if isinstance(op, Unary | Binary):
        return op.short
    return op.__call__ if isinstance(op, Primitive) else op

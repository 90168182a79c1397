"""Primitive: an op that can be called, with everything that is known about it in one place.

    @primitive(
        vjp=(lambda g, y: g * y, lambda g, x: g * x),    # a rule per argument: sends the cotangent g backward
        jvp=LINEAR,                                      # and one that sends a tangent t forward
        examples=broadcasting(REAL, REAL),               # where the laws of `engine.testing` try it
        broadcasts=True,
    )
    def multiply(x, y):
        return np.multiply(x, y)

The idea: **a rule asks, by name, for what it needs.** Its first parameter is the cotangent `g` (the tangent `t` in a
jvp rule); each further positional parameter names a value, and a node keeps alive only the values that the rules of the
coming sweep name:

    x, y, ...    an argument of the function        x_shape                only the argument's shape
    out          the function's result              one in `residuals`     what it returned beside the result

Keyword-only parameters name the op's metadata. A rule that needs to know which arguments require a gradient may ask for
the keyword `wanted`, one for a variable number of arguments for its `position`.

The invariant: rules are written with the engine's own ops and operators, so the same text runs on arrays (the
default: fast) and on tensors (recorded: derivatives of any order). Called with arrays only, a primitive returns
an array and records nothing.

Fused ops, whose hand-derived rules use what the forward pass left behind, name a `reference`: the same function
composed of small ops. A recorded sweep differentiates the reference, so the node of a fused op keeps its arguments
as well.

Read next: `engine/degree.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.anomaly import inspect_result
from engine.describe import describe
from engine.graph import Node, linked
from engine.half import HALF, all_half, narrowed, widened
from engine.op import Op
from engine.operands import copied, frozen, operand, promote, setting
from engine.origins import origin
from engine.recording import current
from engine.tensor import Tensor, recorded, wrap

registry: dict[str, Primitive] = {}  # every op made with `@primitive`, by name

REFUSALS = (TypeError, ValueError, IndexError, AttributeError)  # what a function raises that does not know its op

PLAIN = {float, int, bool, type(None)}  # arguments that need no promotion: NumPy gives them the other one's dtype


class Primitive(Op):
    """An op whose call records a node if a tensor requires a gradient; make one with `@primitive`."""

    def __repr__(self) -> str:
        return describe(self)

    def __call__(self, *args: Any, **metadata: Any) -> Any:
        """Apply the op. Tensors in, a tensor out, recorded if any requires a gradient; arrays in, an array out."""
        if len(args) != self.arity or len(metadata) != self.metadata_count:
            args, metadata = self.signature.bind(args, metadata)
        for name, value in metadata.items():
            if type(value) not in PLAIN:
                metadata[name] = setting(self.name, name, value)
        arrays: list[Any] = []
        parents: list[Node | None] = []
        wanted, bit = 0, 1  # a bit per argument that requires a gradient
        bare = mixed = False  # whether an array is not a tensor's; whether the tensors differ in dtype
        half = False  # whether there is a float16 array
        dtype = None
        for argument in args:
            if type(argument) is Tensor:
                array, node = argument.array, argument.node
                if node is not None:
                    wanted |= bit
                if array.dtype is not dtype:
                    mixed, dtype = dtype is not None, array.dtype
                    half = half or dtype is HALF
            else:
                array, node = argument, None
                if type(array) not in PLAIN:
                    array = operand(self.name, self.signature.name_of(len(arrays)), argument)
                    bare, half = True, half or getattr(array, "dtype", None) is HALF
                elif array is None and self.signature.name_of(len(arrays)) not in self.signature.optional:
                    operand(self.name, self.signature.name_of(len(arrays)), None)
            arrays.append(array)
            parents.append(node)
            bit <<= 1
        if (bare or mixed) and self.broadcasts and dtype is not None:
            arrays = promote(args, arrays)
        half = half and not self.moves and all_half(arrays)
        try:
            out = self.forward(*(map(widened, arrays) if half else arrays), **metadata)
        except REFUSALS as error:
            raise self.explained(error, arrays, metadata) from error
        residuals: Sequence[Any] = ()
        if self.residuals:
            out, *residuals = self.parted(out)
        exact = out  # in half precision, not rounded yet: the rules that read the result read this
        if half:
            out = narrowed(out)
        if isinstance(out, np.generic):
            out = np.asarray(out)  # NumPy turns results without axes into scalars; a tensor holds arrays only
        if dtype is None:
            return out
        now = current()
        result = None
        if wanted & self.constants and now.enabled:
            name = self.signature.name_of((wanted & self.constants).bit_length() - 1)
            raise TypeError(f"{self.name}: there is no derivative in {name}, and it requires a gradient; detach() it")
        if wanted and now.enabled:
            plan = self.plan(now.forward, len(args), wanted, half)
            if plan.pulls or plan.pushes:
                metadata = {name: frozen(value) for name, value in metadata.items()}
                kept = copied(args, arrays) if bare and plan.keep else arrays
                saved = plan.save(*self.signature.fill(kept, exact if half else out, residuals, metadata))
                result = recorded(out, out.shape, out.dtype, plan, linked(parents), saved, metadata, now.scope)
        if result is None:
            result = wrap(out, None)
        if now.anomaly:
            inspect_result(self.name, out, arrays, result.node, now.scope)
        if now.keeping and result.node is not None:
            result.node.note().value = out
        if now.lines and result.node is not None:
            result.node.note().origin = origin()
        return result

    def parted(self, returned: Any) -> tuple[Any, ...]:
        """The result and the residuals, as the function returned them. TypeError if it did not."""
        if not isinstance(returned, tuple) or len(returned) != 1 + len(self.residuals):
            raise TypeError(f"{self.name}: must return its result and {', '.join(self.residuals)}, as a tuple")
        return returned

    def explained(self, error: Exception, arrays: Sequence[Any], metadata: dict[str, Any]) -> Exception:
        """The same error naming the op, and what NumPy speaks of: the shapes, or where a type is wrong the settings."""
        message = str(error)
        if message.startswith(f"{self.name}:"):
            return error
        if isinstance(error, AttributeError):
            numbers = [self.signature.name_of(k) for k, a in enumerate(arrays) if isinstance(a, int | float)]
            return TypeError(f"{self.name}: {', '.join(numbers)} must be a tensor or an array") if numbers else error
        if isinstance(error, TypeError):
            given = ", ".join(f"{name}={value!r:.40}" for name, value in metadata.items())
            return TypeError(f"{self.name}: {message}" + (f" ({given})" if given else ""))
        shapes = ", ".join(str(np.shape(array)) for array in arrays if array is not None)
        kind = next(k for k in (np.exceptions.AxisError, IndexError, ValueError) if isinstance(error, k))
        return kind(f"{self.name}: {message} (argument shapes: {shapes})")

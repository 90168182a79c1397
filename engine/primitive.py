"""Primitive: an op, with everything that is known about it in one place.

    @primitive(
        vjp=(lambda g, y: g * y, lambda g, x: g * x),    # a rule per argument: sends the cotangent g backward
        jvp=LINEAR,                                      # and one that sends a tangent t forward
        examples=broadcasting(REAL, REAL),               # where the laws of `engine.testing` try it
        broadcasts=True,
    )
    def multiply(x, y):
        return np.multiply(x, y)

The idea: **a rule asks, by name, for what it needs.** Its first parameter is the cotangent `g` (the tangent `t` in a
jvp rule); each further positional parameter names a value, and a node keeps alive just what its coming sweep names:

    x, y, ...    an argument of the function        x_shape                only the argument's shape
    out          the function's result              one in `residuals`     what it returned beside the result

Keyword-only parameters name the op's metadata. A rule that needs to know which arguments want a gradient may ask for
the keyword `wanted`, one for a variable number of arguments for its `position`.

The invariant: rules are written with the engine's own ops and operators, so the same text runs on arrays (the
default: fast) and on tensors (recorded: derivatives of any order). Called with arrays only, a primitive returns
an array and records nothing.

Fused ops, whose hand-derived rules use what the forward pass left behind, name a `reference`: the same function
composed of small ops. A recorded sweep differentiates the reference, so such an op's node keeps its arguments
as well.

Read next: `engine/ops/elementwise/` for examples, then `engine/sweeps.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.anomaly import inspect_result
from engine.describe import describe
from engine.examples import Example
from engine.graph import Node
from engine.operands import from_list, frozen, promote
from engine.plan import Joint, Plan, Rule
from engine.recording import current, stack
from engine.signature import Names, Signature
from engine.tensor import Tensor, recorded, wrap

registry: dict[str, Primitive] = {}

ndarray = np.ndarray
_NOTHING: dict[str, Any] = {}
_MISSING: Any = object()

_PLAIN = {float, int, bool, type(None)}  # what needs no care: NumPy lets these take the other argument's dtype


class Primitive:
    """A differentiable function of arrays; make one with `@primitive`.

    Attributes:
        name: the function's name; another may be given where a function of that name prepares the arguments.
        vjp, jvp: the rules, one per argument; None where an argument has no derivative (an index, a condition).
        examples: draws arguments for the laws of `engine.testing`.
        broadcasts: the function broadcasts its arguments, so the sweep sums contributions back to their shapes.
        pointwise: each element of the result depends on the elements in its own place only.
        reference: the same function composed of other primitives, for a fused op.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        *,
        vjp: Sequence[Rule | None] | Joint,
        jvp: Sequence[Rule | None] | Joint | Rule | None = None,
        examples: Example | None = None,
        broadcasts: bool = False,
        pointwise: bool = False,
        residuals: tuple[str, ...] = (),
        reference: Callable[..., Any] | None = None,
        name: str | None = None,
    ) -> None:
        self.forward = forward
        self.name = name or forward.__name__
        self.__doc__ = forward.__doc__
        self.__module__ = forward.__module__
        self.__wrapped__ = forward  # where `inspect.signature` and editors find the signature
        self.signature = Signature(self.name, forward, residuals, keep_arguments=reference is not None)
        self.vjp = vjp
        self.jvp = jvp
        self.examples = examples
        self.broadcasts = broadcasts
        self.pointwise = pointwise
        self.residuals = residuals
        self.reference = reference
        self.arity = self.signature.arity
        self.metadata_count = len(self.signature.metadata)
        self._plans: dict[bool, dict[int, Plan]] = {False: {}, True: {}}
        Plan(self.signature, vjp, jvp, abs(self.arity), -1)  # a rule that asks for an unknown name fails here

    def __repr__(self) -> str:
        return describe(self)

    def __call__(self, *args: Any, **metadata: Any) -> Any:
        """Apply the op. Tensors in, a tensor out, recorded if any wants a gradient; arrays in, an array out."""
        if len(args) != self.arity or len(metadata) != self.metadata_count:
            args, metadata = self.signature.bind(args, metadata)
        arrays: list[Any] = []
        parents: list[Node | None] = []
        wanted, bit = 0, 1  # a bit per argument that wants a gradient
        bare = mixed = False  # is there an array that is not a tensor's; do tensors differ in dtype
        dtype = None
        for argument in args:
            if type(argument) is Tensor:
                array, node = argument.array, argument.node
                if node is not None:
                    wanted |= bit
                if array.dtype is not dtype:
                    mixed, dtype = dtype is not None, array.dtype
            else:
                array, node = from_list(argument) if isinstance(argument, list) else argument, None
                bare = bare or type(array) not in _PLAIN
            arrays.append(array)
            parents.append(node)
            bit <<= 1
        if (bare or mixed) and self.broadcasts and dtype is not None:
            arrays = promote(args, arrays)
        try:
            out = self.forward(*arrays, **metadata)
        except (ValueError, IndexError) as error:
            raise self._explained(error, arrays) from error
        residuals: Sequence[Any] = ()
        if self.residuals:
            if not isinstance(out, tuple) or len(out) != 1 + len(self.residuals):
                raise TypeError(f"{self.name}: must return its result and {', '.join(self.residuals)}, as a tuple")
            out, *residuals = out
        if isinstance(out, np.generic):
            out = np.asarray(out)  # NumPy turns results without axes into scalars; a tensor holds arrays only
        if dtype is None:
            return out
        now = current()
        result = None
        if wanted and now.enabled:
            plan = self.plan(now.forward, len(args), wanted)
            if plan.pulls or plan.pushes:
                metadata = {name: frozen(value) for name, value in metadata.items()}
                saved = plan.collect(arrays, out, residuals, metadata, args if bare else None)
                result = recorded(out, out.dtype, self, parents, plan, saved, metadata, now.scope)
        if result is None:
            result = wrap(out, None)
        if now.anomaly:
            inspect_result(self.name, out, arrays, result.node, now.scope)
        if now.keeping and result.node is not None:
            result.node.note().value = out
        return result

    def plan(self, forward: bool, count: int, wanted: int) -> Plan:
        """Which rules run when the arguments in the bit mask `wanted` want a derivative, and what they need kept."""
        plans = self._plans[forward]
        key = 1 << count | wanted
        if key not in plans:
            plans[key] = Plan(self.signature, self.vjp, self.jvp if forward else None, count, wanted)
        return plans[key]

    def _explained(self, error: Exception, arrays: Sequence[Any]) -> Exception:
        """The same error naming the op and, where NumPy speaks of shapes, all of them."""
        message = str(error)
        if message.startswith(f"{self.name}:"):
            return error
        shapes = ", ".join(str(np.shape(array)) for array in arrays if array is not None)
        kind = next(k for k in (np.exceptions.AxisError, IndexError, ValueError) if isinstance(error, k))
        return kind(f"{self.name}: {message} (argument shapes: {shapes})")


class Unary(Primitive):
    """A primitive of one array and nothing else: the common call without the loops; anything else as above."""

    def __init__(self, forward: Callable[..., Any], **knowledge: Any) -> None:
        super().__init__(forward, **knowledge)
        self.first = self.plan(False, 1, 0b1)

    def __call__(self, x: Any = _MISSING, /, *more: Any, **metadata: Any) -> Any:
        if more or metadata or x is _MISSING:
            return Primitive.__call__(self, *given(x), *more, **metadata)
        if type(x) is not Tensor:
            return np.asarray(self.forward(x)) if type(x) is ndarray else Primitive.__call__(self, x)
        now = stack.get()
        before = x.node
        if before is None or not now.plain:
            return Primitive.__call__(self, x)
        array = x.array
        try:
            out = self.forward(array)
        except (ValueError, IndexError) as error:
            raise self._explained(error, (array,)) from error
        if type(out) is not ndarray:
            out = np.asarray(out)
        plan = self.first
        saved = plan.save(array, out) if plan.quick else plan.collect((array,), out, (), _NOTHING)
        return recorded(out, out.dtype, self, (before,), plan, saved, _NOTHING, now.scope)


class Binary(Primitive):
    """A primitive of two arrays and nothing else, likewise."""

    def __init__(self, forward: Callable[..., Any], **knowledge: Any) -> None:
        super().__init__(forward, **knowledge)
        self.first, self.second, self.both = (self.plan(False, 2, wanted) for wanted in (0b01, 0b10, 0b11))

    def __call__(self, x: Any = _MISSING, y: Any = _MISSING, /, *more: Any, **metadata: Any) -> Any:
        if more or metadata or y is _MISSING:
            return Primitive.__call__(self, *given(x, y), *more, **metadata)
        left: Any
        right: Any
        if type(x) is Tensor:
            left, before = x.array, x.node
        elif type(x) is float or type(x) is int:
            left, before = x, None
        elif type(x) is ndarray and type(y) is ndarray:  # so rules call each other
            return np.asarray(self.forward(x, y))
        else:
            return Primitive.__call__(self, x, y)
        if type(y) is Tensor:
            right, behind = y.array, y.node
        elif type(y) is float or type(y) is int:
            right, behind = y, None
        else:
            return Primitive.__call__(self, x, y)
        now = stack.get()
        if not now.plain:
            return Primitive.__call__(self, x, y)
        if before is not None:
            expected, plan = before.dtype, self.first if behind is None else self.both
        elif behind is not None:
            expected, plan = behind.dtype, self.second
        else:
            return Primitive.__call__(self, x, y)
        try:
            out = self.forward(left, right)
        except (ValueError, IndexError) as error:
            raise self._explained(error, (left, right)) from error
        if type(out) is not ndarray:
            out = np.asarray(out)
        dtype = out.dtype
        if dtype is not expected:  # there may be something to promote
            return Primitive.__call__(self, x, y)
        saved = plan.save(left, right, out) if plan.quick else plan.collect((left, right), out, (), _NOTHING)
        return recorded(out, dtype, self, (before, behind), plan, saved, _NOTHING, now.scope)


def primitive(**knowledge: Any) -> Callable[[Callable[..., Any]], Primitive]:
    """Decorator: make a function on arrays a `Primitive` and register it. See this module's docstring."""

    def make(forward: Callable[..., Any]) -> Primitive:
        made = _kind(forward, knowledge)(forward, **knowledge)
        existing = registry.get(made.name)
        if existing is not None and existing.__module__ != made.__module__:  # a notebook cell may run twice
            raise ValueError(f"a primitive named {made.name!r} exists already, in {existing.__module__}")
        registry[made.name] = made
        return made

    return make


def _kind(forward: Callable[..., Any], knowledge: dict[str, Any]) -> type[Primitive]:
    """The class with the shortest way to call such a function."""
    names = Names.of(forward)
    if "residuals" in knowledge or names.optional or names.keywords or names.variable:
        return Primitive
    return {1: Unary, 2: Binary}.get(len(names.positional), Primitive)


def given(*arguments: Any) -> tuple[Any, ...]:
    """Those that are not missing."""
    return tuple(argument for argument in arguments if argument is not _MISSING)

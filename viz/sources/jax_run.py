"""run: a jaxpr, equation by equation, with a record of every step that depends on the arguments to be blamed.

Calls such as `jit` are entered, and a `scan` is unrolled: each of its steps is a scope `scan.0`, `scan.1` and so on. A
function with a rule of its own, a `cond` and a long `scan` are one step each.

The invariant: the steps are in the order in which they ran, so walking them backward is a reverse topological order.

Read next: `viz/sources/jax_backward.py`, the way back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import Literal

from viz.sources import jax_equations

MOST_UNROLLED = 128  # steps of a scan, times those of the scans around it


class Part(NamedTuple):
    """A name in a scope.

    Fields:
        inside: the number of the `jit` call or step of a scan that it stands in, 0 outside all; so that the same name
            in the next call or step is another call.
        is_step: whether it is the name of a step of a scan.
    """

    name: str
    inside: int
    is_step: bool = False


@dataclass(eq=False, slots=True)
class Result:
    """An array of the run.

    Fields:
        active: whether blame can flow into it: it is a float argument, or made of floats that depend on one.
        step: the one that made it, if it is active and no argument.
    """

    array: Any
    active: bool = False
    step: Step | None = None


@dataclass(eq=False, slots=True)
class Step:
    """One equation that ran, on at least one active input.

    Fields:
        function: of the arrays of `inputs`; returns a list of arrays, those of `outputs`.
        parts, calls: the scope around it, and for each part of it the number of the call.
        equations: the equation, after those in whose bodies it stands, outermost first.
        is_view, is_embedding: as `jax_equations` says.
    """

    op: str
    function: Callable[..., Any]
    inputs: Sequence[Result]
    outputs: Sequence[Result]
    parts: tuple[Part, ...]
    calls: tuple[int, ...]
    equations: tuple[Any, ...]
    is_view: bool = False
    is_embedding: bool = False

    @property
    def scope(self) -> tuple[str, ...]:
        return tuple(part.name for part in self.parts)

    @property
    def modules(self) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Scope and calls without the steps of scans, because a parameter belongs to all of these."""
        kept = [(part.name, call) for part, call in zip(self.parts, self.calls, strict=True) if not part.is_step]
        return tuple(name for name, _ in kept), tuple(call for _, call in kept)


@dataclass(frozen=True, slots=True)
class _Around:
    """What surrounds equations.

    Fields:
        scope: outermost first.
        equations: those in whose bodies they stand.
        number: of the innermost call or step that they run in.
        times: how often they run, by the scans that are unrolled.
    """

    scope: tuple[Part, ...] = ()
    equations: tuple[Any, ...] = ()
    number: int = 0
    times: int = 1

    def at(self, equation: Any) -> _Around:
        names = jax_equations.scope(equation)
        return replace(
            self,
            scope=(*self.scope, *(Part(name, self.number) for name in names)),
            equations=(*self.equations, equation),
        )


class Run:
    """Runs jaxprs and records the steps.

    Fields:
        steps: in the order in which they ran.
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._numbers = count(1)
        self._scope: tuple[Part, ...] = ()
        self._calls: tuple[int, ...] = ()
        self._functions: dict[int, Any] = {}

    def run(self, closed: Any, inputs: Sequence[Result], around: _Around | None = None) -> list[Result]:
        """The outputs of a closed jaxpr."""
        around = around or _Around()
        known: dict[Any, Result] = dict(zip(closed.jaxpr.constvars, map(Result, closed.consts), strict=True))
        known |= zip(closed.jaxpr.invars, inputs, strict=True)

        def read(variable: Any) -> Result:
            is_literal = isinstance(variable, Literal)
            return Result(jnp.asarray(variable.val, variable.aval.dtype)) if is_literal else known[variable]

        for equation in closed.jaxpr.eqns:
            outputs = self._equation(closed.jaxpr, equation, [*map(read, equation.invars)], around.at(equation))
            known |= zip(equation.outvars, outputs, strict=True)
        return [*map(read, closed.jaxpr.outvars)]

    def _equation(self, jaxpr: Any, equation: Any, inputs: Sequence[Result], around: _Around) -> Sequence[Result]:
        inner = jax_equations.body(equation)
        if inner is not None:
            return self.run(inner, inputs, replace(around, number=next(self._numbers)))
        is_active = any(result.active for result in inputs)
        if equation.primitive.name == "scan" and is_active:
            around = replace(around, times=around.times * equation.params["length"])
            if 0 < around.times <= MOST_UNROLLED:
                return self._scan(equation, inputs, around)
        if id(equation) not in self._functions:  # the body of a scan runs often
            self._functions[id(equation)] = jax_equations.function(jaxpr, equation)
        function = self._functions[id(equation)]
        if not is_active or equation.primitive.name == "stop_gradient":
            return [*map(Result, function(*(result.array for result in inputs)))]
        return self._step(
            jax_equations.op(equation),
            function,
            inputs,
            around,
            is_view=jax_equations.is_view(equation),
            is_embedding=jax_equations.is_embedding(equation),
        )

    def _scan(self, equation: Any, inputs: Sequence[Result], around: _Around) -> list[Result]:
        """The final carry, and the outputs of all steps stacked."""
        told = equation.params
        constants, carried = told["num_consts"], told["num_carry"]
        fixed, carry = inputs[:constants], inputs[constants : constants + carried]
        sequences = inputs[constants + carried :]
        order = range(told["length"])
        made: list[Sequence[Result]] = []
        for number, place in enumerate(reversed(order) if told["reverse"] else order):
            inside = next(self._numbers)
            step = replace(around, scope=(*around.scope, Part(f"scan.{number}", inside, True)), number=inside)
            items = [self._step("slice", partial(_item, place), [sequence], step)[0] for sequence in sequences]
            outputs = self.run(told["jaxpr"], [*fixed, *carry, *items], step)
            carry = outputs[:carried]
            made.append(outputs[carried:])
        if told["reverse"]:
            made.reverse()
        return [*carry, *(self._step("stack", _stacked, results, around)[0] for results in zip(*made, strict=True))]

    def _step(
        self, op: str, function: Callable[..., Any], inputs: Sequence[Result], around: _Around, **kind: bool
    ) -> list[Result]:
        outputs = [Result(array) for array in function(*(result.array for result in inputs))]
        if any(result.active for result in inputs):
            calls = self._calls_at(around.scope)
            step = Step(op, function, inputs, outputs, around.scope, calls, around.equations, **kind)
            for output in outputs:
                output.active, output.step = jnp.issubdtype(output.array.dtype, jnp.inexact), step
            self.steps.append(step)
        return outputs

    def _calls_at(self, scope: tuple[Part, ...]) -> tuple[int, ...]:
        """The number of the call for each part of a scope: the same as before for what the last step was in, too."""
        pairs = zip(scope, self._scope)
        shared = next((k for k, (part, last) in enumerate(pairs) if part != last), min(len(scope), len(self._scope)))
        self._calls = self._calls[:shared] + tuple(next(self._numbers) for _ in scope[shared:])
        self._scope = scope
        return self._calls


def _item(place: int, sequence: Any) -> list[Any]:
    return [jax.lax.dynamic_index_in_dim(sequence, place, keepdims=False)]


def _stacked(*results: Any) -> list[Any]:
    return [jnp.stack(results)]

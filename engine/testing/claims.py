"""The derivatives that an op's rules claim at one point, computed by sweeps of the engine over one call.

Read next: `engine/testing/laws/__init__.py`, where these claims are compared with the truth and with one another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.graph import between
from engine.primitive import Primitive
from engine.recording import changed
from engine.sweeps import forward_sweep, reverse_sweep
from engine.tensor import Tensor, wrap
from engine.testing.judge import Judge
from engine.testing.points import random

Function = Callable[..., Any]
Results = dict[str, Any]


class Case:
    """One call of an op, and the derivatives that its rules claim there.

    Attributes:
        names: the names of its arguments in reports.
        moving: the positions of the arguments that have a derivative.
        g, tangents: a random cotangent, read-only, and random tangents, None for the arguments that are not moving.
        gradients: the gradients that the reverse rules claim under g, by position.
    """

    rounding = 1e-9  # tolerance between two computations of one value in float64, relative to the largest value
    slack = 1e-12  # the rounding of a rule, whose terms are of size one, like the examples

    def __init__(self, primitive: Primitive, arrays: Sequence[Any], metadata: dict[str, Any], seed: int) -> None:
        self.primitive, self.arrays, self.metadata = primitive, list(arrays), metadata
        self.judge = Judge(primitive.name)
        self.rng = np.random.default_rng([seed, 1])
        named = primitive.signature.arguments
        self.names = [f"{named[0]}{k}" if primitive.signature.variadic else named[k] for k in range(len(arrays))]
        self.moving = differentiable(primitive, self.arrays)
        self.out = self.value(*self.arrays)
        self.g = random(self.rng, self.out.shape)
        self.g.flags.writeable = False
        self.tangents: list[Any] = [
            random(self.rng, a.shape) if k in self.moving else None for k, a in enumerate(self.arrays)
        ]
        self.gradients = {k: np.asarray(found) for k, found in self.pull(self.g).items()}

    def function(self, *args: Any) -> Any:
        """The op with this call's metadata."""
        return self.primitive(*args, **self.metadata)

    def value(self, *args: Any) -> Array:
        """The op of arrays, as an array even if it has no axes."""
        return np.asarray(self.function(*args))

    def inputs(self) -> list[Any]:
        """The arguments of a call: tensors that require a gradient for the moving ones, else the arrays."""
        return inputs_of(self.arrays, self.moving)

    def pull(self, g: Array, positions: Sequence[int] | None = None) -> dict[int, Any]:
        """The gradients that the reverse rules claim under a cotangent, if only the arguments at positions need one."""
        return pull_back(self.function, self.arrays, self.moving if positions is None else positions, g)

    def of_moving(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Of values for all arguments, those of the moving ones."""
        return tuple(values[k] for k in self.moving)

    def with_moving(self, *xs: Any) -> Any:
        """The op as a function of the moving arguments only."""
        given = dict(zip(self.moving, xs, strict=True))
        return self.function(*[given.get(k, array) for k, array in enumerate(self.arrays)])

    def same(self, law: str, at: int | str, found: Any, expected: Any) -> None:
        """Compare two computations of one value, that of an argument or a named one. Raises GradientError."""
        name = at if isinstance(at, str) else self.names[at]
        largest = max(float(np.abs(one).max(initial=0)) for one in (np.asarray(expected), *self.gradients.values()))
        self.judge.equal(law, name, found, expected, self.rounding * (1 + largest))

    def push(self) -> Array:
        """The tangent of the result that the forward rules claim under the tangents."""
        directions = {k: t for k, t in enumerate(self.tangents) if t is not None}
        return push_forward(self.function, self.arrays, directions)

    def results(
        self, arrays: Sequence[Any], g: Array, tangents: Sequence[Any], metadata: dict[str, Any] | None = None
    ) -> Results:
        """The value, the gradients and the tangent with other arrays and settings in this call, by name.

        An argument whose tangent is None is not moved.
        """
        given = self.metadata if metadata is None else metadata
        cast = {k: g.dtype if isinstance(v, np.dtype) else v for k, v in given.items()}  # of astype

        def op(*args: Any) -> Any:
            return self.primitive(*args, **cast)

        found = {"the result": np.asarray(op(*arrays))}
        for k, gradient in pull_back(op, arrays, self.moving, g).items():
            found[self.names[k]] = np.asarray(gradient)
        if self.primitive.jvp is not None and self.moving:
            directions = {k: t for k, t in enumerate(tangents) if t is not None}
            found["the tangent"] = np.asarray(push_forward(op, arrays, directions))
        return found


def differentiable(primitive: Primitive, arrays: Sequence[Any]) -> list[int]:
    """The positions of the arguments that have a derivative."""
    plan = primitive.plan(False, len(arrays), (1 << len(arrays)) - 1)
    ruled = set(range(len(arrays))) if plan.joint else {argument for argument, _ in plan.pulls}
    return [
        k for k, array in enumerate(arrays) if k in ruled and isinstance(array, np.ndarray) and array.dtype.kind == "f"
    ]


def inputs_of(arrays: Sequence[Any], positions: Sequence[int]) -> list[Any]:
    """Tensors that require a gradient at these positions, arrays at the others. Tensors are left as they are."""
    return [
        Tensor(a, requires_grad=True) if k in positions and not isinstance(a, Tensor) else a
        for k, a in enumerate(arrays)
    ]


def pull_back(
    function: Function, arrays: Sequence[Any], positions: Sequence[int], g: Array, **sweep: Any
) -> dict[int, Any]:
    """The engine's gradient of <g, function(arrays)> in each argument at these positions."""
    inputs = inputs_of(arrays, positions)
    out = function(*inputs)
    if out.node is None:
        return {k: np.zeros_like(arrays[k]) for k in positions}
    seed = wrap(g, None) if sweep.get("create_graph") else g
    found = reverse_sweep(out.node, seed, **sweep)
    return {k: value_for(found, inputs[k]) for k in positions}


def push_forward(function: Function, arrays: Sequence[Any], tangents: dict[int, Any]) -> Any:
    """The engine's derivative of function(arrays) in the direction of the tangents."""
    inputs = inputs_of(arrays, list(tangents))
    with changed(forward=True):
        out = function(*inputs)
    if out.node is None:
        return np.zeros_like(out.array)
    directions = {inputs[k].node: t for k, t in tangents.items()}
    return value_for(forward_sweep(between(out.node, directions), directions), out)


def value_for(found: dict[Any, Any], x: Tensor) -> Any:
    """The gradient or tangent of a tensor in the result of a sweep; zeros if the sweep did not reach it."""
    return found[x.node] if x.node in found else np.zeros_like(x.array)

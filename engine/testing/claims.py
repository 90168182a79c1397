"""What an op's rules claim: its gradient and its derivative at one point, by sweeps of the engine over one call.

Read next: `engine/testing/laws/`, which hold these claims against the truth and against one another.
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


class Case:
    """One call of an op, and what its rules claim there.

    Attributes:
        names: of its arguments, as reports write them.
        wanted: positions of the arguments that have a derivative.
        g, tangents: a random cotangent, read-only, and random tangents, None for the other arguments.
        gradients: by position, what the reverse rules claim under g.
    """

    rounding = 1e-9  # between two ways of computing the same thing in float64, relative to the largest value
    slack = 1e-12  # rounding in a rule, whose terms are of the size of the examples: one

    def __init__(self, primitive: Primitive, arrays: Sequence[Any], metadata: dict[str, Any], seed: int) -> None:
        self.primitive, self.arrays, self.metadata = primitive, list(arrays), metadata
        self.judge = Judge(primitive.name)
        self.rng = np.random.default_rng([seed, 1])
        named = primitive.signature.arguments
        self.names = [f"{named[0]}{k}" if primitive.signature.variadic else named[k] for k in range(len(arrays))]
        self.wanted = differentiable(primitive, self.arrays)
        self.out = self.value(*self.arrays)
        self.g = random(self.rng, self.out.shape)
        self.g.flags.writeable = False
        self.tangents: list[Any] = [
            random(self.rng, a.shape) if k in self.wanted else None for k, a in enumerate(self.arrays)
        ]
        self.gradients = {k: np.asarray(found) for k, found in self.pull(self.g).items()}

    def function(self, *args: Any) -> Any:
        """The op with its metadata given."""
        return self.primitive(*args, **self.metadata)

    def value(self, *args: Any) -> Array:
        """The same of arrays, never a scalar."""
        return np.asarray(self.function(*args))

    def inputs(self) -> list[Any]:
        """The arguments of a call: tensors that want a gradient where they can have one."""
        return inputs_of(self.arrays, self.wanted)

    def pull(self, g: Array, wanted: Sequence[int] | None = None) -> dict[int, Any]:
        """What the reverse rules claim under another cotangent, or when fewer arguments want a gradient."""
        return pull_back(self.function, self.arrays, self.wanted if wanted is None else wanted, g)

    def moving(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Of one value for each argument, those of the arguments that have a derivative."""
        return tuple(values[k] for k in self.wanted)

    def of_moving(self, *xs: Any) -> Any:
        """The op as a function of the arguments that have a derivative."""
        given = dict(zip(self.wanted, xs, strict=True))
        return self.function(*[given.get(k, array) for k, array in enumerate(self.arrays)])

    def same(self, law: str, at: int | str, found: Any, expected: Any) -> None:
        """Two ways to compute the same, of an argument or of what is named. Raises GradientError if they differ."""
        name = at if isinstance(at, str) else self.names[at]
        largest = max(float(np.abs(one).max(initial=0)) for one in (np.asarray(expected), *self.gradients.values()))
        self.judge.equal(law, name, found, expected, self.rounding * (1 + largest))

    def push(self) -> Array:
        """What the forward rules claim under the tangents."""
        directions = {k: t for k, t in enumerate(self.tangents) if t is not None}
        return push_forward(self.function, self.arrays, directions)


def differentiable(primitive: Primitive, arrays: Sequence[Any]) -> list[int]:
    """The positions of the arguments that have a derivative."""
    plan = primitive.plan(False, len(arrays), (1 << len(arrays)) - 1)
    ruled = set(range(len(arrays))) if plan.joint else {argument for argument, _ in plan.pulls}
    return [
        k for k, array in enumerate(arrays) if k in ruled and isinstance(array, np.ndarray) and array.dtype.kind == "f"
    ]


def inputs_of(arrays: Sequence[Any], wanted: Sequence[int]) -> list[Any]:
    """Tensors that want a gradient in some places, arrays in the others. Tensors stay what they are."""
    return [
        Tensor(a, requires_grad=True) if k in wanted and not isinstance(a, Tensor) else a for k, a in enumerate(arrays)
    ]


def pull_back(
    function: Function, arrays: Sequence[Any], wanted: Sequence[int], g: Array, **sweep: Any
) -> dict[int, Any]:
    """Our own gradient of <g, function(arrays)> in each wanted argument."""
    inputs = inputs_of(arrays, wanted)
    out = function(*inputs)
    if out.node is None:
        return {k: np.zeros_like(arrays[k]) for k in wanted}
    seed = wrap(g, None) if sweep.get("create_graph") else g
    found = reverse_sweep(out.node, seed, **sweep)
    return {k: arrived(found, inputs[k]) for k in wanted}


def push_forward(function: Function, arrays: Sequence[Any], tangents: dict[int, Any]) -> Any:
    """Our own derivative of function(arrays) in the direction of the tangents."""
    inputs = inputs_of(arrays, list(tangents))
    with changed(forward=True):
        out = function(*inputs)
    if out.node is None:
        return np.zeros_like(out.array)
    directions = {inputs[k].node: t for k, t in tangents.items()}
    return arrived(forward_sweep(between(out.node, directions), directions), out)


def arrived(found: dict[Any, Any], x: Tensor) -> Any:
    """What a sweep found for a tensor; zeros where nothing arrived."""
    return found[x.node] if x.node in found else np.zeros_like(x.array)

"""Random programs: small graphs of ops with fan-out, diamonds, broadcasting, views and unused values.

Some mistakes of a sweep (in order, accumulation, freeing or pruning) cannot show in a single op. Programs shrink
towards few steps, simple ops, few inputs of small shapes, and no unused values:

>>> from hypothesis import find
>>> find(programs().map(Program.pruned), lambda program: "v0, v0" in program.source())
def program(x0):  # of shape ()
    v0 = engine.negative(x0)
    return engine.add(v0, v0)

The invariant: values and slopes are small. Each value has a bound for both, and a step that would exceed the limit is
left out; all ops are smooth. So central differences are accurate for all inputs from `unit`.

Read next: `engine/testing/mutation/__init__.py`, tests of the checker itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from engine.arrays import Array
from engine.testing.program import Program, Step, Value
from engine.testing.strategies import Shape, arrays, broadcastable_shapes, unit

__all__ = ["Program", "Step", "Value", "calls", "programs"]

LIMIT = 8.0  # of every value, and of its derivative in every input
SIZE = 27  # the largest number of elements of a value

# ---- the moves: the kinds of steps -----------------------------------------------------------------------------------

X, Y = Value(0), Value(1)  # the operands in a pattern


class Move(NamedTuple):
    """One kind of step.

    Fields:
        patterns: an array for the first operand -> the possible steps, simplest first.
        bound: arrays for the first operand and the result, and the bounds of the operands -> the bound of the result.
        arity: the number of operands; the second is chosen among the values that fit the first.
        min_dims: the least number of axes of the first operand.
    """

    patterns: Callable[[Array], Sequence[Step]]
    bound: Callable[..., float] = lambda x, out, bound: bound
    arity: int = 1
    min_dims: int = 0


def _one(op: str, *operands: Any, **options: Any) -> Callable[[Array], Sequence[Step]]:
    """A single pattern, the same for every operand."""
    return lambda x: [Step(op, operands, options)]


def _along(op: str, operand: Any = X) -> Callable[[Array], Sequence[Step]]:
    return lambda x: [Step(op, (operand,), {"axis": axis}) for axis in _axes(x)]


def _axes(x: Array) -> list[int]:
    return [*range(x.ndim), *range(-x.ndim, 0)]


def _reduction(op: str) -> Callable[[Array], Sequence[Step]]:
    def patterns(x: Array) -> list[Step]:
        axes = [None, *_axes(x), tuple(range(x.ndim))]
        return [Step(op, (X,), {"axis": axis, "keepdims": keepdims}) for keepdims in (False, True) for axis in axes]

    return patterns


def _shapes(op: str, of: Callable[[Shape], Sequence[Shape]]) -> Callable[[Array], Sequence[Step]]:
    return lambda x: [Step(op, (X,), {"shape": shape}) for shape in of(x.shape)]


def _wheres(x: Array) -> list[Step]:
    masks = [np.arange(x.size).reshape(x.shape) % period == 0 for period in (1, 2, 3)]
    return [Step("where", (mask.tolist(), X, Y)) for mask in masks]


def _getitems(x: Array) -> list[Step]:
    last = x.shape[0] - 1 if x.ndim else 0
    any_shape = [(None,), ...]
    vectors = [0, slice(None, None, -1), slice(1, None), (..., 0), [0, 0], [last, 0, last], [True] + [False] * last]
    matrices = [([0, 0], slice(None, None, 2)), ([[0], [0]], None, [-1, 0])]
    indices: list[Any] = any_shape + vectors * (x.ndim > 0) + matrices * (x.ndim > 1)
    return [Step("getitem", (X, index)) for index in indices]


MOVES = (  # simplest first
    Move(_one("negative", X)),
    Move(_one("add", X, Y), lambda x, out, a, b: a + b, arity=2),
    Move(_one("multiply", X, Y), lambda x, out, a, b: 2 * a * b, arity=2),
    Move(_one("tanh", X)),
    Move(_one("sin", X)),
    Move(_one("subtract", X, Y), lambda x, out, a, b: a + b, arity=2),
    Move(_one("multiply", X, 0.5), lambda x, out, a: a / 2),
    Move(_reduction("sum"), lambda x, out, a: a * (x.size // out.size)),
    Move(_reduction("mean")),
    Move(_shapes("reshape", lambda shape: [(-1,), shape[::-1], (1, *shape), (*shape, 1)])),
    Move(_shapes("broadcast_to", lambda shape: [(side, *shape) for side in (1, 2, 3)])),
    Move(lambda x: [Step("permute_dims", (X,), {"axes": axes}) for axes in permutations(range(x.ndim))]),
    Move(_getitems),
    Move(_wheres, lambda x, out, a, b: max(a, b), arity=2),
    Move(_along("concat", [X, Y]), lambda x, out, a, b: max(a, b), arity=2, min_dims=1),
    Move(_along("stack", [X, Y]), lambda x, out, a, b: max(a, b), arity=2, min_dims=1),
    Move(_one("matmul", X, Y), lambda x, out, a, b: 2 * x.shape[-1] * a * b, arity=2, min_dims=1),
    Move(_along("softmax"), min_dims=1),
    Move(_one("layer_norm", X, eps=1.0), lambda x, out, a: 4 * a, min_dims=1),
    Move(_one("scaled_dot_product_attention", X, X, X), lambda x, out, a: 5 * a**3, min_dims=2),
)
JOINING = tuple(move for move in MOVES if move.arity > 1)  # with these a program is a graph and not a chain

# ---- the strategies --------------------------------------------------------------------------------------------------


class Choice(NamedTuple):
    """The numbers that hypothesis draws for a step: as many for every step, so that steps can be left out."""

    move: Move
    first: int
    other: int
    pattern: int


_choices = st.builds(
    Choice,
    st.sampled_from((*MOVES, *JOINING, *JOINING)),
    first=st.integers(0, 15),
    other=st.integers(0, 15),
    pattern=st.integers(0, 15),
)


def programs(max_inputs: int = 3, max_steps: int = 10) -> st.SearchStrategy[Program]:
    """Programs of smooth ops; give them inputs from `unit`, or draw both from `calls`."""
    inputs = st.integers(1, max_inputs).flatmap(lambda count: broadcastable_shapes(count, min_side=1))
    return st.builds(_built, inputs, st.lists(_choices, min_size=1, max_size=max_steps), unused=st.booleans())


@st.composite
def calls(draw: st.DrawFn, max_inputs: int = 3, max_steps: int = 10) -> tuple[Program, tuple[Array, ...]]:
    """A program and arrays to call it with."""
    program = draw(programs(max_inputs, max_steps))
    return program, tuple(draw(arrays(unit, shape)) for shape in program.shapes)


def _built(shapes: list[Shape], choices: list[Choice], unused: bool) -> Program:
    """The program of these choices; without `unused`, only the steps and inputs that its result depends on."""
    values, bounds = [np.zeros(shape) for shape in shapes], [1.0] * len(shapes)
    steps = [step for choice in choices if (step := _chosen(choice, values, bounds)) is not None]
    program = Program(tuple(shapes), tuple(steps))
    return program if unused else program.pruned()


def _chosen(choice: Choice, values: list[Array], bounds: list[float]) -> Step | None:
    """The step of this choice; None if no operand fits or the result exceeds the limits.

    `values` are arrays with the shapes of the values so far. The result and its bound are appended.
    """
    move = choice.move
    first = min(choice.first, len(values) - 1)  # usually the latest value
    x = values[first]
    if x.ndim < move.min_dims:
        return None
    patterns = move.patterns(x)
    pattern = patterns[choice.pattern % len(patterns)]
    operands = [(first,)] if move.arity == 1 else [(first, other) for other in range(len(values))]
    fitting = [numbers for numbers in operands if _fits(pattern.on(numbers), values)]
    if not fitting:
        return None
    numbers = fitting[choice.other % len(fitting)]
    step = pattern.on(numbers)
    out = step.run(values)
    bound = move.bound(x, out, *(bounds[k] for k in numbers))
    if not 0 < out.size <= SIZE or out.ndim > 3 or bound > LIMIT:
        return None
    values.append(out)
    bounds.append(bound)
    return step


def _fits(step: Step, values: list[Array]) -> bool:
    try:
        step.run(values)
    except ValueError:
        return False
    return True

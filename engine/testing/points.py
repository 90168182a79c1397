"""Point: a function at one point, with the derivative it claims there, in flat form.

Whatever the arguments and results are (arrays, trees of arrays, tensors), the checker sees float64 arrays `xs` that can
be moved, a function of them with one row of results, and up to two claims: `pull`, the reverse rule, and `push`, the
forward one. `of_engine` makes one from a function of tensors, `of_callables` from any function with a hand-written vjp.

Read next: `engine/testing/gradcheck.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine import trees
from engine.tensor import Array, Tensor, wrap
from engine.testing.report import GradientError
from engine.transforms import jvp, vjp

Function = Callable[..., Any]


@dataclass
class Point:
    """A function at one point.

    Fields:
        subject: its name in reports.
        names: of the inputs that can be moved, `x` or `params['w'][0]`.
        xs: their values, in float64.
        value: the function: arrays like `xs` to the results, all in one row.
        pull: cotangent of that row -> the gradient in each of xs.
        push: a tangent for each of xs -> the tangent of that row.
    """

    subject: str
    names: list[str]
    xs: list[Array]
    value: Function
    pull: Callable[[Array], list[Any]]
    push: Callable[[Sequence[Array]], Any] | None = None


def of_engine(subject: str, f: Function, args: Sequence[Any], dtype: Any = None) -> Point:
    """The point of a function of tensors, with the engine's derivatives. A dtype of None keeps the arguments' own."""
    inputs = Inputs(subject, f, args, dtype)

    def call(*xs: Any) -> Any:
        return f(*inputs.arguments(xs))

    def value(*xs: Array) -> Array:
        return row(call(*[wrap(x, None) for x in xs]))

    out, pullback = vjp(call, *[wrap(x, None) for x in inputs.xs])

    def pull(g: Array) -> list[Any]:
        return list(pullback(like(out, g)))

    def push(ts: Sequence[Array]) -> Any:
        return row(jvp(call, tuple(wrap(x, None) for x in inputs.xs), tuple(ts))[1])

    return Point(subject, inputs.names, inputs.xs, value, pull, push)


def of_callables(subject: str, f: Function, rule: Function, args: Sequence[Any], dtype: Any = None) -> Point:
    """The point of a function of arrays, with a vjp written by hand: rule(g, *args) -> one cotangent per argument."""
    inputs = Inputs(subject, f, args, dtype)
    out = f(*inputs.arguments(inputs.xs, copy=True))

    def value(*xs: Array) -> Array:
        return row(f(*inputs.arguments(xs, copy=True)))

    def pull(g: Array) -> list[Any]:
        given = like(out, g)
        handed = inputs.arguments(inputs.xs, copy=True)
        found = rule(given, *handed)
        if not np.array_equal(row(given), g.astype(row(given).dtype), equal_nan=True):
            raise GradientError(f"{subject}: the vjp wrote into the cotangent that it was given")
        for x, before, name in zip(inputs.moving(handed), inputs.xs, inputs.names, strict=True):
            if not np.array_equal(np.asarray(x), before, equal_nan=True):
                raise GradientError(f"{subject}: the vjp wrote into its argument {name}")
        return inputs.cotangents(found)

    return Point(subject, inputs.names, inputs.xs, value, pull)


class Inputs:
    """The arguments of a function: the leaves that can be moved, and how to put others in their place.

    Fields:
        names, xs: of the floating leaves, as in `Point`.
        narrow: whether one of them is of lower precision than float64.
    """

    def __init__(self, subject: str, f: Function, args: Sequence[Any], dtype: Any = None) -> None:
        self.subject = subject
        self.given = [_as_arrays(subject, arg) for arg in args]
        self.leaves = [trees.leaves(arg) for arg in self.given]
        self.names, self.xs, self.moves = [], [], []  # type: list[str], list[Array], list[bool]
        for name, found in zip(parameter_names(f, len(args)), self.leaves, strict=True):
            for leaf in found:
                moves = leaf.value.dtype.kind == "f"
                self.moves.append(moves)
                if moves:
                    self.names.append(name + leaf.path)
                    self.xs.append(leaf.value if dtype is None else leaf.value.astype(dtype))
        if not self.xs:
            raise TypeError(
                f"{subject}: none of the arguments is a floating array, so there is nothing to differentiate"
            )
        self.narrow = any(x.dtype.itemsize < 8 for x in self.xs)

    def arguments(self, xs: Sequence[Any], copy: bool = False) -> list[Any]:
        """The arguments of a call, with these in place of the leaves that can be moved."""
        moved, moves = iter(xs), iter(self.moves)
        handed = []
        for arg, found in zip(self.given, self.leaves, strict=True):
            values = [next(moved) if next(moves) else leaf.value for leaf in found]
            handed.append(trees.with_leaves(arg, [v.copy() for v in values] if copy else values))
        return handed

    def moving(self, handed: Sequence[Any]) -> list[Any]:
        """The leaves that can be moved, of arguments made by `arguments`."""
        every = [leaf.value for arg in handed for leaf in trees.leaves(arg)]
        return [value for value, moves in zip(every, self.moves, strict=True) if moves]

    def cotangents(self, found: Any) -> list[Any]:
        """What a hand-written vjp returned, sorted out: one cotangent for each of xs; zeros for None."""
        per_argument = list(found) if isinstance(found, tuple | list) else [found]
        if len(self.given) == 1 and isinstance(self.given[0], tuple | list) and len(per_argument) != 1:
            per_argument = [found]
        if len(per_argument) != len(self.given):
            raise GradientError(
                f"{self.subject}: the vjp returned {len(per_argument)} cotangents for {len(self.given)} arguments"
            )
        moves, names, xs = iter(self.moves), iter(self.names), iter(self.xs)
        sorted_out = []
        for arg, mine, given in zip(self.given, self.leaves, per_argument, strict=True):
            theirs = [given] * len(mine) if given is None else _leaves_like(arg, given)
            if len(theirs) != len(mine):
                raise GradientError(f"{self.subject}: the vjp returned {len(theirs)} cotangents for {len(mine)} leaves")
            for cotangent in theirs:
                if next(moves):
                    x, _ = next(xs), next(names)
                    sorted_out.append(np.zeros(x.shape) if cotangent is None else cotangent)
        return sorted_out


def _leaves_like(arg: Any, given: Any) -> list[Any]:
    """The leaves of a cotangent, None counting as one where the argument is a leaf."""
    if isinstance(arg, dict):
        return [leaf for key, child in arg.items() for leaf in _leaves_like(child, given[key])]
    if isinstance(arg, tuple | list):
        return [leaf for child, one in zip(arg, given, strict=True) for leaf in _leaves_like(child, one)]
    return [] if arg is None else [given]


def _as_arrays(subject: str, arg: Any) -> Any:
    """A tree with arrays for leaves."""
    values = []
    for leaf in trees.leaves(arg):
        if leaf.parameter:
            raise TypeError(f"{subject}: a module is no array; check a function of its parameters' values")
        value = leaf.value.numpy() if isinstance(leaf.value, Tensor) else np.asarray(leaf.value)
        if value.dtype.kind not in "fiub":
            raise TypeError(f"{subject}: an argument has dtype {value.dtype}; give real numbers")
        values.append(value)
    return trees.with_leaves(arg, values)


def parameter_names(f: Function, count: int) -> list[str]:
    """What a function calls its positional arguments, as far as its code tells."""
    code = getattr(getattr(f, "__wrapped__", f), "__code__", None)
    named = list(code.co_varnames[: code.co_argcount]) if code else []
    if named[:1] == ["self"]:
        named = named[1:]
    return [*named[:count], *(f"argument {k}" for k in range(len(named), count))]


def row(results: Any) -> Array:
    """All results in one row."""
    arrays = [
        np.asarray(leaf.value.array if isinstance(leaf.value, Tensor) else leaf.value) for leaf in trees.leaves(results)
    ]
    return np.concatenate([array.reshape(-1) for array in arrays]) if arrays else np.zeros(0)


def like(results: Any, g: Array) -> Any:
    """A row taken apart into a tree of the results' form, shapes and dtypes."""
    parts, start = [], 0
    for leaf in trees.leaves(results):
        one = np.asarray(leaf.value.array if isinstance(leaf.value, Tensor) else leaf.value)
        parts.append(np.array(g[start : start + one.size].reshape(one.shape), one.dtype))
        start += one.size
    return trees.with_leaves(results, parts)


def random(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Random directions, never ones; none of their elements is small."""
    return np.asarray(rng.uniform(0.25, 3.0, shape) * rng.choice([-1.0, 1.0], shape))

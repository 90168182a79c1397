"""Point: a function at one point, with the derivatives that its rules claim there, in flat form.

Whether arguments and results are arrays, trees of arrays or tensors, the checker sees arrays `xs` that can be moved, a
function of them that returns all results in one row, and up to two claims: `pull`, the reverse rule, and `push`, the
forward rule. `of_engine` makes a point from a function of tensors, `of_callables` from a function of arrays and its
vjp.

Read next: `engine/testing/pulls.py`, the claims of the reverse rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine import trees
from engine.arrays import Array
from engine.tensor import Tensor, wrap
from engine.testing.report import GradientError
from engine.transforms import jvp, vjp

Function = Callable[..., Any]


@dataclass
class Point:
    """A function at one point.

    Fields:
        subject: the name of the function in reports.
        names: the names of the inputs that can be moved, such as `x` or `params['w'][0]`.
        xs: the values of those inputs.
        value: the function: arrays like `xs` -> all results in one row.
        pull: a cotangent of that row, and optionally other values of xs -> the gradient in each of xs.
        push: a tangent for each of xs -> the tangent of that row.
    """

    subject: str
    names: list[str]
    xs: list[Array]
    value: Function
    pull: Callable[..., list[Array]]
    push: Callable[[Sequence[Array]], Array] | None = None


class Inputs:
    """The arguments of a function: its floating leaves, which can be moved, and the trees that contain them.

    Attributes:
        names, xs: the names and values of the floating leaves, as in `Point`.
    """

    def __init__(self, subject: str, named: Sequence[str], args: Sequence[Any]) -> None:
        self.subject = subject
        self.trees = [_arrays(subject, arg) for arg in args]
        self.names: list[str] = []
        self.xs: list[Array] = []
        for k, tree in enumerate(self.trees):
            for leaf in trees.leaves(tree):
                if leaf.value.dtype.kind == "f":
                    self.names.append((named[k] if k < len(named) else f"argument {k}") + leaf.path)
                    self.xs.append(leaf.value)
        if not self.xs:
            raise TypeError(f"{subject}: none of its arguments is a floating array, so nothing can be differentiated")

    def arguments(self, xs: Sequence[Any]) -> list[Any]:
        """The arguments of a call, with the floating leaves replaced by these."""
        given = iter(xs)
        return [
            trees.with_leaves(tree, [next(given) if leaf.value.dtype.kind == "f" else leaf.value for leaf in leaves])
            for tree, leaves in ((tree, trees.leaves(tree)) for tree in self.trees)
        ]

    def widened(self) -> list[Any]:
        """The arguments in float64."""
        return self.arguments([x.astype(np.float64) for x in self.xs])

    def cotangents(self, returned: Any) -> list[Array]:
        """The cotangents that a hand-written vjp returned, one per argument, as one array for each of xs."""
        given = list(returned) if isinstance(returned, tuple | list) else [returned]
        if len(self.trees) == 1 and len(given) != 1 and isinstance(returned, list | type(self.trees[0])):
            given = [returned]  # the only argument's cotangent: a tree of its form, or a list of numbers
        if len(given) != len(self.trees):
            raise GradientError(
                f"{self.subject}: the vjp returned {len(given)} cotangents for {len(self.trees)} arguments"
            )
        return [g for tree, one in zip(self.trees, given, strict=True) for g in self._of_leaves(tree, one)]

    def _of_leaves(self, tree: Any, given: Any) -> list[Array]:
        """The cotangents of the floating leaves of one argument; None means no derivative, and becomes zeros."""
        if isinstance(tree, np.ndarray):
            if tree.dtype.kind != "f":
                return []
            try:
                return [np.zeros(tree.shape) if given is None else np.asarray(given)]
            except ValueError as error:
                raise GradientError(f"{self.subject}: the vjp returned no array: {error}") from error
        children = tree.items() if isinstance(tree, dict) else enumerate(tree or ())
        try:
            if given is not None and len(given) != len(tree or ()):
                raise KeyError
            pairs = [(child, None if given is None else given[key]) for key, child in children]
        except (KeyError, IndexError, TypeError) as error:
            raise GradientError(
                f"{self.subject}: the vjp returned a tree of another form than the argument's"
            ) from error
        return [g for child, one in pairs for g in self._of_leaves(child, one)]


def of_engine(subject: str, f: Function, args: Sequence[Any]) -> Point:
    """A point of a function of tensors, with the engine's derivatives."""
    inputs = Inputs(subject, parameters(f), args)

    def call(*xs: Any) -> Any:
        return f(*inputs.arguments(xs))

    def value(*xs: Array) -> Array:
        return row(call(*[wrap(x, None) for x in xs]))

    def swept(xs: Sequence[Array]) -> tuple[Any, Function]:
        return vjp(call, *[wrap(x, None) for x in xs])

    here = swept(inputs.xs)

    def pull(g: Array, xs: Sequence[Array] | None = None) -> list[Array]:
        out, pullback = here if xs is None else swept(xs)
        return [found.array for found in pullback(like(out, g))]

    def push(ts: Sequence[Array]) -> Array:
        tangents = [t.astype(x.dtype) for t, x in zip(ts, inputs.xs, strict=True)]
        return row(jvp(call, tuple(wrap(x, None) for x in inputs.xs), tuple(tangents))[1])

    return Point(subject, inputs.names, inputs.xs, value, pull, push)


def of_callables(subject: str, f: Function, rule: Function, args: Sequence[Any]) -> Point:
    """A point of a function of arrays, with a vjp written by hand: rule(g, *args) -> one cotangent per argument."""
    inputs = Inputs(subject, parameters(f) or parameters(rule)[1:], args)

    def copies(xs: Sequence[Array]) -> list[Array]:
        return [x.copy(order="K") for x in xs]  # in the same layout

    def value(*xs: Array) -> Array:
        return row(f(*inputs.arguments(copies(xs))))

    out = f(*inputs.arguments(copies(inputs.xs)))
    last: list[tuple[Array, Array]] = []  # the arrays that the last call of the vjp returned, each with a copy

    def pull(g: Array, xs: Sequence[Array] | None = None) -> list[Array]:
        at = inputs.xs if xs is None else xs
        cotangent, passed = like(out, g), copies(at)
        before = row(cotangent)
        returned = inputs.cotangents(rule(cotangent, *inputs.arguments(passed)))
        if not all(np.array_equal(one, kept, equal_nan=True) for one, kept in last):
            raise GradientError(f"{subject}: the vjp wrote into an array it had returned before; return new arrays")
        found = copies(returned)
        last[:] = zip(returned, found, strict=True)
        if not np.array_equal(row(cotangent), before, equal_nan=True):
            raise GradientError(f"{subject}: the vjp wrote into the cotangent that it was given")
        for name, x, original in zip(inputs.names, passed, at, strict=True):
            if not np.array_equal(x, original, equal_nan=True):
                raise GradientError(f"{subject}: the vjp wrote into its argument {name}")
        return found

    return Point(subject, inputs.names, inputs.xs, value, pull)


def parameters(f: Function) -> list[str]:
    """The names of a function's positional arguments; empty if it has no Python code."""
    code = getattr(getattr(f, "__wrapped__", f), "__code__", None)
    named = list(code.co_varnames[: code.co_argcount]) if code else []
    return named[1:] if named[:1] == ["self"] else named


def row(results: Any) -> Array:
    """A copy of all results in one row."""
    arrays = [_array(leaf.value) for leaf in trees.leaves(results)]
    if not arrays or any(array.dtype.kind not in "fiub" for array in arrays):
        raise TypeError(f"a function to be checked must return real numbers, not {type(results).__name__}")
    return np.concatenate([array.reshape(-1) for array in arrays])


def like(results: Any, g: Array) -> Any:
    """The values of a row as a tree with the form, shapes and dtypes of the results."""
    parts, start = [], 0
    for leaf in trees.leaves(results):
        one = _array(leaf.value)
        parts.append(np.array(g[start : start + one.size].reshape(one.shape), one.dtype))
        start += one.size
    return trees.with_leaves(results, parts)


def random(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """A random direction: both signs, no element small, not all equal."""
    return np.asarray(rng.uniform(0.25, 3.0, shape) * rng.choice([-1.0, 1.0], shape))


def shaken(xs: Sequence[Array], rng: np.random.Generator) -> list[Array]:
    """Each element moved up or down by one unit in its last place, about as far as rounding may have moved it."""
    return [np.asarray(x + (np.spacing(x) * rng.choice([-1, 1], x.shape)).astype(x.dtype)) for x in xs]


def _array(value: Any) -> Array:
    return value.array if isinstance(value, Tensor) else np.asarray(value)


def _arrays(subject: str, arg: Any) -> Any:
    """A tree whose leaves are arrays."""
    values = []
    for leaf in trees.leaves(arg):
        if leaf.parameter:
            raise TypeError(f"{subject}: a module is not an array; check a function of its parameters' values instead")
        value = _array(leaf.value)
        if value.dtype.kind not in "fiub":
            raise TypeError(f"{subject}: an argument has dtype {value.dtype}; give real numbers")
        values.append(value)
    return trees.with_leaves(arg, values)

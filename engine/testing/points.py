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
from engine.testing.names import named
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
        self.trees = [_arrays(subject, name, arg) for name, arg in zip(named, args, strict=True)]
        self.named = list(named)
        self.names: list[str] = []
        self.xs: list[Array] = []
        self.moving = []  # which arguments have floating leaves
        for name, tree in zip(named, self.trees, strict=True):
            floating = [leaf for leaf in trees.leaves(tree) if leaf.value.dtype.kind == "f"]
            self.moving.append(bool(floating))
            self.names += [name + leaf.path for leaf in floating]
            self.xs += [leaf.value for leaf in floating]
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
        """The cotangents that a hand-written vjp returned, as one array for each of xs.

        There may be one for each argument, or only for those with floating leaves: integers, such as labels, have none.
        """
        given = list(returned) if isinstance(returned, tuple | list) else [returned]
        moving = [tree for tree, moves in zip(self.trees, self.moving, strict=True) if moves]
        counts = (len(self.trees), len(moving))
        if len(moving) == 1 and len(given) not in counts and isinstance(returned, list | type(moving[0])):
            given = [returned]  # the only argument's cotangent: a tree of its form, or a list of numbers
        if len(given) not in counts:
            fixed = [name for name, moves in zip(self.named, self.moving, strict=True) if not moves]
            raise GradientError(
                f"{self.subject}: the vjp returned {len(given)} cotangents for {len(self.trees)} arguments; "
                f"return one for each" + (f", None for {' and '.join(fixed)}" if fixed else "")
            )
        received = self.trees if len(given) == len(self.trees) else moving
        return [g for tree, one in zip(received, given, strict=True) for g in self._of_leaves(tree, one)]

    def _of_leaves(self, tree: Any, given: Any) -> list[Array]:
        """The cotangents of the floating leaves of one argument; None means no derivative, and becomes zeros."""
        if isinstance(tree, np.ndarray):
            if tree.dtype.kind != "f":
                return []
            try:
                return [np.zeros(tree.shape) if given is None else np.asarray(given)]
            except Exception as error:  # of NumPy or of the array's own library, as where PyTorch records
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


def of_engine(subject: str, f: Function, args: Sequence[Any], surrogate: Function | None = None) -> Point:
    """A point of a function of tensors, with the engine's derivatives."""
    inputs = Inputs(subject, named(len(args), f), args)
    tensors = inputs.arguments([wrap(x, None) for x in inputs.xs])
    target = f if surrogate is None else _target(subject, f, surrogate, tensors)

    def call(*xs: Any) -> Any:
        return f(*inputs.arguments(xs))

    def value(*xs: Array) -> Array:
        return row(target(*inputs.arguments([wrap(x, None) for x in xs])))

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


def of_callables(
    subject: str,
    names: Sequence[str],
    f: Function,
    rule: Function,
    args: Sequence[Any],
    surrogate: Function | None = None,
) -> Point:
    """A point of a function of arrays, with a vjp written by hand: rule(g, *args) -> one cotangent per argument."""
    inputs = Inputs(subject, names, args)
    target = f if surrogate is None else _target(subject, f, surrogate, inputs.arguments(inputs.xs))

    def copies(xs: Sequence[Array]) -> list[Array]:
        return [x.copy(order="K") for x in xs]  # in the same layout

    def value(*xs: Array) -> Array:
        return row(target(*inputs.arguments(copies(xs))))

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


def _target(subject: str, f: Function, surrogate: Function, base: Sequence[Any]) -> Function:
    """The function whose derivative is meant: the surrogate, or what it returns at the point, if that is a function."""
    found = surrogate(*base)
    target = found if callable(found) else surrogate
    shapes = [[_array(leaf.value).shape for leaf in trees.leaves(one(*base))] for one in (f, target)]
    if shapes[0] != shapes[1]:
        raise TypeError(f"{subject}: the surrogate's result has shape {shapes[1]}, and f's has {shapes[0]}")
    return target


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


def _arrays(subject: str, name: str, arg: Any) -> Any:
    """A tree whose leaves are arrays. TypeError if a leaf is none."""
    if isinstance(arg, dict | list | tuple):
        children = arg.items() if isinstance(arg, dict) else enumerate(arg)
        found = [_arrays(subject, f"{name}[{key!r}]", child) for key, child in children]
        return trees.with_leaves(arg, [leaf.value for one in found for leaf in trees.leaves(one)])
    if arg is None:
        return None
    kind = type(arg).__name__
    if hasattr(arg, "named_parameters") or hasattr(arg, "parameters"):
        raise TypeError(f"{subject}: {name} is a module ({kind}), not an array; give the values of its parameters")
    try:
        value = _array(arg)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise TypeError(f"{subject}: {name} is a {kind} that NumPy cannot read: {reason}") from None
    if value.dtype.kind not in "fiub":
        kind = f"of dtype {value.dtype}" if isinstance(arg, np.ndarray) else f"a {kind}"
        raise TypeError(f"{subject}: {name} is {kind}; give real numbers, or arrays, lists, tuples or dicts of them")
    return value

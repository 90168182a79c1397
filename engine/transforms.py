"""Transforms: functions of functions. `grad(f)` is a function again, so they nest to any order.

    grad(lambda x: x**3)(2.0)                 12
    grad(grad(lambda x: x**3))(2.0)           12
    jvp(grad(f), (x,), (v,))                  a Hessian times a vector, forward over reverse

The idea: evaluate f once, on fresh copies of its inputs, and sweep the recorded graph from the output back to these
copies (or from the copies forward). The invariant that rules out perturbation confusion: a sweep visits only nodes made
during its own evaluation and ends at its own copies. So a tensor that an inner function closes over is a constant to
the inner transform and, through the copies' parents, a variable to the outer one.

The sweep is recorded if its result may be differentiated again: recording is on, and the evaluation used a tensor from
outside that has a graph. Under `no_grad` results are constants, which is faster and enough for a training step. Results
are tensors, whatever the arguments were.

Read next: `engine/trees.py`, nested arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine import ops, trees
from engine.backward import cotangent_for
from engine.graph import Node, between, leaf, next_serial, oldest_first, reachable
from engine.recording import changed, current
from engine.sweeps import forward_sweep, reverse_sweep
from engine.tensor import Tensor, wrap

Function = Callable[..., Any]
Argnums = int | tuple[int, ...]


class Evaluation:
    """f evaluated once, with its graph kept.

    Fields:
        out: the result of f, a tree of tensors; `results` are its leaves.
        argnums, given: the positions of the arguments to differentiate, and these arguments as the user gave them.
        inputs, paths: for each of these arguments, its leaves as f received them, and their paths in the argument.
        began: the serial number at which the evaluation began.
        uses_outside: whether f used a tensor that has a graph and was made before the evaluation.
    """

    def __init__(
        self, name: str, f: Function, args: Sequence[Any], keywords: Any, argnums: Sequence[int], forward: bool = False
    ) -> None:
        self.began = next_serial()
        self.argnums = argnums
        self.given = [args[k] for k in argnums]
        recording = current().enabled
        passed = list(args)
        self.inputs: list[list[Tensor]] = []
        self.paths: list[list[str]] = []
        with changed(enabled=True, forward=forward or current().forward):
            for k in argnums:
                found = trees.leaves(args[k])
                fresh = [_input(name, k, entry, recording) for entry in found]
                passed[k] = trees.with_leaves(args[k], fresh)
                self.inputs.append(fresh)
                self.paths.append([entry.path for entry in found])
            out = f(*passed, **keywords)
        self.results = [_as_tensor(f"{name}: the function's result", entry) for entry in trees.leaves(out)]
        self.out = trees.same_form(out, self.results)
        used = {node for result in self.results if result.node for node in reachable(result.node, self.began)}
        self.uses_outside = any(p is not None and p.serial < self.began for n in used for p in (n, *n.parents))

    def by_node(self) -> dict[Node, Tensor]:
        """All inputs by their nodes: reverse sweeps end there, forward sweeps begin there."""
        return {x.node: x for tensors in self.inputs for x in tensors if x.node is not None}

    def value(self) -> Any:
        """The result of f; as constants if its graph does not lead to a tensor from outside."""
        if self.uses_outside and current().enabled:
            return self.out
        return trees.same_form(self.out, [wrap(result.array, None) for result in self.results])

    def pull(self, cotangents: Sequence[Tensor], retain_graph: bool) -> dict[Node, Any]:
        """One reverse sweep: the gradient of <cotangents, results> by input node; inputs without one are left out."""
        recorded = current().enabled and (self.uses_outside or any(g.node is not None for g in cotangents))
        with changed(enabled=True, forward=current().forward):
            root, seed = self._root(cotangents)
        if root is None:
            return {}
        with changed(enabled=recorded):
            return reverse_sweep(
                root,
                seed if recorded else seed.array,
                self.by_node(),
                oldest=self.began,
                create_graph=recorded,
                retain_graph=retain_graph,
            )

    def _root(self, cotangents: Sequence[Tensor]) -> tuple[Node | None, Tensor]:
        """The node where the sweep begins, and its cotangent: the only result, or the sum of <cotangent, result>."""
        if len(self.results) == 1:
            return self.results[0].node, cotangents[0]
        total = ops.sum(ops.stack([ops.sum(r * g) for r, g in zip(self.results, cotangents, strict=True)]))
        return total.node, ops.ones_like(total)

    def push(self, tangents: dict[Node, Tensor]) -> list[Tensor]:
        """One forward sweep: the tangent of each result, given those of the inputs by node."""
        recorded = current().enabled and (self.uses_outside or any(t.node is not None for t in tangents.values()))
        given = {node: t if recorded else t.array for node, t in tangents.items()}
        nodes = {node for r in self.results if r.node for node in between(r.node, self.by_node(), self.began)}
        with changed(enabled=recorded):
            found = forward_sweep(oldest_first(nodes), given, create_graph=recorded)
        return [owned(found.get(r.node), r) for r in self.results]  # type: ignore[arg-type]

    def like_inputs(self, found: dict[Node, Any], missing: Callable[[str, Tensor], Any]) -> list[Any]:
        """Gradients in the form of the arguments; `missing(path, input)` gives that of an input which has none."""
        gradients = []
        for number, tree, paths, tensors in zip(self.argnums, self.given, self.paths, self.inputs, strict=True):
            values = [
                owned(found[x.node], x) if x.node in found else missing(f"argument {number}{path}", x)
                for path, x in zip(paths, tensors, strict=True)
            ]
            gradients.append(trees.same_form(tree, values))
        return gradients


def _input(name: str, argument: int, given: trees.Leaf, recording: bool) -> Tensor:
    """The tensor passed to f: an alias if recording is on outside and `given` has a node, else a new leaf."""
    if given.parameter:
        return given.value  # a module keeps its parameters; the sweep ends at their nodes
    x = _as_tensor(f"{name}: argument {argument}", given)
    if x.dtype.kind != "f":
        raise TypeError(
            f"{name}: argument {argument}{given.path} has dtype {x.dtype}; only floating dtypes have gradients"
        )
    if recording and x.node is not None:
        return ops.alias(x)
    return wrap(x.array, leaf(x.shape, x.dtype))


def _as_tensor(what: str, given: trees.Leaf) -> Tensor:
    if isinstance(given.value, Tensor):
        return given.value
    if isinstance(given.value, int | float | np.ndarray | np.generic):
        return Tensor(given.value)
    raise TypeError(f"{what}{given.path} is a {type(given.value).__name__}; it must be a number, an array or a tensor")


def owned(value: Any, like: Tensor) -> Tensor:
    """The result of a sweep as a tensor with memory of its own; zeros in the shape of `like` for None."""
    if value is None:
        return ops.zeros_like(like)
    return value if isinstance(value, Tensor) else wrap(np.array(value), None)


def _zeros(_: str, x: Tensor) -> Tensor:
    return ops.zeros_like(x)


def positions(name: str, argnums: Argnums, count: int) -> list[int]:
    """`argnums` as a list, counted from the front. Raises TypeError for a position beyond the `count` arguments."""
    numbers = [argnums] if isinstance(argnums, int) else list(argnums)
    for k in numbers:
        if not -count <= k < count:
            raise TypeError(f"{name}: argnums {k}, but the function was called with {count} positional arguments")
    return [k % count for k in numbers]


def value_and_grad(f: Function, argnums: Argnums = 0, *, allow_unused: bool = False) -> Function:
    """A function that returns (f(...), the gradient of f in the arguments `argnums`).

    f returns one number. Arguments may be arrays, numbers, tensors, nested lists, tuples and dicts of these, or
    modules, whose gradients are a dict by parameter name. A gradient has the form of its argument; the result holds a
    tuple of gradients if `argnums` is a tuple.

    Raises RuntimeError if f does not return one number, or does not depend on an argument; with `allow_unused` the
    gradient of that argument is None instead.
    """

    def missing(path: str, _: Tensor) -> None:
        if not allow_unused:
            raise RuntimeError(f"grad: the result does not depend on {path}; allow_unused=True gives None there")

    return _value_and_grad(f, argnums, missing)


def _value_and_grad(f: Function, argnums: Argnums, missing: Callable[[str, Tensor], Any]) -> Function:
    def evaluate(*args: Any, **keywords: Any) -> tuple[Any, Any]:
        run = Evaluation("grad", f, args, keywords, positions("grad", argnums, len(args)))
        if len(run.results) != 1 or run.results[0].size != 1:
            shapes = ", ".join(str(result.shape) for result in run.results)
            raise RuntimeError(f"grad: the function must return one number, not {shapes}; use vjp or jacobian")
        (result,) = run.results
        found = run.pull([ops.ones_like(result)], retain_graph=False)
        gradients = run.like_inputs(found, missing)
        return run.value(), gradients[0] if isinstance(argnums, int) else tuple(gradients)

    return evaluate


def grad(f: Function, argnums: Argnums = 0, *, allow_unused: bool = False) -> Function:
    """The gradient of f as a function of the same arguments: the second result of `value_and_grad`.

    >>> grad(lambda x: x * grad(lambda y: x * y)(x))(5.0)
    Tensor(10.)
    """
    both = value_and_grad(f, argnums, allow_unused=allow_unused)
    return lambda *args, **keywords: both(*args, **keywords)[1]


def grad_or_zeros(f: Function, argnums: Argnums) -> Function:
    """Like `grad`, with zeros where f does not depend on an argument, so that a linear f has the Hessian 0."""
    both = _value_and_grad(f, argnums, _zeros)
    return lambda *args: both(*args)[1]


def vjp(f: Function, *xs: Any) -> tuple[Any, Function]:
    """(f(*xs), pullback), where pullback(g) is a tuple: J^T g for each of xs, zeros where f does not depend on it.

    g has the form and shapes of f's result; another number of arrays is a ValueError. The pullback may be called any
    number of times.
    """
    run = Evaluation("vjp", f, xs, {}, range(len(xs)))

    def pullback(g: Any) -> tuple[Any, ...]:
        given = [entry.value for entry in trees.leaves(g)]
        if len(given) != len(run.results):
            raise ValueError(f"vjp: {len(given)} cotangents given for {len(run.results)} results")
        cotangents = [cotangent_for(r, g, "vjp") for r, g in zip(run.results, given, strict=True)]
        return tuple(run.like_inputs(run.pull(cotangents, retain_graph=True), _zeros))

    return run.value(), pullback


def jvp(f: Function, xs: Any, ts: Any) -> tuple[Any, Any]:
    """(f(*xs), its derivative in the direction ts): the Jacobian times a tangent, by one forward sweep.

    `xs` and `ts` are tuples: the arguments, and for each a tangent of its form and shapes. A single argument and its
    tangent may be given without tuples. Raises ValueError if the numbers of arrays differ.
    """
    xs, ts = (xs, ts) if isinstance(xs, tuple) else ((xs,), (ts,))
    run = Evaluation("jvp", f, xs, {}, range(len(xs)), forward=True)
    directions = [entry.value for entry in trees.leaves(ts)]
    inputs = [x for tensors in run.inputs for x in tensors]
    if len(directions) != len(inputs):
        raise ValueError(f"jvp: {len(directions)} tangents given for {len(inputs)} inputs")
    tangents = {
        x.node: cotangent_for(x, t, "jvp") for x, t in zip(inputs, directions, strict=True) if x.node is not None
    }
    return run.value(), trees.same_form(run.out, run.push(tangents))


def hvp(f: Function, xs: Any, vs: Any) -> Any:
    """The Hessian of f times vs, in the form of xs, without forming the Hessian: the jvp of the gradient.

    f returns one number; `xs` and `vs` as in `jvp`.
    """
    single = not isinstance(xs, tuple)
    gradient = grad_or_zeros(f, 0 if single else tuple(range(len(xs))))
    return jvp(gradient, xs, vs)[1]

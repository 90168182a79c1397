"""Transforms: functions of functions. `grad(f)` is a function again, so they nest to any order.

    grad(lambda x: x**3)(2.0)                 12
    grad(grad(lambda x: x**3))(2.0)           12
    jvp(grad(f), (x,), (v,))                  a Hessian times a vector, forward over reverse

The idea: evaluate f once, on fresh copies of its inputs, and sweep what was recorded from the output back to these
copies (or from the copies forward). The invariant that rules out perturbation confusion: a sweep visits only nodes made
during its own evaluation and ends at its own copies, so what an inner function closes over is a constant to the inner
transform and, through the copies' parents, a variable to the outer one.

The sweep is recorded where its result may be differentiated again: if recording is on and the evaluation used any
tensor from outside that has a graph. Under `no_grad` results are constants, which is the fast way for a training step.
Results are tensors whatever the arguments were.

Read next: `engine/jacobians.py`, then `engine/checkpoint.py`.
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
        out: what f returned, a tree of tensors; `results` are its leaves.
        argnums, given: which arguments are to be differentiated, and what they were given as.
        inputs, paths: for each of those the leaves, as f saw them, and where in the argument they stand.
        began: the serial number at which the evaluation began.
        leads_out: whether it used a tensor from outside that has a graph.
    """

    def __init__(
        self, who: str, f: Function, args: Sequence[Any], keywords: Any, argnums: Sequence[int], forward: bool = False
    ) -> None:
        self.began = next_serial()
        self.argnums = argnums
        self.given = [args[k] for k in argnums]
        outside = current().enabled
        handed = list(args)
        self.inputs: list[list[Tensor]] = []
        self.paths: list[list[str]] = []
        with changed(enabled=True, forward=forward or current().forward):
            for k in argnums:
                found = trees.leaves(args[k])
                fresh = [_fresh(who, k, one, outside) for one in found]
                handed[k] = trees.with_leaves(args[k], fresh)
                self.inputs.append(fresh)
                self.paths.append([one.path for one in found])
            out = f(*handed, **keywords)
        self.results = [_operand(f"{who}: the function's result", one) for one in trees.leaves(out)]
        self.out = trees.same_form(out, self.results)
        used = {node for result in self.results if result.node for node in reachable(result.node, self.began)}
        self.leads_out = any(p is not None and p.serial < self.began for n in used for p in (n, *n.parents))

    def by_node(self) -> dict[Node, Tensor]:
        """All inputs, by their nodes, where sweeps end or begin."""
        return {x.node: x for tensors in self.inputs for x in tensors if x.node is not None}

    def value(self) -> Any:
        """What f returned; as constants where nothing outside could be reached from it."""
        if self.leads_out and current().enabled:
            return self.out
        return trees.same_form(self.out, [wrap(result.array, None) for result in self.results])

    def pull(self, cotangents: Sequence[Tensor], retain_graph: bool) -> dict[Node, Any]:
        """One reverse sweep: the gradient of <cotangents, results> by input node; missing where there is none."""
        recorded = current().enabled and (self.leads_out or any(g.node is not None for g in cotangents))
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
        """Where to begin: at the only result, or at the sum of <cotangent, result> over several."""
        if len(self.results) == 1:
            return self.results[0].node, cotangents[0]
        total = ops.sum(ops.stack([ops.sum(r * g) for r, g in zip(self.results, cotangents, strict=True)]))
        return total.node, ops.ones_like(total)

    def push(self, tangents: dict[Node, Tensor]) -> list[Tensor]:
        """One forward sweep: the tangent of each result, given those of the inputs by node."""
        recorded = current().enabled and (self.leads_out or any(t.node is not None for t in tangents.values()))
        given = {node: t if recorded else t.array for node, t in tangents.items()}
        way = {node for r in self.results if r.node for node in between(r.node, self.by_node(), self.began)}
        with changed(enabled=recorded):
            found = forward_sweep(oldest_first(way), given, create_graph=recorded)
        return [swept(found.get(r.node), r) for r in self.results]  # type: ignore[arg-type]

    def like_inputs(self, found: dict[Node, Any], missing: Callable[[str, Tensor], Any]) -> list[Any]:
        """Gradients in the form of the arguments; `missing(path, input)` stands in where none arrived."""
        grown = []
        for number, tree, paths, tensors in zip(self.argnums, self.given, self.paths, self.inputs, strict=True):
            values = [
                swept(found[x.node], x) if x.node in found else missing(f"argument {number}{path}", x)
                for path, x in zip(paths, tensors, strict=True)
            ]
            grown.append(trees.same_form(tree, values))
        return grown


def _fresh(who: str, argument: int, given: trees.Leaf, outside: bool) -> Tensor:
    """The input that f is handed: an alias of a tensor that somebody outside may differentiate, else a new leaf."""
    if given.parameter:
        return given.value  # a module keeps its parameters; the sweep ends at their nodes
    x = _operand(f"{who}: argument {argument}", given)
    if x.dtype.kind != "f":
        raise TypeError(
            f"{who}: argument {argument}{given.path} has dtype {x.dtype}; only floating ones have gradients"
        )
    if outside and x.node is not None:
        return ops.alias(x)
    return wrap(x.array, leaf(x.shape, x.dtype))


def _operand(what: str, given: trees.Leaf) -> Tensor:
    if isinstance(given.value, Tensor):
        return given.value
    if isinstance(given.value, int | float | np.ndarray | np.generic):
        return Tensor(given.value)
    raise TypeError(f"{what}{given.path} is a {type(given.value).__name__}; numbers, arrays and tensors have gradients")


def swept(value: Any, like: Tensor) -> Tensor:
    """A swept value as a tensor of its own memory; zeros for None."""
    if value is None:
        return ops.zeros_like(like)
    return value if isinstance(value, Tensor) else wrap(np.array(value), None)


def _zeros(_: str, x: Tensor) -> Tensor:
    return ops.zeros_like(x)


def positions(who: str, argnums: Argnums, count: int) -> list[int]:
    """`argnums` as a list, counted from the front. Raises TypeError for an argument that is not there."""
    asked = [argnums] if isinstance(argnums, int) else list(argnums)
    for k in asked:
        if not -count <= k < count:
            raise TypeError(f"{who}: argnums {k}, but the function was called with {count} positional arguments")
    return [k % count for k in asked]


def value_and_grad(f: Function, argnums: Argnums = 0, *, allow_unused: bool = False) -> Function:
    """A function that returns (f(...), its gradient in the arguments `argnums`).

    f returns one number. Arguments may be arrays, numbers, tensors, nested lists, tuples and dicts of these, or
    modules, whose gradients come as a dict by parameter name. The gradient has the form of the argument; a tuple of
    them if `argnums` is a tuple.

    Raises RuntimeError if f does not return one number, or does not depend on an argument; with `allow_unused` that
    gradient is None.
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
    """The gradient of f as a function of the same arguments. See `value_and_grad`.

    >>> grad(lambda x: x * grad(lambda y: x * y)(x))(5.0)
    Tensor(10.)
    """
    both = value_and_grad(f, argnums, allow_unused=allow_unused)
    return lambda *args, **keywords: both(*args, **keywords)[1]


def grad_or_zeros(f: Function, argnums: Argnums) -> Function:
    """Like `grad`, with zeros where f does not depend on an argument: a linear function has a second derivative, 0."""
    both = _value_and_grad(f, argnums, _zeros)
    return lambda *args: both(*args)[1]


def vjp(f: Function, *xs: Any) -> tuple[Any, Function]:
    """(f(*xs), pullback), where pullback(g) is a tuple: J^T g for each of xs, zero where f does not depend on it.

    g has the form and shapes of f's result. The pullback may be called any number of times.
    """
    run = Evaluation("vjp", f, xs, {}, range(len(xs)))

    def pullback(g: Any) -> tuple[Any, ...]:
        given = [one.value for one in trees.leaves(g)]
        if len(given) != len(run.results):
            raise ValueError(f"vjp: {len(given)} cotangents given for {len(run.results)} results")
        cotangents = [cotangent_for(r, g, "vjp") for r, g in zip(run.results, given, strict=True)]
        return tuple(run.like_inputs(run.pull(cotangents, retain_graph=True), _zeros))

    return run.value(), pullback


def jvp(f: Function, xs: Any, ts: Any) -> tuple[Any, Any]:
    """(f(*xs), its derivative in the direction ts): the Jacobian times a tangent, by one forward sweep.

    `xs` and `ts` are tuples, one tangent of the same form and shapes for each argument; for a function of one
    argument they may stand alone.
    """
    xs, ts = (xs, ts) if isinstance(xs, tuple) else ((xs,), (ts,))
    run = Evaluation("jvp", f, xs, {}, range(len(xs)), forward=True)
    directions = [one.value for one in trees.leaves(ts)]
    inputs = [x for tensors in run.inputs for x in tensors]
    if len(directions) != len(inputs):
        raise ValueError(f"jvp: {len(directions)} tangents given for {len(inputs)} inputs")
    tangents = {
        x.node: cotangent_for(x, t, "jvp") for x, t in zip(inputs, directions, strict=True) if x.node is not None
    }
    return run.value(), trees.same_form(run.out, run.push(tangents))


def hvp(f: Function, xs: Any, vs: Any) -> Any:
    """The Hessian of f times vs, in the form of xs: the forward derivative of the gradient, never forming the Hessian.

    f returns one number; `xs` and `vs` as in `jvp`.
    """
    alone = not isinstance(xs, tuple)
    gradient = grad_or_zeros(f, 0 if alone else tuple(range(len(xs))))
    return jvp(gradient, xs, vs)[1]

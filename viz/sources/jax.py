"""A JAX function and its arguments: the function's jaxpr is run, and gone through backward with `jax.vjp`.

Each equation between the arguments and the loss is a node, and each of its inputs that depends on the arguments an
edge. An equation that only shows its input in another shape or order is left out where one other equation uses it.

Read next: `viz/sources/jax_arguments.py`, what gets blame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from viz.checks import NothingToTrace
from viz.sources import jax_equations, measures
from viz.sources.assemble import assembled, first_uses
from viz.sources.jax_arguments import Arguments, Leaf
from viz.sources.jax_backward import go_backward
from viz.sources.jax_run import Result, Run
from viz.sources.records import Recording, Value
from viz.sources.watch import Watcher


def record(function: Callable[..., Any], arguments: Sequence[Any], lines: bool) -> Recording:
    """The records of one backward pass through `function(*arguments)`, which returns the loss.

    Raises what `viz.trace` says, and TypeError if the function does not return one float, or needs the value of an
    argument to decide what to compute.
    """
    given = Arguments(function, arguments)
    closed = _traced(function, given)
    run = Run()
    leaves = {Result(leaf.array, active=True): leaf for leaf in given.leaves}
    (loss,) = run.run(closed, [*leaves])
    if not loss.active:
        raise NothingToTrace("trace: no blame can flow: the loss does not depend on a float of the arguments")
    watcher: Watcher[Result, Any] = Watcher(measures)
    go_backward(loss, run.steps, watcher)
    watcher.finish()
    ordered = [*leaves, *(output for step in run.steps for output in step.outputs)]
    ordered = [result for result in ordered if result in watcher.gradients]
    embedded = next((result for result in ordered if _is_embedding(result)), None)
    return assembled(float(loss.array.reshape(())), _values(ordered, leaves, watcher, lines), watcher, embedded)


def _traced(function: Callable[..., Any], given: Arguments) -> Any:
    """The jaxpr of the function in its leaves."""

    def of_leaves(*arrays: Any) -> Any:
        return function(*given.rebuilt(arrays))

    try:
        closed, shown = jax.make_jaxpr(of_leaves, return_shape=True)(*(leaf.array for leaf in given.leaves))
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError) as error:
        raise TypeError(
            "trace: the function decides by the value of an argument, which is not known while JAX traces it; use "
            "jnp.where or jax.lax.cond, or put that value into the function"
        ) from error
    if not hasattr(shown, "shape"):
        raise TypeError(
            f"trace: the function must return the loss alone, not {_described(shown)}; "
            "has_aux is not supported, so leave out the rest"
        )
    if shown.size != 1:
        raise RuntimeError(
            f"trace: an array of shape {shown.shape} is no loss; reduce it to one number, as with jnp.sum"
        )
    if not jnp.issubdtype(shown.dtype, jnp.floating):
        raise TypeError(f"trace: a loss is a float, not {shown.dtype}")
    if any(isinstance(constant, jax.core.Tracer) for constant in closed.consts):
        raise TypeError("trace: the function uses arrays without a value; call trace outside jit, grad and vmap")
    return closed


def _described(shown: Any) -> str:
    return "None" if shown is None else f"a {type(shown).__name__}"


def _values(
    ordered: Sequence[Result], leaves: Mapping[Result, Leaf], watcher: Watcher[Result, Any], lines: bool
) -> list[Value[Result]]:
    """What is known of each value."""
    modules = _modules(leaves, first_uses(ordered, watcher))
    values = []
    for result in ordered:
        step = result.step
        scope, calls = (step.scope, step.calls) if step else modules[result]
        values.append(
            Value(
                key=result,
                op=step.op if step else "leaf",
                name=None if step else leaves[result].name,
                scope=scope,
                calls=calls,
                shape=result.array.shape,
                dtype=str(result.array.dtype),
                is_leaf=step is None,
                value=None if jnp.iscomplexobj(result.array) else measures.numbers(np.asarray(result.array)),
                line=jax_equations.line(step.equations) if step and lines else None,
            )
        )
    return values


def _modules(
    leaves: Mapping[Result, Leaf], uses: Mapping[Result, Result]
) -> dict[Result, tuple[tuple[str, ...], tuple[int, ...]]]:
    """Scope and calls of each leaf: those of its first use, or else its place in the tree of an argument.

    The places are taken where they tell more modules apart: a program may have no scopes, or the same for all layers of
    one kind.
    """
    users = {leaf: uses[leaf].step for leaf in leaves if leaf in uses}
    by_use = {leaf: step.modules for leaf, step in users.items() if step}
    by_place = {result: (leaf.place, (0,) * len(leaf.place)) for result, leaf in leaves.items()}
    used = [by_place[leaf] for leaf in by_use]
    scopes = {scope for scope, _ in by_use.values()}
    return by_place if len(set(used)) > len(scopes) else {**dict.fromkeys(leaves, ((), ())), **by_use}


def _is_embedding(result: Result) -> bool:
    return result.step is not None and result.step.is_embedding

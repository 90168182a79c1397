"""backward: the contributions of a JAX function, one equation at a time, each by `jax.vjp` of that equation alone.

An equation that only shows its input in another shape or order is left out where one other equation uses it: the edge
of that one leads through it, and the contribution arrives in the shape of what was shown.

The invariant: a step is gone through when all steps after it have been, so all contributions to its outputs are there.

Read next: `viz/sources/jax_equations.py`, what is read off an equation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from viz.sources.derivative import derivative, is_small
from viz.sources.jax_run import Result, Step
from viz.sources.records import Sent
from viz.sources.watch import Watcher


def go_backward(loss: Result, steps: Sequence[Step], watcher: Watcher[Result, Any]) -> None:
    """Tell the watcher of every contribution."""
    joined = _joined(loss, steps)
    cotangents = {loss: jnp.ones_like(loss.array)}
    watcher.start(loss, cotangents[loss])
    for step in reversed(steps):
        reached = [output for output in step.outputs if output in cotangents]
        pull = _pullback(step) if reached else None
        for output in reached:
            watcher.settle(output, by_row=step.is_embedding)
            for sent, contribution in _sent(step, output, cotangents.pop(output), pull, joined):
                watcher.arrive(sent, _real(contribution))
                target = sent.target
                cotangents[target] = cotangents[target] + contribution if target in cotangents else contribution


def _joined(loss: Result, steps: Sequence[Step]) -> set[Result]:
    """The views that are left out: between the arguments and the loss, they are used once."""
    uses: Counter[Result] = Counter({loss: 2})
    for step in reversed(steps):
        if any(output in uses for output in step.outputs):
            uses.update(result for result in step.inputs if result.active)
    return {step.outputs[0] for step in steps if step.is_view and uses[step.outputs[0]] == 1}


def _pullback(step: Step) -> Callable[[Result, Any], Sequence[Any]]:
    """From one output and its cotangent to the contributions to the active inputs."""
    if step.op == "while":
        raise RuntimeError(
            "trace: JAX has no backward pass through while_loop, which leads to the loss here; use scan, or a "
            "fori_loop with fixed bounds"
        )
    arrays = [result.array for result in step.inputs]
    places = [place for place, result in enumerate(step.inputs) if result.active]
    outputs = [output for output in step.outputs if output.active]

    def of_active(*active: Any) -> list[Any]:
        filled = list(arrays)
        for place, array in zip(places, active, strict=True):
            filled[place] = array
        made = step.function(*filled)
        return [array for array, output in zip(made, step.outputs, strict=True) if output.active]

    _, pull = jax.vjp(of_active, *(arrays[place] for place in places))
    return lambda output, g: pull([g if other is output else jnp.zeros_like(other.array) for other in outputs])


def _sent(step: Step, output: Result, g: Any, pull: Any, joined: set[Result]) -> Iterator[tuple[Sent[Result], Any]]:
    """The edges out of an output, with their contributions."""
    places = [place for place, result in enumerate(step.inputs) if result.active]
    ways = [_Way(step.inputs[place], joined) for place in places]
    small = [_is_small(way.target.array, output.array) for way in ways]
    units = [pull(output, unit) for unit in _units(output.array)] if any(small) else []
    for number, (way, contribution) in enumerate(zip(ways, pull(output, g), strict=True)):
        pulled = [way.pull(unit[number]) for unit in units] if small[number] else []
        local = derivative(pulled, way.target.array.shape, output.array.shape) if pulled else ""
        rule = f"jax.vjp of {', '.join([step.op, *way.ops])}"
        yield Sent(output, way.target, places[number], rule, local), way.pull(contribution)


class _Way:
    """From an input of a step back through the views that are left out.

    Fields:
        target: where the way ends.
        ops: of the views on it.
    """

    def __init__(self, start: Result, joined: set[Result]) -> None:
        self.target = start
        self.ops: list[str] = []
        self._pulls: list[Any] = []
        while self.target in joined and self.target.step is not None:
            step = self.target.step
            self.ops.append(step.op)
            self._pulls.append((_pullback(step), self.target))
            self.target = step.inputs[0]

    def pull(self, contribution: Any) -> Any:
        """What arrives at the target of what arrives at the start."""
        for pull, output in self._pulls:
            (contribution,) = pull(output, contribution)
        return contribution


def _is_small(target: Any, output: Any) -> bool:
    return is_small(target.shape, output.shape) and not (jnp.iscomplexobj(target) or jnp.iscomplexobj(output))


def _units(array: Any) -> Iterator[Any]:
    """The unit arrays of an array's shape and dtype."""
    for unit in np.eye(array.size):
        yield jnp.asarray(unit.reshape(array.shape), array.dtype)


def _real(array: Any) -> Any:
    """A complex array as two real ones, whose norms and inner products are those of its parts."""
    return jnp.stack([array.real, array.imag]) if jnp.iscomplexobj(array) else array

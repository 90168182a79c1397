"""Generic mutants: every mistake of `mistakes.py` in every rule of an op, and what can be wrong with an op as a whole.

    control             a rule wrapped and not changed: has to survive, or the planting itself is at fault
    <a mistake>         the rule of one argument, or its part in a joint rule
    missing             no rule where there should be one
    exchanged           the rules of two arguments in each other's place
    does not broadcast  an op that does, and does not say so
    reference ...       a fused op whose reference is another function, or the same with another gradient

Read next: `engine/testing/mutation/source.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations
from typing import Any

from engine.plan import Joint
from engine.primitive import Primitive
from engine.tensor import Tensor
from engine.testing.mutation.mistakes import MISTAKES
from engine.testing.mutation.mutant import CONTROL, Mutant, exchanged
from engine.testing.mutation.sites import Metadata, Run, Site, Values, altered, rebuilt, sites


def generic_mutants(op: Primitive) -> Iterator[Mutant]:
    """All of one op; the controls come first."""

    def mutant(name: str, kind: str, make: Callable[[], Primitive]) -> Mutant:
        return Mutant(f"{name}: {kind}", kind, (op.name,), partial(exchanged, op, make))

    found = list(sites(op))
    for site in found:
        yield mutant(site.name, CONTROL, partial(site.with_change, _unchanged))
    for site in found:
        for kind, (change, possible) in MISTAKES.items():
            if possible(site):
                yield mutant(site.name, kind, partial(site.with_change, change))
        if not site.joint:
            yield mutant(site.name, "missing", partial(site.with_rule, None))
    for one, other in combinations(found, 2):
        if one.way == other.way:
            name = f"{one.name} and ({op.signature.arguments[other.argument]})"
            yield mutant(name, "exchanged", partial(_exchanged, one, other))
    if op.broadcasts:
        yield mutant(op.name, "does not broadcast", partial(rebuilt, op, broadcasts=False))
    if op.reference is not None:
        yield mutant(op.name, "reference doubled", partial(_other_reference, op, lambda out: out * 2))
        yield mutant(op.name, "reference's gradient doubled", partial(_other_reference, op, _steeper))


def _unchanged(run: Run, g: Any, values: Values, metadata: Metadata) -> Any:
    return run(g, values, metadata)


def _exchanged(one: Site, other: Site) -> Primitive:
    """The op with two rules, or two parts of a joint rule, in each other's place."""
    if not one.joint:
        return one.with_rules({one.argument: other.rule, other.argument: one.rule})
    way, i, j = one.way, one.argument, other.argument

    def swapped(several: Any) -> Any:
        several = list(several)
        several[i], several[j] = several[j], several[i]
        return tuple(several)

    def change(run: Run, g: Any, values: Values, metadata: Metadata) -> Any:
        if way == "vjp":
            return swapped(run(g, values, metadata))
        return run(swapped(g), values, metadata)

    return rebuilt(one.op, **{way: Joint(altered(one.rule, change))})


def _other_reference(op: Primitive, change: Callable[[Any], Any]) -> Primitive:
    def reference(*args: Any, **metadata: Any) -> Any:
        assert right is not None
        return change(right(*args, **metadata))

    right = op.reference
    return rebuilt(op, reference=reference)


def _steeper(out: Any) -> Any:
    """The same value with twice the gradient."""
    return out * 2 - out.detach() if isinstance(out, Tensor) else out

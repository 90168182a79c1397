"""Generic mutants: every mistake of `mistakes.py` in every rule of an op, and mistakes in an op as a whole.

    control             a rule wrapped without a change: if it is found, the planting itself is wrong
    <a mistake>         in the rule of one argument, or in its part of a joint rule
    missing             no rule for an argument that has a derivative
    exchanged           the rules of two arguments exchanged
    does not broadcast  an op that broadcasts, declared without `broadcasts=True`
    reference ...       a fused op whose reference has another value, or the same value and another gradient

Read next: `engine/testing/mutation/functions.py`.
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
from engine.testing.mutation.mutant import CONTROL, Mutant, op_replaced
from engine.testing.mutation.sites import Metadata, RightRule, Site, Values, altered, rebuilt, sites


def generic_mutants(op: Primitive) -> Iterator[Mutant]:
    """All generic mutants of one op; the controls come first."""

    def mutant(name: str, kind: str, make: Callable[[], Primitive]) -> Mutant:
        return Mutant(f"{name}: {kind}", kind, (op.name,), partial(op_replaced, op, make))

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


def _unchanged(rule: RightRule, g: Any, values: Values, metadata: Metadata) -> Any:
    return rule(g, values, metadata)


def _exchanged(one: Site, other: Site) -> Primitive:
    """The op with two rules, or two parts of a joint rule, exchanged."""
    if not one.joint:
        return one.with_rules({one.argument: other.rule, other.argument: one.rule})
    way, i, j = one.way, one.argument, other.argument

    def swapped(several: Any) -> Any:
        several = list(several)
        several[i], several[j] = several[j], several[i]
        return tuple(several)

    def change(rule: RightRule, g: Any, values: Values, metadata: Metadata) -> Any:
        if way == "vjp":
            return swapped(rule(g, values, metadata))
        return rule(swapped(g), values, metadata)

    return rebuilt(one.op, **{way: Joint(altered(one.rule, change))})


def _other_reference(op: Primitive, change: Callable[[Any], Any]) -> Primitive:
    """The op with this change of its reference's result."""

    def reference(*args: Any, **metadata: Any) -> Any:
        assert right is not None
        return change(right(*args, **metadata))

    right = op.reference
    return rebuilt(op, reference=reference)


def _steeper(out: Any) -> Any:
    """The same value with twice the gradient."""
    return out * 2 - out.detach() if isinstance(out, Tensor) else out

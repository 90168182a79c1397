"""Plan: which rules of an op will run for one call, and which values of the call each of them named.

A rule names its values in its parameters. The names are resolved once for each op and set of arguments that require a
gradient, and written out as small functions. For `multiply`, both of whose arguments require one:

    save        lambda x, y, out: (x, y)               from the values of a call to what its node saves
    run for x   lambda g, saved: rule(g, saved[1])     from the cotangent and what was saved to the contribution
    run for y   lambda g, saved: rule(g, saved[0])

They are made from source text, because they are called for every node and every edge: a loop over positions would take
three times as long.

Read next: `engine/recording.py`, when ops record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from types import CodeType
from typing import Any, NamedTuple

from engine.half import widened
from engine.signature import Names, Signature

Rule = Callable[..., Any]
Run = Callable[[Any, tuple[Any, ...]], Any]


def LINEAR(*_: Any) -> Any:
    """The jvp rule of an op linear in each argument: the op itself, with the tangent in the argument's place."""
    raise NotImplementedError("LINEAR stands for a rule; it is never called")


def written(formula: str, rule: Rule) -> Rule:
    """The same rule, shown as this formula: for a lambda whose own text takes care of more than the mathematics."""
    rule.__doc__ = formula
    return rule


class Joint:
    """One rule for all arguments, for ops whose arguments share backward work.

    A vjp rule returns one contribution per argument (None where not `wanted`); a jvp rule takes all tangents at once.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule


BoundRule = tuple[int, Run]
"""The number of an argument (0 for a joint rule), and its rule as a function of the cotangent and of what was saved.

A plain tuple, because a sweep unpacks one for every edge.
"""


@cache
def _compiled(source: str) -> CodeType:
    return compile(source, "<plan>", "eval")


def _function(source: str, **names: Any) -> Any:
    """The function that a source text defines; many ops share one text, which is compiled once."""
    return eval(_compiled(source), {"__name__": __name__, **names})  # named as code of this package, not the user's


def _picking(names: Sequence[str], keep: Sequence[int]) -> Callable[..., tuple[Any, ...]]:
    """A function of values of these names that returns those in the places `keep`."""
    kept: Callable[..., tuple[Any, ...]] = _function(
        f"lambda {', '.join(names)}: ({''.join(f'{names[k]}, ' for k in keep)})"
    )
    return kept


class Plan:
    """The rules that run when the arguments in the bit mask `wanted` require a derivative.

    Fields:
        op: the op (an `Op`; its file imports this one).
        wanted: for each argument, whether it requires a derivative.
        single: whether that is one argument only, so that a node's `links` is one parent.
        half: whether the rules compute in float32 on values in float16.
        direct: whether a sweep may run the rules at once on what the node saved; not so if they are one joint rule, or
            if the op selects.
        pulls: the vjp rules; a single one if `joint`.
        pushes: the jvp rules, LINEAR among them; None unless recorded for forward mode.
        keep: the slots that these rules read, in order: what a node saves.
        save: takes the values of a call, in the order of the slots, and returns those to keep.
        quick_save: the same from the arguments and the result alone; None where a rule reads more than these.
    """

    __slots__ = (
        "direct",
        "half",
        "joint",
        "keep",
        "op",
        "pulls",
        "pushes",
        "quick_save",
        "save",
        "signature",
        "single",
        "wanted",
    )

    def __init__(self, op: Any, jvp: Any, count: int, wanted: int, half: bool = False) -> None:
        vjp, signature = op.vjp, op.signature
        self.op = op
        self.signature: Signature = signature
        self.half = half
        self.wanted = tuple(bool(wanted >> k & 1) for k in range(count))
        self.single = sum(self.wanted) == 1
        pulls = named_rules(signature, vjp, self.wanted)
        pushes = [] if jvp is None else named_rules(signature, jvp, self.wanted)
        read = {signature.slots[name] for named in (*pulls, *pushes) for name in (*named.values, *named.metadata)}
        if signature.keep_arguments and pulls:
            read |= {signature.slots[name] for name in signature.arguments}
        self.keep = tuple(sorted(read))
        names = list(signature.slots)
        few = signature.slots["out"] + 1
        self.save = _picking(names, self.keep)
        self.quick_save: Any = _picking(names[:few], self.keep) if all(slot < few for slot in read) else None
        self.joint = isinstance(vjp, Joint)
        self.direct = not (self.joint or op.selects)
        self.pulls = tuple(self._bound(named) for named in pulls)
        self.pushes = None if jvp is None else tuple(self._bound(named) for named in pushes)

    def _bound(self, named: _Named) -> BoundRule:
        if named.rule is LINEAR:
            return named.argument, LINEAR
        values = [f"saved[{self._place(name)}]" for name in named.values]
        if self.half:
            values = [f"widened({value})" for value in values]
        values += [f"{name}=saved[{self._place(name)}]" for name in named.metadata]
        values += [f"{name}={name}" for name in named.constants]
        g = "widened(g)" if self.half else "g"
        known = {"rule": named.rule, "wanted": self.wanted, "position": named.argument, "widened": widened}
        return named.argument, _function(f"lambda g, saved: rule({', '.join([g, *values])})", **known)

    def _place(self, name: str) -> int:
        """Where a node saves the value of this name."""
        return self.keep.index(self.signature.slots[name])

    def arguments(self, saved: tuple[Any, ...]) -> tuple[Any, ...]:
        """All arguments of the call, from what the node of a fused op saved."""
        return tuple(saved[self._place(name)] for name in self.signature.arguments)

    def others(self, argument: int, saved: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments beside this one, from what a node saved for a LINEAR rule."""
        found = [saved[self._place(name)] for name in _beside(self.signature, argument)]
        if not self.signature.variadic:
            return tuple(found)
        (everything,) = found
        return (*everything[:argument], *everything[argument + 1 :])

    def owners(self, parents: Sequence[Any], node: Any) -> tuple[Any, ...]:
        """The node that each saved value belongs to: a parent, the node itself, or None for shapes and metadata."""
        owners = self.signature.owners(parents, node)
        return tuple(owners[slot] for slot in self.keep)


def named_rules(signature: Signature, given: Any, wanted: Sequence[bool]) -> list[_Named]:
    """The rules of the arguments that require a derivative, with the names each asks for.

    Raises TypeError for a name that the op does not have, and for another number of rules than arguments.
    """
    return [
        _names(signature, rule, argument)
        for argument, rule in _rules(signature, given, len(wanted))
        if wanted[argument] or isinstance(given, Joint)
    ]


def _rules(signature: Signature, given: Any, count: int) -> list[tuple[int, Rule]]:
    """Pairs of argument position and rule."""
    if isinstance(given, Joint):
        return [(0, given.rule)]
    if given is LINEAR:
        given = (LINEAR,) * count
    if signature.variadic:
        given = tuple(given[:1]) * count
    if len(given) != count:
        raise TypeError(
            f"{signature.op}: {len(given)} rules for {count} arguments; give None for one without a derivative"
        )
    return [(argument, rule) for argument, rule in enumerate(given) if rule is not None]


def _beside(signature: Signature, argument: int) -> tuple[str, ...]:
    """The names of the other arguments; for `*arrays`, that name."""
    return tuple(name for k, name in enumerate(signature.arguments) if k != argument or signature.variadic)


class _Named(NamedTuple):
    """A rule and the names it asks for: values, metadata, and constants that the plan itself knows."""

    argument: int
    rule: Rule
    values: tuple[str, ...]
    metadata: tuple[str, ...] = ()
    constants: tuple[str, ...] = ()


def _names(signature: Signature, rule: Rule, argument: int) -> _Named:
    """What a rule asks for, by the names of its parameters. TypeError for a name that the op does not have."""
    if rule is LINEAR:
        return _Named(argument, rule, _beside(signature, argument))
    names = Names.of(rule)
    first, *values = names.positional
    arrays = [name for name in signature.slots if name not in signature.metadata]
    known = (*signature.metadata, "wanted", "position")
    for name in [n for n in values if n not in arrays] + [n for n in names.keywords if n not in known]:
        raise TypeError(
            f"{signature.op}: a rule asks for {name!r}; after {first!r} it can name {arrays} "
            f"and, keyword-only, {[*known]}"
        )
    metadata = tuple(name for name in names.keywords if name in signature.metadata)
    return _Named(argument, rule, tuple(values), metadata, tuple(n for n in names.keywords if n not in metadata))

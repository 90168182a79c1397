"""Where a rule can be wrong: one site for each rule and argument of an op, and the op with that rule altered.

The idea: `altered` wraps a rule in a function with the rule's own parameters, because a plan reads from their names
what a node must save. The wrapper calls a `Change`, which gets the right rule as `rule(g, values, metadata)`.

A rule marked LINEAR is replaced by an equal function first. In a joint vjp rule the contribution to one argument is
altered; in a joint jvp rule, which is linear in all tangents, the tangent of one argument before the rule gets it.

Read next: `engine/testing/mutation/mistakes.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from engine.op import Op
from engine.plan import LINEAR, Joint, Rule
from engine.primitive import Primitive
from engine.signature import Names

Values = tuple[Any, ...]
Metadata = dict[str, Any]
RightRule = Callable[[Any, Values, Metadata], Any]
Change = Callable[[RightRule, Any, Values, Metadata], Any]


class Site(NamedTuple):
    """One rule of an op, for one argument; `way` is "vjp" or "jvp"."""

    op: Primitive
    way: str
    argument: int
    rule: Rule
    joint: bool

    @property
    def name(self) -> str:
        """ "multiply.vjp(y)"."""
        return f"{self.op.name}.{self.way}({self.op.signature.arguments[self.argument]})"

    @property
    def names(self) -> Names:
        """The names of the values that the rule reads."""
        return Names.of(self.rule)

    def with_change(self, change: Change) -> Primitive:
        """The op with this rule altered."""
        if not self.joint:
            return self.with_rule(altered(self.rule, change))
        whole = _contribution(change, self.argument) if self.way == "vjp" else _tangent(change, self.argument)
        return rebuilt(self.op, **{self.way: Joint(altered(self.rule, whole))})

    def with_rule(self, rule: Rule | None) -> Primitive:
        """The op with another rule at this site."""
        return self.with_rules({self.argument: rule})

    def with_rules(self, rules: dict[int, Rule | None]) -> Primitive:
        """The op with other vjp rules, or jvp rules if this is one, for some arguments."""
        right = _rules(self.op, getattr(self.op, self.way))
        return rebuilt(self.op, **{self.way: tuple(rules.get(k, rule) for k, rule in enumerate(right))})


def sites(op: Primitive) -> Iterator[Site]:
    """Every rule of an op, for every argument that has one."""
    for way in ("vjp", "jvp"):
        given = getattr(op, way)
        if isinstance(given, Joint):
            yield from (Site(op, way, k, given.rule, True) for k in range(len(op.signature.arguments)))
        elif given is not None:
            rules = _rules(op, given)
            yield from (Site(op, way, k, rule, False) for k, rule in enumerate(rules) if rule is not None)


def rebuilt(op: Primitive, **other: Any) -> Primitive:
    """An op of the same class that differs in the given attributes; it is not registered."""
    attributes = {name: getattr(op, name) for name in Names.of(Op.__init__).keywords}
    return type(op)(op.forward, **{**attributes, **other})


def altered(rule: Rule, change: Change) -> Rule:
    """The rule with a change made, and with the parameters of the rule itself."""
    names = Names.of(rule)

    def right(g: Any, values: Values, metadata: Metadata) -> Any:
        return rule(g, *values, **metadata)

    return _with_parameters(names, lambda g, values, metadata: change(right, g, values, metadata))


def _with_parameters(names: Names, body: RightRule) -> Rule:
    """A function with these parameters that passes them to `body`."""
    first, *values = names.positional
    parameters = ", ".join([*names.positional, *(["*"] if names.keywords else []), *names.keywords])
    metadata = ", ".join(f"{name!r}: {name}" for name in names.keywords)
    source = f"lambda {parameters}: _body({first}, ({''.join(f'{name}, ' for name in values)}), {{{metadata}}})"
    made: Rule = eval(source, {"_body": body})
    return made


def _rules(op: Primitive, given: Any) -> tuple[Rule | None, ...]:
    """One rule per argument, LINEAR ones as functions."""
    count = len(op.signature.arguments)
    rules = (LINEAR,) * count if given is LINEAR else tuple(given)
    return tuple(_linear_rule(op, k) if rule is LINEAR else rule for k, rule in enumerate(rules))


def _linear_rule(op: Primitive, argument: int) -> Rule:
    """The rule that LINEAR means: the op with the tangent in place of the argument."""
    arguments = op.signature.arguments
    names = Names(("t", *arguments[:argument], *arguments[argument + 1 :]), frozenset(), op.signature.metadata, None)

    def body(t: Any, others: Values, metadata: Metadata) -> Any:
        return op(*others[:argument], t, *others[argument:], **metadata)

    return _with_parameters(names, body)


def _contribution(change: Change, argument: int) -> Change:
    """The change of a joint vjp rule that makes this change in the contribution to one argument."""

    def joint(rule: RightRule, g: Any, values: Values, metadata: Metadata) -> Any:
        contributions = list(rule(g, values, metadata))
        if contributions[argument] is not None:
            contributions[argument] = change(lambda *given: rule(*given)[argument], g, values, metadata)
        return tuple(contributions)

    return joint


def _tangent(change: Change, argument: int) -> Change:
    """The change of a joint jvp rule that makes this change in the tangent of one argument."""

    def joint(rule: RightRule, tangents: Any, values: Values, metadata: Metadata) -> Any:
        given = list(tangents)
        if given[argument] is not None:
            given[argument] = change(lambda t, *_: t, given[argument], values, metadata)
        return rule(given, values, metadata)

    return joint

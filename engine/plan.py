"""Plan: which rules of a primitive will run for one call, and where each finds the values it named.

The names in a rule's signature are resolved once per primitive and per set of arguments that want a gradient; each call
then only picks array references out of a tuple by position:

    slots of a call:   arguments ...   out   residuals ...   shapes of the arguments ...   metadata ...

A plan is the link between `engine/primitive.py`, which saves through it, and `engine/sweeps.py`, which runs its rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from engine.signature import Names, Signature

Rule = Callable[..., Any]


def LINEAR(*_: Any) -> Any:
    """The jvp rule of an op linear in each argument: the op itself, with the tangent in the argument's place."""
    raise NotImplementedError("LINEAR is a mark, not a rule")


@dataclass(frozen=True)
class Joint:
    """One rule for all arguments, for ops whose arguments share backward work.

    A vjp rule returns one contribution per argument (None where not `wanted`); a jvp rule takes all tangents at once.
    """

    rule: Rule


Run = Callable[[Any, tuple[Any, ...]], Any]
Call = tuple[int, Run]
"""One rule to run: for which argument, and a function of the cotangent (or tangent) and of what the node saved.

A plain tuple, because a sweep unpacks one for every edge. A joint rule stands under argument 0.
"""


class Plan:
    """The rules that run when the arguments in the bit mask `wanted` want a derivative.

    Fields:
        wanted: for each argument, whether its gradient is wanted.
        pulls: the vjp rules; a single one if `joint`.
        pushes: the jvp rules, LINEAR marked as such; None where nobody said that a forward sweep would come.
        keep: the slots those read, which are what a node saves, in this order.
        quick: whether these are among the arguments and the result, so that `save` finds them.
        save: takes (*arguments, result) and returns what to save.
    """

    __slots__ = ("joint", "keep", "pulls", "pushes", "quick", "save", "signature", "wanted")

    def __init__(self, signature: Signature, vjp: Any, jvp: Any, count: int, wanted: int) -> None:
        self.signature = signature
        self.wanted = tuple(bool(wanted >> k & 1) for k in range(count))
        pulls = self._named(vjp, count)
        pushes = [] if jvp is None else self._named(jvp, count)
        read = {signature.slots[name] for named in (*pulls, *pushes) for name in (*named.values, *named.metadata)}
        if signature.keep_arguments and pulls:
            read |= {signature.slots[name] for name in signature.arguments}
        self.keep = tuple(sorted(read))
        self.quick = all(slot <= signature.slots["out"] for slot in read)
        self.save = _saver(self.keep, count)
        self.joint = isinstance(vjp, Joint)
        self.pulls = tuple(self._call(named) for named in pulls)
        self.pushes = None if jvp is None else tuple(self._call(named) for named in pushes)

    def _named(self, given: Any, count: int) -> list[_Named]:
        """The rules of the arguments that want a derivative, with the names each asks for."""
        return [
            _names(self.signature, rule, argument)
            for argument, rule in _rules(self.signature, given, count)
            if self.wanted[argument] or isinstance(given, Joint)
        ]

    def _call(self, named: _Named) -> Call:
        if named.rule is LINEAR:
            return named.argument, LINEAR
        at = [self.keep.index(self.signature.slots[name]) for name in (*named.values, *named.metadata)]
        known = {"wanted": self.wanted, "position": named.argument}
        rule = named.rule
        if named.metadata or named.constants:
            rule = _with_keywords(rule, named.metadata, {name: known[name] for name in named.constants})
        return named.argument, _on_saved(rule, at)

    def others(self, argument: int, saved: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments beside this one, from what a node saved for a LINEAR rule."""
        slots = self.signature.slots
        found = [saved[self.keep.index(slots[name])] for name in _beside(self.signature, argument)]
        if not self.signature.variadic:
            return tuple(found)
        (everything,) = found
        return (*everything[:argument], *everything[argument + 1 :])

    def collect(
        self, arrays: Sequence[Any], out: Any, residuals: Sequence[Any], metadata: dict[str, Any], args: Any = None
    ) -> tuple[Any, ...]:
        """The values to keep, picked from a call's arrays and results.

        `args` are the call's arguments where some are arrays of the user's; those may be written before the sweep, so
        they are copied.
        """
        if not self.keep:
            return ()
        if args is not None:
            arrays = [
                a.copy() if a is raw and isinstance(a, np.ndarray) else a for a, raw in zip(arrays, args, strict=True)
            ]
        shapes = [np.shape(array) for array in arrays]
        given = [metadata[name] for name in self.signature.metadata]
        if self.signature.variadic:
            slots = [tuple(arrays), out, *residuals, tuple(shapes), *given]
        else:
            slots = [*arrays, out, *residuals, *shapes, *given]
        return tuple([slots[slot] for slot in self.keep])


def _on_saved(rule: Rule, at: list[int]) -> Run:
    """The rule as a function of what a node saved, where its values are at these positions."""
    if not at:
        return lambda g, saved: rule(g)
    if len(at) == 1:
        (k,) = at
        return lambda g, saved: rule(g, saved[k])
    pick = itemgetter(*at)
    return lambda g, saved: rule(g, *pick(saved))


def _with_keywords(rule: Rule, names: tuple[str, ...], constants: dict[str, Any]) -> Rule:
    """The same rule, taking the metadata of these names behind its other values instead of by keyword."""

    def adapted(first: Any, *values: Any) -> Any:
        count = len(values) - len(names)
        return rule(first, *values[:count], **dict(zip(names, values[count:], strict=True)), **constants)

    return adapted


# How the smallest ops save, by the number of their arguments and the slots to keep. Written out, because these are
# called once for every op, and picking from a tuple takes as long as making it.
_SAVERS: dict[tuple[int, tuple[int, ...]], Callable[..., tuple[Any, ...]]] = {
    (1, ()): lambda x, out: (),
    (1, (0,)): lambda x, out: (x,),
    (1, (1,)): lambda x, out: (out,),
    (2, ()): lambda x, y, out: (),
    (2, (0,)): lambda x, y, out: (x,),
    (2, (1,)): lambda x, y, out: (y,),
    (2, (0, 1)): lambda x, y, out: (x, y),
}


def _saver(keep: tuple[int, ...], count: int) -> Callable[..., tuple[Any, ...]]:
    return _SAVERS.get((count, keep)) or (lambda *slots: tuple([slots[slot] for slot in keep]))


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
    """The names of the other arguments; of all of them for `*arrays`."""
    return tuple(name for k, name in enumerate(signature.arguments) if k != argument or signature.variadic)


class _Named(NamedTuple):
    """A rule and what it asks for: values, metadata, and what the plan itself knows."""

    argument: int
    rule: Rule
    values: tuple[str, ...]
    metadata: tuple[str, ...] = ()
    constants: tuple[str, ...] = ()


def _names(signature: Signature, rule: Rule, argument: int) -> _Named:
    """What a rule asks for, by the names of its parameters."""
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

"""Plan: which rules of a primitive will run for one call, and where each finds the values it named.

The names in a rule's signature are resolved once per primitive and per set of arguments that want a gradient; each call
then only picks array references out of a tuple by position:

    slots of a call:   arguments ...   out   residuals ...   shapes of the arguments ...

A plan is the link between `engine/primitive.py`, which saves through it, and `engine/sweeps.py`, which runs its rules.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

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


class Names(NamedTuple):
    """The parameters of a function by kind, straight from its code: `inspect.signature` would double the import time.

    Fields: positional ones, those of them that default to None, keyword-only ones, and the name of `*arrays` or None.
    """

    positional: tuple[str, ...]
    optional: frozenset[str]
    keywords: tuple[str, ...]
    variable: str | None

    @classmethod
    def of(cls, function: Any) -> Names:
        """Of a Python function. TypeError for anything else: a rule is a def or a lambda."""
        code = getattr(function, "__code__", None)
        if code is None:
            raise TypeError(
                f"{function!r} has no Python code; wrap it in a def or a lambda whose parameters name its values"
            )
        count, all_named = code.co_argcount, code.co_argcount + code.co_kwonlyargcount
        defaults = function.__defaults__ or ()
        defaulted = zip(code.co_varnames[count - len(defaults) : count], defaults, strict=True)
        return cls(
            code.co_varnames[:count],
            frozenset(name for name, default in defaulted if default is None),
            code.co_varnames[count:all_named],
            code.co_varnames[all_named] if code.co_flags & inspect.CO_VARARGS else None,
        )


class Signature:
    """The names an op's rules can ask for, and the binding of a call's arguments to them.

    `arity` is the number of array arguments, -1 for `*arrays`; array arguments with a default of None are optional.
    """

    def __init__(
        self, op: str, forward: Callable[..., Any], residuals: Sequence[str] = (), keep_arguments: bool = False
    ) -> None:
        names = Names.of(forward)
        self.op = op
        self.arguments = names.positional if names.variable is None else (names.variable,)
        self.optional = names.optional
        self.variadic = names.variable is not None
        self.arity = -1 if self.variadic else len(self.arguments)
        self.metadata = names.keywords
        self.required = frozenset(self.metadata)
        self.defaults = forward.__kwdefaults__ or {}
        self.keep_arguments = keep_arguments
        slots = (*self.arguments, "out", *residuals, *(f"{name}_shape" for name in self.arguments))
        self.slots = {name: slot for slot, name in enumerate(slots)}

    def bind(self, args: tuple[Any, ...], metadata: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Complete a call: array arguments given by keyword, metadata given by position, defaults."""
        metadata = dict(metadata)
        if not self.variadic:
            for name, value in zip(self.metadata, args[self.arity :], strict=False):
                if name in metadata:
                    raise TypeError(f"{self.op}: got two values for {name!r}")
                metadata[name] = value
            if len(args) > self.arity + len(self.metadata):
                raise TypeError(
                    f"{self.op}: takes at most {self.arity + len(self.metadata)} arguments, got {len(args)}"
                )
            args = args[: self.arity]
            for name in self.arguments[len(args) :]:
                if name not in metadata and name not in self.optional:
                    raise TypeError(f"{self.op}: missing argument {name!r}")
                args = (*args, metadata.pop(name, None))
        metadata = {**self.defaults, **metadata}
        if metadata.keys() != self.required:
            unknown = sorted(metadata.keys() - self.required)
            missing = sorted(self.required - metadata.keys())
            raise TypeError(f"{self.op}: " + (f"no argument named {unknown}" if unknown else f"missing {missing}"))
        return args, metadata


class Call(NamedTuple):
    """One rule to run: for which argument (None: a joint rule), on which saved values, with which metadata.

    `pick` takes what a node saved and returns the rule's values; None where the rule wants all of them in order.
    """

    argument: int | None
    rule: Rule
    pick: Callable[[tuple[Any, ...]], tuple[Any, ...]] | None
    keywords: tuple[str, ...]


class Plan:
    """The rules that run when the arguments in the bit mask `wanted` want a derivative.

    Fields:
        wanted: for each argument, whether its gradient is wanted.
        pulls: the vjp rules.
        pushes: the jvp rules; None where nobody said that a forward sweep would come.
        keep: the slots those read, which are what a node saves, in this order.
        quick: whether these are among the arguments and the result, so that `pick` finds them.
        pick: takes (*arguments, result) and returns what to save.
    """

    __slots__ = ("keep", "pick", "pulls", "pushes", "quick", "shapes", "signature", "wanted")

    def __init__(self, signature: Signature, vjp: Any, jvp: Any, count: int, wanted: int) -> None:
        self.signature = signature
        self.wanted = tuple(bool(wanted >> k & 1) for k in range(count))
        pulls = self._named(vjp, count)
        pushes = [] if jvp is None else self._named(jvp, count)
        read = {signature.slots[name] for _, _, values, _ in (*pulls, *pushes) for name in values}
        if signature.keep_arguments and pulls:
            read |= {signature.slots[name] for name in signature.arguments}
        self.keep = tuple(sorted(read))
        self.shapes = any(slot >= signature.slots[f"{signature.arguments[0]}_shape"] for slot in read)
        self.quick = all(slot <= signature.slots["out"] for slot in read)
        self.pick = _picker(list(self.keep))
        self.pulls = tuple(self._call(*named) for named in pulls)
        self.pushes = None if jvp is None else tuple(self._call(*named) for named in pushes)

    def _named(self, given: Any, count: int) -> list[tuple[int | None, Rule, tuple[str, ...], tuple[str, ...]]]:
        """The rules of the arguments that want a derivative, with the names each asks for."""
        return [
            (argument, rule, *_names(self.signature, rule, argument))
            for argument, rule in _rules(self.signature, given, count)
            if argument is None or self.wanted[argument]
        ]

    def _call(self, argument: int | None, rule: Rule, values: tuple[str, ...], keywords: tuple[str, ...]) -> Call:
        at = [self.keep.index(self.signature.slots[name]) for name in values]
        return Call(argument, rule, None if at == [*range(len(self.keep))] else _picker(at), keywords)

    def collect(self, arrays: Sequence[Any], out: Any, residuals: Sequence[Any], args: Any = None) -> tuple[Any, ...]:
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
        variadic = self.signature.variadic
        slots = [tuple(arrays), out, *residuals] if variadic else [*arrays, out, *residuals]
        if self.shapes:
            shapes = [np.shape(array) for array in arrays]
            slots += [tuple(shapes)] if variadic else shapes
        return tuple([slots[slot] for slot in self.keep])


def _picker(at: list[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """A fast function from a tuple to the tuple of its elements at these positions."""
    return itemgetter(*at) if len(at) > 1 else itemgetter(slice(at[0], at[0] + 1) if at else slice(0))


def _rules(signature: Signature, given: Any, count: int) -> list[tuple[int | None, Rule]]:
    """Pairs of argument position and rule."""
    if isinstance(given, Joint):
        return [(None, given.rule)]
    if given is LINEAR:
        given = (LINEAR,) * count
    if signature.variadic:
        given = tuple(given[:1]) * count
    if len(given) != count:
        raise TypeError(
            f"{signature.op}: {len(given)} rules for {count} arguments; give None for one without a derivative"
        )
    return [(argument, rule) for argument, rule in enumerate(given) if rule is not None]


def _names(signature: Signature, rule: Rule, argument: int | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The values and the keywords that a rule asks for, by the names of its parameters."""
    if rule is LINEAR:
        others = [name for k, name in enumerate(signature.arguments) if k != argument or signature.variadic]
        return tuple(others), signature.metadata
    names = Names.of(rule)
    first, *values = names.positional
    keywords = names.keywords
    known = (*signature.metadata, "wanted", "position")
    for name in [n for n in values if n not in signature.slots] + [n for n in keywords if n not in known]:
        raise TypeError(
            f"{signature.op}: a rule asks for {name!r}; after {first!r} it can name {[*signature.slots]} "
            f"and, keyword-only, {[*known]}"
        )
    return tuple(values), keywords

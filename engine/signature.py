"""Signature: the names of an op's parameters, which are the names its rules may ask for.

A call of an op has one slot for each value that a rule can name, in this order:

    arguments ...   out   residuals ...   shapes of the arguments ...   metadata ...

This file is the only one that knows the order: `slots` gives the position of each name, `fill` the values of one call,
`owners` the node that each value belongs to.

Read next: `engine/plan.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np


class Names(NamedTuple):
    """The parameters of a function by kind, read from its code: `inspect.signature` would double the import time.

    Fields:
        positional: the positional parameters.
        optional: those of them whose default is None.
        keywords: the keyword-only parameters.
        variable: the name of `*arrays`, or None.
    """

    positional: tuple[str, ...]
    optional: frozenset[str]
    keywords: tuple[str, ...]
    variable: str | None

    @classmethod
    def of(cls, function: Any) -> Names:
        """The parameters of a Python function, or of the one it wraps (`functools.wraps`).

        TypeError for any other callable: a rule is a def or a lambda.
        """
        function = inspect.unwrap(function)
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

    Fields:
        op: the op's name, for messages.
        arguments: the names of the array arguments; of an op with `*arrays`, that one name.
        optional: the array arguments that may be left out (their default is None).
        variadic: whether the op takes `*arrays`.
        arity: the number of array arguments, -1 for `*arrays`.
        metadata: the names of the keyword-only arguments.
        defaults: the default values of the metadata that has one.
        keep_arguments: whether a node keeps all arguments, because the reference of a fused op is run on them again.
        slots: the position of each name that a rule can ask for.
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
        shapes = tuple(f"{name}_shape" for name in self.arguments)
        slots = (*self.arguments, "out", *residuals, *shapes, *self.metadata)
        self.slots = {name: slot for slot, name in enumerate(slots)}

    def name_of(self, position: int) -> str:
        """The name of an argument, for messages."""
        return f"{self.arguments[0]}[{position}]" if self.variadic else self.arguments[position]

    def fill(
        self, arrays: Sequence[Any], out: Any, residuals: Sequence[Any], metadata: dict[str, Any]
    ) -> tuple[Any, ...]:
        """The values of one call, in the order of the slots."""
        shapes = [np.shape(array) for array in arrays]
        given = [metadata[name] for name in self.metadata]
        if self.variadic:
            return (tuple(arrays), out, *residuals, tuple(shapes), *given)
        return (*arrays, out, *residuals, *shapes, *given)

    def owners(self, parents: Sequence[Any], node: Any) -> tuple[Any, ...]:
        """The node that each slot's value belongs to: a parent for an argument, the node for `out`, else None."""
        arguments = (tuple(parents),) if self.variadic else tuple(parents)
        return (*arguments, node, *[None] * (len(self.slots) - len(arguments) - 1))

    def bind(self, args: tuple[Any, ...], metadata: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Complete a call: array arguments given by keyword, metadata given by position, defaults.

        Raises TypeError for an argument that is missing, given twice, or unknown.
        """
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

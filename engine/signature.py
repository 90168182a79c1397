"""Signature: the names of an op's parameters, which are the names its rules may ask for.

Read next: `engine/plan.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


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
        shapes = tuple(f"{name}_shape" for name in self.arguments)
        slots = (*self.arguments, "out", *residuals, *shapes, *self.metadata)
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

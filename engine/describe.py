"""The text that a primitive prints: its signature, its formula, and its rules.

A rule is shown by the first line of its docstring, its formula; a lambda without one as written in the source. In a
joint rule the docstring has a line for each argument, "argument: formula", after one that names what they share.

>>> import engine
>>> engine.multiply
multiply(x, y)
    Elementwise product; d(xy) = y dx + x dy.
    vjp  x  g * y
         y  g * x
    jvp  linear in each argument

Read next: `engine/transforms.py`, derivatives of functions.
"""

from __future__ import annotations

import inspect
import linecache
from typing import Any

from engine.op import Op
from engine.plan import LINEAR, Joint

_NO_FORMULA = "a rule without a formula"


def describe(primitive: Op) -> str:
    """Several lines: how to call the op, what it computes, how it is differentiated."""
    lines = [f"{primitive.name}{_plain(inspect.signature(primitive.forward))}"]
    lines += [f"    {formula(primitive)}"] if formula(primitive) else []
    for kind, given in (("vjp", primitive.vjp), ("jvp", primitive.jvp)):
        rows = _rows(primitive.signature.arguments, given)
        lines += [f"    {kind if k == 0 else '   '}  {row}" for k, row in enumerate(rows)]
    if primitive.reference is not None:
        lines.append("    recorded sweeps differentiate its reference, composed of small ops")
    return "\n".join(lines)


def formula(primitive: Op) -> str:
    """What the op computes, in one line; empty where its function has no docstring."""
    return (primitive.__doc__ or "").strip().partition("\n")[0]


def rule_text(primitive: Op, argument: int) -> str:
    """The vjp rule of one argument, as a formula."""
    if isinstance(primitive.vjp, Joint):
        names = primitive.signature.arguments
        return _joint_text(primitive.vjp.rule, "" if primitive.signature.variadic else names[argument])
    return _text(primitive.vjp[0 if primitive.signature.variadic else argument])


def _rows(arguments: tuple[str, ...], given: Any) -> list[str]:
    if given is None:
        return ["none: no forward mode"]
    if given is LINEAR:
        return ["linear in each argument"]
    if isinstance(given, Joint):
        return ["all arguments at once", *(f"  {line.strip()}" for line in _lines(given.rule) if line)]
    width = max(map(len, arguments))
    return [f"{name:{width}}  {_text(rule)}" for name, rule in zip(arguments, given, strict=False)]


def _plain(signature: Any) -> str:
    """The signature without annotations."""
    parameters = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=parameters, return_annotation=signature.empty))


def _joint_text(rule: Any, argument: str) -> str:
    """What a joint rule's docstring says of one argument, after what it says of all; else its first line."""
    lines = [line.strip() for line in _lines(rule)]
    formula = next((line.partition(": ")[2] for line in lines if argument and line.startswith(f"{argument}: ")), "")
    return f"{formula}; {lines[0][0].lower()}{lines[0][1:]}" if formula else _text(rule)


def _lines(rule: Any) -> list[str]:
    """The lines of a joint rule's docstring."""
    return [line for line in (rule.__doc__ or "").splitlines() if line.strip()]


def _text(rule: Any) -> str:
    """The formula of a rule: its docstring's first line, else the body of a lambda or the name of a function."""
    if rule is None:
        return "no derivative"
    if rule is LINEAR:
        return "linear"
    name = getattr(rule, "__name__", repr(rule))
    if rule.__doc__:
        return str(rule.__doc__).strip().splitlines()[0]
    if name.startswith("_"):
        return _NO_FORMULA
    return _lambda_body(rule.__code__) if name == "<lambda>" else f"{name}(...)"


def _lambda_body(code: Any) -> str:
    """The source between the first and the last position that the compiled body remembers."""
    places = [p for p in code.co_positions() if (None not in p and p[0] != p[1]) or (None not in p and p[2] != p[3])]
    if not places:
        return "lambda"
    (first, left), (last, right) = min((p[0], p[2]) for p in places), max((p[1], p[3]) for p in places)
    lines = [linecache.getline(code.co_filename, number) for number in range(first, last + 1)]
    if not all(lines):
        return "lambda"
    encoded = [line.encode() for line in lines]  # positions count bytes
    encoded[-1] = encoded[-1][:right]
    encoded[0] = encoded[0][left:]
    return " ".join(part.decode().strip() for part in encoded)

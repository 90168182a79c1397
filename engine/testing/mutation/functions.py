"""The functions that compute derivatives: rules, references, the helpers that these call, and functions of the sweeps.

A `Subject` is one function object with its syntax tree and the ops that run it. Functions are found by walking from the
rules of every op along the global names that their code loads. The walk does not enter other ops, whose rules are
subjects themselves, nor functions outside `engine.ops`.

The invariant: a subject's tree is parsed from the text that the function was compiled from.

Read next: `engine/testing/mutation/changes.py`.
"""

from __future__ import annotations

import ast
import dis
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

from engine import rules, sweeps, zero_cotangent
from engine.plan import LINEAR, Joint
from engine.primitive import Primitive

Tree = ast.FunctionDef | ast.Lambda

SWEEP_FUNCTIONS: tuple[Any, ...] = (sweeps.reverse_sweep, rules.fit, zero_cotangent.Alarm.mended, rules._as_tensors)
# These ops together take every branch of the sweep functions.
SWEEP_OPS = ("multiply", "sigmoid", "clip", "concat", "astype", "layer_norm")


@dataclass
class Subject:
    """One function.

    Fields:
        name: "multiply.vjp(y)" for a lambda, "powers._pow_base" for a function with a name.
        function, tree: the function object and its syntax tree.
        ops: names of the ops whose derivatives it computes.
        shared: whether it is not only part of rules but also of a forward pass, so that a change may change what an op
            computes, or of the sweeps.
    """

    name: str
    function: FunctionType
    tree: Tree
    ops: list[str] = field(default_factory=list)
    shared: bool = False


def subjects(ops: Sequence[Primitive]) -> list[Subject]:
    """All functions that the rules of these ops run, and the functions of the sweeps, each once."""
    found: dict[Any, Subject] = {}

    def visit(function: Any, name: str, op: str) -> None:
        if function not in found:
            found[function] = Subject(name, function, tree_of(function))
        if op not in found[function].ops:
            found[function].ops.append(op)

    forward = {helper for op in ops for helper in helpers(inspect.unwrap(op.forward))}
    for op in ops:
        for name, root in roots(op):
            visit(root, name, op.name)
            for helper in helpers(root):
                visit(helper, _qualified(helper), op.name)
    for function in SWEEP_FUNCTIONS:
        for op_name in SWEEP_OPS:
            visit(function, _qualified(function), op_name)
    for subject in found.values():
        subject.shared = subject.function in forward or subject.function in SWEEP_FUNCTIONS
    return list(found.values())


def roots(op: Primitive) -> Iterator[tuple[str, Any]]:
    """The rules of an op and its reference as they are written, with names for them; not a kernel around a rule."""
    given: Any
    for way, given in (("vjp", op.vjp), ("jvp", op.jvp)):
        rules = [given.rule] if isinstance(given, Joint) else () if given is None or given is LINEAR else given
        for rule, argument in zip(rules, op.signature.arguments, strict=False):
            if rule is not None and rule is not LINEAR:
                rule = inspect.unwrap(rule)
                named = rule.__name__ != "<lambda>"
                yield _qualified(rule) if named else f"{op.name}.{way}({argument})", rule
    if op.reference is not None:
        yield _qualified(op.reference), op.reference


def helpers(function: Any) -> set[Any]:
    """The plain functions of `engine.ops` that a function calls, directly or not, without itself."""
    found: set[Any] = set()
    stack = [function]
    while stack:
        caller = stack.pop()
        for name in _globals_loaded(caller.__code__):
            value = caller.__globals__.get(name)
            if inspect.isfunction(value) and value.__module__.startswith("engine.ops") and value not in found:
                found.add(value)
                stack.append(value)
    return found - {function}


def _globals_loaded(code: CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname == "LOAD_GLOBAL":
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals_loaded(constant)


def _qualified(function: Any) -> str:
    return f"{function.__module__.rpartition('.')[2]}.{function.__name__}"


# ---- from functions to their syntax, and back ------------------------------------------------------------------------


def tree_of(function: FunctionType) -> Tree:
    """The syntax tree of a function; LookupError if the source is no longer what was imported."""
    module = inspect.getmodule(function)
    assert module is not None
    code = function.__code__
    if code.co_name == "<lambda>":
        fitting: list[Tree] = [node for node in _trees(module) if isinstance(node, ast.Lambda) and _holds(node, code)]
    else:
        place = (code.co_name, code.co_firstlineno)
        fitting = [n for n in _trees(module) if isinstance(n, ast.FunctionDef) and (n.name, n.lineno) == place]
    if not fitting:
        raise LookupError(f"{_qualified(function)}: its source has changed since it was imported")
    return fitting[-1]  # the innermost of nested lambdas


@cache
def _trees(module: ModuleType) -> list[Tree]:
    return [node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, Tree)]


def _holds(node: ast.Lambda, code: CodeType) -> bool:
    """Whether all of the code comes from the body of this lambda; a line can contain several lambdas."""
    body = node.body
    first, last = (body.lineno, body.col_offset), (body.end_lineno or 0, body.end_col_offset or 0)
    spans = [span for span in code.co_positions() if span[3]]  # the first and last instructions have no columns
    return all(first <= (line or 0, column or 0) and (end or 0, stop or 0) <= last for line, end, column, stop in spans)


def code_of(tree: Tree) -> CodeType:
    """The code of a function with this tree."""
    whole, mode, name = (
        (ast.Expression(tree), "eval", "<lambda>")
        if isinstance(tree, ast.Lambda)
        else (ast.Module([tree], []), "exec", tree.name)
    )
    code = compile(whole, "<mutant>", mode, flags=annotations.compiler_flag, dont_inherit=True)
    return next(c for c in code.co_consts if isinstance(c, CodeType) and c.co_name == name)

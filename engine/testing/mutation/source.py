"""Source-level mutants: one small change in the text of a rule, of a reference, or of a helper that they call.

The idea: walk the syntax tree of the function, replace one node, compile the tree, and give the function the new code.
`changes.py` lists the replacements of a node.

A mutant is named by the statement it is in, with the change marked, so edits elsewhere do not change its name:

    relu.vjp(x): lambda g, out: g * (⟦out > 0 → out >= 0⟧)

Error handling is not changed: messages, `raise`, and the condition of an `if` that only raises.

Read next: `engine/testing/mutation/trial.py`.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from types import CodeType
from typing import Any, NamedTuple

from engine.primitive import Primitive
from engine.testing.mutation.changes import changes
from engine.testing.mutation.functions import Subject, code_of, subjects
from engine.testing.mutation.mutant import Mutant, code_replaced


class Place(NamedTuple):
    """A node of a syntax tree, the field of the parent that holds it (and at which number), and its statement."""

    node: ast.AST
    parent: ast.AST
    field: str
    number: int | None
    statement: ast.AST

    def put(self, node: ast.AST) -> None:
        """Put another node in this place."""
        if self.number is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.number] = node


def source_mutants(ops: Sequence[Primitive]) -> Iterator[Mutant]:
    """A mutant for every change in every function that the rules of these ops run."""
    for subject in subjects(ops):
        seen: Counter[str] = Counter()
        for place in places(subject.tree):
            for kind, node in changes(place.node, place.parent):
                if _text(node) == _text(place.node):  # such as the arguments of f(x, x), exchanged
                    continue
                text = f"{subject.name}: {described(place, node)}"
                seen[text] += 1
                if seen[text] > 1:
                    text += f" ({seen[text]})"
                plant = partial(code_replaced, subject.function, partial(_code_with, subject, place, node))
                yield Mutant(text, kind, tuple(subject.ops), plant, subject.shared)


def places(tree: ast.AST, statement: ast.AST | None = None) -> Iterator[Place]:
    """Every place where a node may be changed, outer ones first."""
    statement = statement or tree
    for field, value in ast.iter_fields(tree):
        if field in ("args", "decorator_list", "returns", "annotation", "type_comment") and not isinstance(
            tree, ast.Call
        ):
            continue
        several = isinstance(value, list)
        for index, node in enumerate(value if several else [value]):
            if not isinstance(node, ast.AST) or _is_left_alone(node) or _is_condition_of_raise(tree, field):
                continue
            inner = node if isinstance(node, ast.stmt) else statement
            yield Place(node, tree, field, index if several else None, inner)
            yield from places(node, inner)


def _is_left_alone(node: ast.AST) -> bool:
    """Whether it is error handling, documentation, or a test of a type."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "isinstance"
    return isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr | ast.ExceptHandler)


def _is_condition_of_raise(tree: ast.AST, field: str) -> bool:
    return isinstance(tree, ast.If) and field == "test" and isinstance(tree.body[0], ast.Raise)


def described(place: Place, node: ast.AST) -> str:
    """The statement that contains a place, with the change marked."""
    mark = f"⟦{_text(place.node)} → {_text(node)}⟧"
    if place.node is place.statement:
        return mark
    place.put(ast.Name(mark))
    try:
        return _text(place.statement)
    finally:
        place.put(place.node)


def _text(node: ast.AST) -> str:
    """The source of an expression or of a simple statement, or the first line of a compound statement."""
    if isinstance(node, ast.If | ast.For | ast.While | ast.With | ast.Try | ast.FunctionDef):
        node = copy.copy(node)
        node.body = [ast.Pass()]
    return ast.unparse(node).partition("\n")[0]


def _code_with(subject: Subject, place: Place, node: Any) -> CodeType:
    """The code of the function with another node at one place."""
    place.put(ast.copy_location(node, place.node))
    try:
        return code_of(ast.fix_missing_locations(subject.tree))
    finally:
        place.put(place.node)

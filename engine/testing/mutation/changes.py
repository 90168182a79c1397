"""The changes that source-level mutants make: for each kind of syntax node, small mistakes that still compile.

    arithmetic    + for -, * for /, // for %, & for |, += for -=     constant    n + 1 for n
    comparison    < for <= and for >, == for !=, is for is not       axis        n + 1 for an axis n
    forgotten     an operand, a call, a minus, a statement           boolean     False for True
    exchanged     arguments of a call, branches of an if expression  keepdims    False for keepdims=True
    negated       the condition of an if or a while

Read next: `engine/testing/mutation/source.py`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

Changed = Iterator[tuple[str, ast.AST]]

_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.MatMult: ast.Mult,
    ast.Pow: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.FloorDiv: ast.Mod,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}

# Calls that only ensure a type, and do not change most values.
_CONVERSIONS = {"as_operand", "asarray", "float", "int", "tuple", "list", "isinstance", "len", "astype", "tolist"}

# Calls whose arguments can be exchanged.
_COMMUTATIVE = {"add", "multiply", "hypot", "maximum", "minimum", "max", "min", "swapaxes", "broadcast_shapes"}


def changes(node: ast.AST, parent: ast.AST) -> Changed:
    """Pairs of a kind and the node that replaces this one."""
    match node:
        case ast.BinOp(left, op, right):
            if type(op) in _OPERATORS:
                yield "arithmetic", ast.BinOp(left, _OPERATORS[type(op)](), right)
            yield "forgotten", left
            yield "forgotten", right
        case ast.BoolOp(op, values):
            yield "arithmetic", ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.AugAssign(target, op, value):
            if type(op) in _OPERATORS:
                yield "arithmetic", ast.AugAssign(target, _OPERATORS[type(op)](), value)
            yield "forgotten", ast.Pass()
        case ast.UnaryOp(ast.USub() | ast.Not(), operand):
            yield "forgotten", operand
        case ast.Compare(left, [op], comparators):
            for other in _COMPARISONS.get(type(op), ()):
                yield "comparison", ast.Compare(left, [other()], comparators)
        case ast.Constant():
            yield from _constant_changes(node, parent)
        case ast.Call():
            yield from _call_changes(node)
        case ast.IfExp(test, body, orelse):
            yield "exchanged", ast.IfExp(test, orelse, body)
        case ast.If(test, body, orelse) | ast.While(test, body, orelse) if not isinstance(body[0], ast.Raise):
            yield "negated", type(node)(ast.UnaryOp(ast.Not(), test), body, orelse)


def _constant_changes(node: ast.Constant, parent: ast.AST) -> Changed:
    name = parent.arg if isinstance(parent, ast.keyword) else None
    if name == "strict":  # of zip: only an assertion
        return
    if isinstance(node.value, bool):
        yield "keepdims" if name == "keepdims" else "boolean", ast.Constant(not node.value)
    elif isinstance(node.value, int | float):
        yield "axis" if name in ("axis", "axis1", "axis2", "axes") else "constant", ast.Constant(node.value + 1)


def _call_changes(node: ast.Call) -> Changed:
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
    if len(node.args) >= 2 and called not in _CONVERSIONS | _COMMUTATIVE:
        *before, one, other = node.args
        yield "exchanged", ast.Call(node.func, [*before, other, one], node.keywords)
    if node.args and called not in _CONVERSIONS and not isinstance(node.args[0], ast.Starred):
        yield "forgotten", node.args[0]
    for k, keyword in enumerate(node.keywords):
        if keyword.arg == "axis" and not isinstance(keyword.value, ast.Constant | ast.UnaryOp):
            shifted = ast.keyword("axis", ast.BinOp(keyword.value, ast.Sub(), ast.Constant(1)))
            yield "axis", ast.Call(node.func, node.args, [*node.keywords[:k], shifted, *node.keywords[k + 1 :]])

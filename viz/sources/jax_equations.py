"""Equations of a jaxpr: what is read off them, in the one file that knows how JAX keeps it.

JAX traces a function to a *jaxpr*, a list of equations `outputs = primitive[parameters] inputs`. A parameter may hold a
jaxpr itself: the body of a `jit`, of a loop, of a branch.

Read next: `viz/sources/derivative.py`, the derivative of one small op.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from copy import copy
from itertools import takewhile
from pathlib import Path
from typing import Any

from jax.extend import core, source_info_util

from viz.data import Line
from viz.sources.lines import line_at

_FRAME = re.compile(r"(.+?):(\d+)(?::\d+)? \(")
_MOST_FRAMES = 200
_HERE = Path(__file__).parent
_INSTALLED = {"site-packages", "dist-packages"}
_CALLS = {"jit", "pjit", "closed_call", "remat2"}  # pjit up to JAX 0.6; remat2 is jax.checkpoint
_RULED = {"custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"}  # the last up to JAX 0.6
_VIEWS = {"reshape", "transpose", "squeeze", "copy"}
_USUAL = {"mul": "multiply", "div": "divide", "sub": "subtract", "neg": "negative", "add_any": "add"}


def body(equation: Any) -> Any | None:
    """The closed jaxpr of a call that only groups equations, such as `jit` and `checkpoint`; None for any other."""
    if equation.primitive.name not in _CALLS:
        return None
    inner = equation.params.get("jaxpr", equation.params.get("call_jaxpr"))
    return inner if hasattr(inner, "consts") else core.ClosedJaxpr(inner, ())


def op(equation: Any) -> str:
    """The name of an equation's primitive; for a function with a rule of its own, that function's name."""
    if equation.primitive.name not in _RULED:
        name = str(equation.primitive.name)
        return _USUAL.get(name, name)
    ruled = equation.params.get("call_jaxpr") or equation.params["fun_jaxpr"]
    return str(ruled.jaxpr.debug_info.func_name)


def is_view(equation: Any) -> bool:
    """Whether the output holds just the elements of the input, in another shape or order."""
    name = equation.primitive.name
    if name == "convert_element_type":
        return bool(equation.invars[0].aval.dtype == equation.outvars[0].aval.dtype)
    if name == "broadcast_in_dim":
        return bool(equation.invars[0].aval.size == equation.outvars[0].aval.size)
    return name in _VIEWS


def is_embedding(equation: Any) -> bool:
    """Whether whole rows of a table are read, at positions of a text: the output has the rows along its last axis."""
    if equation.primitive.name != "gather":
        return False
    table, output, how = equation.invars[0].aval, equation.outvars[0].aval, equation.params["dimension_numbers"]
    return (
        table.ndim == 2
        and output.ndim > 1
        and tuple(how.offset_dims) == (output.ndim - 1,)
        and tuple(how.collapsed_slice_dims) == (0,)
        and tuple(equation.params["slice_sizes"]) == (1, table.shape[1])
    )


def function(jaxpr: Any, equation: Any) -> Callable[..., list[Any]]:
    """A function of all inputs of an equation of this jaxpr, literals included, that returns a list of its outputs.

    It runs a jaxpr of one equation with variables of its own, because one variable may be several of its inputs.
    """
    inputs, outputs = list(equation.invars), [*map(copy, equation.outvars)]
    places = [place for place, variable in enumerate(inputs) if not isinstance(variable, core.Literal)]
    for place in places:
        inputs[place] = copy(inputs[place])
    variables = [inputs[place] for place in places]
    same = equation.replace(invars=inputs, outvars=outputs)
    alone = jaxpr.replace(constvars=[], invars=variables, outvars=outputs, eqns=[same], effects=equation.effects)
    run = core.jaxpr_as_fun(core.ClosedJaxpr(alone, ()))
    return lambda *arrays: run(*(arrays[place] for place in places))


def scope(equation: Any) -> tuple[str, ...]:
    """The names of `jax.named_scope` around it.

    The marks that vmap, jvp and transpose leave there are no scopes, and neither is the formula that einsum leaves.
    """
    parts = equation.source_info.name_stack.stack
    return tuple(part.name for part in parts if type(part).__name__ == "Scope" and "->" not in part.name)


def line(equations: Sequence[Any]) -> Line | None:
    """The line of the user's source that made the last of these, each of which stands in the body of the one before.

    A function of JAX's own may be traced once and used by several lines; then its equations have no line, and that of
    the call counts. Lines of installed packages count only where no other line leads to them.
    """
    for equation in reversed(equations):
        told = source_info_util.summarize(equation.source_info, num_frames=_MOST_FRAMES).splitlines()
        found = [(match[1], int(match[2])) for match in map(_FRAME.match, reversed(told)) if match]
        inside = [*takewhile(lambda frame: Path(frame[0]).parent != _HERE, found)]  # the function, not its caller
        if inside:
            own = (frame for frame in inside if not _INSTALLED & set(Path(frame[0]).parts))
            file, number = next(own, inside[0])
            return line_at(file, number)
    return None

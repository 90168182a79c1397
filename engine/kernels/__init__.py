"""kernels: second implementations of the heaviest ops, compiled by Numba, which `pip install "blameflow[fast]"` brings.

    engine.kernels.active()         "numba" if it is installed, else "numpy"
    engine.kernels.use("numpy")     go back to the ops as they are written

An op in `engine/ops/` says in NumPy what it computes, pass by pass over its arrays. A kernel computes the same in one
pass, on all cores. It takes large float32 arrays; the op's own functions serve all other calls. Both save the same
values for the backward pass, so either can finish what the other began, and a recorded sweep runs the op's reference,
as ever. The laws of `engine.testing` hold for both.

A kernel raises no alarm of NumPy's, by which a sweep finds out that a value which was not used is infinite or nan (see
`engine/zero_cotangent.py`). So each kernel itself sends zero where the cotangent is zero, or leaves such a call to the
op.

Numba is imported when the first large array comes. A kernel is compiled when it is first called, which takes about a
second, and kept on disk.

Read next: `engine/kernels/taken.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache, wraps
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, NamedTuple

from engine import ops
from engine.kernels.taken import is_large
from engine.plan import Joint, Rule
from engine.primitive import Primitive
from engine.threads import kernels_serve

NUMPY, NUMBA = "numpy", "numba"

SERVED = (ops.gelu, ops.layer_norm, ops.matmul, ops.scaled_dot_product_attention)
_FORWARD_ONLY = (ops.matmul,)  # its rules call matmul


class _Implementation(NamedTuple):
    """How an op computes: its function, and its vjp rules."""

    forward: Callable[..., Any]
    vjp: Any


_plain: dict[Primitive, _Implementation] = {}  # of the ops that kernels serve now


def active() -> str:
    """What serves the heaviest ops: "numpy" or "numba"."""
    return NUMBA if _plain else NUMPY


def use(name: str) -> None:
    """Let kernels ("numba") or NumPy alone ("numpy") serve from now on, in the whole process.

    What is recorded already is swept by the rules that recorded it. Raises ValueError for another name, and ImportError
    if Numba is not installed or does not work.
    """
    if name not in (NUMPY, NUMBA):
        raise ValueError(f'kernels.use: there are "numpy" and "numba", not {name!r}')
    if name == NUMBA:
        _table()
    if name != active():
        _serve() if name == NUMBA else _go_back()


def update(name: str, value: Any, *arrays: Any, **settings: Any) -> bool:
    """Let a kernel make a step of an optimizer ("adam") in place; whether one did.

    Args:
        value: the parameter's value.
        arrays, settings: as the kernel wants them, see `engine/kernels/adam.py`.
    """
    table = _table_if_it_works() if _plain and is_large(value) else None
    return table is not None and table.UPDATES[name](value, *arrays, **settings)


def _serve() -> None:
    for op in SERVED:
        own = _plain[op] = _Implementation(op.forward, op.vjp)
        forward = _or(op, "forward", own.forward)
        if op in _FORWARD_ONLY:
            op.implement(forward, own.vjp)
        elif isinstance(own.vjp, Joint):
            op.implement(forward, Joint(_or(op, "backward", own.vjp.rule)))
        else:
            op.implement(forward, tuple(rule and _or(op, "backward", rule) for rule in own.vjp))
    kernels_serve(True)


def _go_back() -> None:
    for op, own in _plain.items():
        op.implement(*own)
    _plain.clear()
    kernels_serve(False)


def _or(op: Primitive, which: str, own: Rule) -> Rule:
    """The kernel, where it takes the arrays of a call, and else the op's own function, whose parameters it has."""

    @wraps(own)
    def either(*arrays: Any, **metadata: Any) -> Any:
        if is_large(arrays[0]):
            table = _table_if_it_works()
            kernels = None if table is None else table.KERNELS.get(op.name)
            kernel = getattr(kernels, which, None)
            result = None if kernel is None else kernel(*arrays, **metadata)
            if result is not None:
                return result
        return own(*arrays, **metadata)

    return either


@cache
def _table() -> ModuleType:
    """The file with all kernels; ImportError if Numba is not installed or does not work."""
    try:
        return import_module("engine.kernels.table")
    except ImportError as error:
        if find_spec(NUMBA) is None:
            what = 'Numba is not installed: pip install "blameflow[fast]"'
        else:
            what = f"Numba cannot be imported: {error}"
        raise ImportError(f"kernels.use: {what}", name="numba") from None


def _table_if_it_works() -> ModuleType | None:
    """The same; if Numba turns out not to work, a warning, and NumPy serves from now on."""
    try:
        return _table()
    except ImportError as error:
        _go_back()
        warnings.warn(f"{error}; NumPy serves instead", stacklevel=2)
        return None


if find_spec(NUMBA) is not None:
    _serve()

"""kernels: second implementations of the heaviest ops, compiled by Numba.

    import engine
    engine.kernels.use("numba")

An op in `engine/ops/` says in NumPy what it computes, pass by pass over its arrays. A kernel computes the same in one
pass. It takes float32 arrays that are contiguous and not empty; the op's own functions serve all other calls. Both save
the same values for the backward pass, so either can finish what the other began, and a recorded sweep runs the op's
reference, as ever. The laws of `engine.testing` hold for both.

Numba comes with `pip install "blameflow[fast]"`. Kernels are compiled when they are first called, which takes about a
second each, and kept on disk.

Read next: `engine/kernels/compiled.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from engine.plan import Joint, Rule
from engine.primitive import Primitive, registry

NUMPY, NUMBA = "numpy", "numba"


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
    if Numba is not installed.
    """
    if name not in (NUMPY, NUMBA):
        raise ValueError(f'kernels.use: there are "numpy" and "numba", not {name!r}')
    if name == active():
        return
    if name == NUMPY:
        for op, own in _plain.items():
            op.implement(*own)
        _plain.clear()
        return
    for op_name, kernels in _compiled().KERNELS.items():
        op = registry[op_name]
        _plain[op] = own = _Implementation(op.forward, op.vjp)
        forward = _or(kernels.forward, own.forward)
        if isinstance(own.vjp, Joint):
            op.implement(forward, Joint(_or(kernels.rule, own.vjp.rule)))
        else:
            op.implement(forward, tuple(rule and _or(kernels.rule, rule) for rule in own.vjp))


def _compiled() -> ModuleType:
    try:
        return import_module("engine.kernels.compiled")
    except ModuleNotFoundError as error:
        if error.name != "numba":
            raise
        raise ImportError('kernels.use: Numba is not installed: pip install "blameflow[fast]"', name="numba") from None


def _or(kernel: Callable[..., Any], own: Rule) -> Rule:
    """The kernel, where it takes the arrays of a call, and else the op's own function, whose parameters it has."""

    @wraps(own)
    def either(*arrays: Any, **metadata: Any) -> Any:
        if all(map(_is_taken, arrays)):
            result = kernel(*arrays, **metadata)
            if result is not None:
                return result
        return own(*arrays, **metadata)

    return either


def _is_taken(array: Any) -> bool:
    return array is None or (
        isinstance(array, np.ndarray)
        and array.dtype == np.float32
        and array.flags.c_contiguous
        and array.size > 0
        and array.ndim > 0
    )

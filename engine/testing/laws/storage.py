"""The laws of memory: layout, dtype, writing into arrays, and arrays that outlive a sweep.

Read next: `engine/testing/layouts.py`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.graph import between
from engine.recording import changed
from engine.sweeps import forward_sweep, reverse_sweep
from engine.tensor import wrap
from engine.testing.claims import Case, pull_back, push_forward, value_for
from engine.testing.layouts import LAYOUTS, read_only
from engine.testing.report import GradientError

TRIED = 4  # layouts at each point
FLOAT32_ERROR = 1e-5  # tolerance between float32 and float64, relative to the largest value


def any_layout(case: Case) -> None:
    """Law: layouts. Arguments, cotangent and tangents, all read-only, in each of a few layouts drawn at random."""
    for k in case.rng.permutation(len(LAYOUTS))[:TRIED]:
        _one_layout(case, LAYOUTS[k])


def _one_layout(case: Case, lay_out: Callable[[Array], Array]) -> None:
    def laid_out(values: Any) -> list[Any]:
        return [read_only(lay_out(a)) if isinstance(a, np.ndarray) else a for a in values]

    arrays, inputs = laid_out(case.arrays), case.inputs()
    passed = [wrap(arrays[k], x.node) if k in case.moving else arrays[k] for k, x in enumerate(inputs)]
    out = case.function(*passed)
    case.same("layouts", "the value", out, case.out)
    if out.node is None:
        return
    found = reverse_sweep(out.node, read_only(lay_out(case.g)))
    for k in case.moving:
        case.same("layouts", k, value_for(found, inputs[k]), case.gradients[k])
    if case.primitive.jvp is not None:
        tangents = dict(enumerate(laid_out(case.tangents)))
        pushed = push_forward(case.function, passed, {k: tangents[k] for k in case.moving})
        case.same("layouts", "the tangent", pushed, case.push())


def mixed_dtypes(case: Case) -> None:
    """Law: mixed dtypes. One argument of a broadcasting op, or of a cast, in float32; the others and g in float64."""
    casts = any(isinstance(value, np.dtype) for value in case.metadata.values())
    if not case.moving or not (case.primitive.broadcasts or casts):
        return
    one = case.moving[case.rng.integers(len(case.moving))]
    arrays = [_single(a) if k == one else a for k, a in enumerate(case.arrays)]
    for k, found in pull_back(case.function, arrays, case.moving, case.g).items():
        if found.dtype != arrays[k].dtype:
            raise GradientError(
                f"{case.primitive.name}: {case.names[k]} is {arrays[k].dtype}, its gradient {found.dtype}",
                "mixed dtypes",
            )
        wide = case.gradients[k]
        case.judge.equal("mixed dtypes", case.names[k], found, wide, FLOAT32_ERROR * (1 + np.abs(wide).max(initial=0)))


def nothing_is_written_or_left(case: Case) -> None:
    """Law: kept. Arguments and results keep their values, and reference counting frees all arrays after the sweep."""
    before = [a.copy() if isinstance(a, np.ndarray) else a for a in case.arrays]
    inputs, g = case.inputs(), case.g.copy()
    out = case.function(*inputs)
    kept = np.array(out.array)
    if out.node is not None:
        reverse_sweep(out.node, g, retain_graph=True)
        case.judge.equal("kept", "the cotangent", g, case.g, 0.0)
        reverse_sweep(out.node, g)
    case.judge.equal("kept", "the result", out, kept, 0.0)
    for name, array, x, copy in zip(case.names, case.arrays, inputs, before, strict=True):
        if isinstance(array, np.ndarray):
            case.judge.equal("kept", name, array, copy, 0.0)
            case.judge.equal("kept", name, x, copy, 0.0)
    if case.primitive.jvp is not None and case.moving:
        _nothing_is_written_or_left_by_a_push(case)
    watched = {"its result": weakref.ref(out.array), "the cotangent": weakref.ref(g)}
    watched |= {case.names[k]: weakref.ref(inputs[k].array) for k in case.moving}
    del out, g, inputs, x
    _all_freed(case, watched)


def _nothing_is_written_or_left_by_a_push(case: Case) -> None:
    expected = case.push()  # before the sweeps below, so that arrays kept by a rule's last call are the watched ones
    inputs, tangents = case.inputs(), {k: case.tangents[k].copy() for k in case.moving}
    with changed(forward=True):
        out = case.function(*inputs)
    if out.node is None:
        return
    kept, directions = np.array(out.array), {inputs[k].node: t for k, t in tangents.items()}
    for _ in range(2):  # a value that a rule has written into changes the second sweep
        found = forward_sweep(between(out.node, directions), dict(directions))
        case.same("kept", "the tangent", value_for(found, out), expected)
    case.judge.equal("kept", "the result", out, kept, 0.0)
    watched = {"its result": weakref.ref(out.array)}
    for k, t in tangents.items():
        case.judge.equal("kept", case.names[k], inputs[k], case.arrays[k], 0.0)
        case.judge.equal("kept", f"the tangent of {case.names[k]}", t, case.tangents[k], 0.0)
        watched[case.names[k]] = weakref.ref(inputs[k].array)
        watched[f"the tangent of {case.names[k]}"] = weakref.ref(t)
    del out, inputs, tangents, directions, found, t
    _all_freed(case, watched)


def _all_freed(case: Case, watched: dict[str, Any]) -> None:
    for what, alive in watched.items():
        if alive() is not None:
            raise GradientError(
                f"{case.primitive.name}: {what} outlives the sweep; something still refers to it", "kept"
            )


def _single(a: Any) -> Any:
    return a.astype(np.float32) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a

"""The mistakes one can make in any rule, whatever the op.

A mistake is a small function that sees the right rule as `run(g, values, metadata)` and returns what the wrong one
would. Many are right in something: a rule that is wrong on tensors has every first derivative right, one that writes
into g has the right value. Each of these needs a law of its own to be found.

What the sweep makes good on purpose is no mistake: the dtype of a jvp rule, or of an op that broadcasts, is cast.
The rules of a fused op never see a tensor, so they cannot be wrong there.

Read next: `engine/testing/mutation/generic.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from engine import ops
from engine.operands import as_operand
from engine.tensor import Tensor
from engine.testing.mutation.sites import Change, Metadata, Run, Site, Values


class Mistake(NamedTuple):
    """What it does, and at which sites it can be made."""

    change: Change
    possible: Callable[[Site], bool]


MISTAKES: dict[str, Mistake] = {}


def mistake(kind: str, possible: Callable[[Site], bool] = lambda site: True) -> Callable[[Change], Change]:
    """Decorator: a kind of mistake by its name."""

    def enter(change: Change) -> Change:
        MISTAKES[kind] = Mistake(change, possible)
        return change

    return enter


def sees_tensors(site: Site) -> bool:
    """Whether recorded sweeps run the rule itself."""
    return site.op.reference is None


def reads_values(site: Site) -> bool:
    """Whether the rule reads an array beside the cotangent."""
    return any(not name.endswith("_shape") for name in site.names.positional[1:])


def reads_axes(site: Site) -> bool:
    """Whether the rule is told an axis, and is run for this argument alone."""
    return not _AXES.isdisjoint(site.names.keywords) and not (site.joint and site.way == "jvp")


_AXES = {"axis", "axis1", "axes"}


# ---- of value --------------------------------------------------------------------------------------------------------


@mistake("sign")
def sign(run: Run, g: Any, values: Values, metadata: Metadata) -> Any:
    return -run(g, values, metadata)


@mistake("doubled")
def doubled(run: Run, g: Any, values: Values, metadata: Metadata) -> Any:
    return run(g, values, metadata) * 2


@mistake("a thousandth off")
def a_thousandth_off(run: Run, g: Any, values: Values, metadata: Metadata) -> Any:
    return run(g, values, metadata) * 1.001


@mistake("zero")
def zero(run: Run, g: Any, values: Values, metadata: Metadata) -> Any:
    return run(g, values, metadata) * 0


@mistake("ignores g")
def ignores_g(run: Run, g: Any, values: Values, metadata: Metadata) -> Any:
    return run(g * 0 + 1, values, metadata)


@mistake("clips g")
def clips_g(run: Run, g: Any, values: Values, metadata: Metadata) -> Any:
    return run(ops.clip(g, -1.0, 1.0), values, metadata)


@mistake("forgets g")
def forgets_g(run: Run, g: Any, values: Values, metadata: Metadata) -> Any:
    """As if it had been written for a cotangent that is the same everywhere."""
    return run(g * 0 + ops.mean(g), values, metadata) if as_operand(g).size else run(g, values, metadata)


# ---- of place --------------------------------------------------------------------------------------------------------


@mistake("rolled")
def rolled(run: Run, g: Any, values: Values, metadata: Metadata) -> Any:
    contribution = run(g, values, metadata)
    return ops.roll(contribution, shift=1, axis=-1) if contribution.ndim else contribution


@mistake("summed over the wrong axis", lambda site: site.way == "vjp" and site.op.broadcasts and not site.joint)
def summed_over_the_wrong_axis(run: Run, g: Any, values: Values, metadata: Metadata) -> Any:
    """By the sweep, since the rule sends it the transposed contribution, where the shape cannot tell."""
    contribution = run(g, values, metadata)
    square = contribution.ndim > 1 and contribution.shape[-1] == contribution.shape[-2]
    return ops.swapaxes(contribution, axis1=-1, axis2=-2) if square else contribution


@mistake("wrong axis", reads_axes)
def wrong_axis(run: Run, g: Any, values: Values, metadata: Metadata) -> Any:
    shapes = [value for value in values if isinstance(value, tuple) and all(isinstance(side, int) for side in value)]
    ndim = max([len(shape) for shape in shapes] + [np.ndim(as_operand(a)) for a in (g, *values) if hasattr(a, "ndim")])

    def next_one(axis: Any) -> Any:
        if axis is None or not ndim:
            return 0 if ndim else None
        return tuple(map(next_one, axis)) if isinstance(axis, tuple) else (axis + 1) % ndim

    return run(g, values, {name: next_one(value) if name in _AXES else value for name, value in metadata.items()})


@mistake("wrong position", lambda site: "position" in site.names.keywords)
def wrong_position(run: Run, g: Any, values: Values, metadata: Metadata) -> Any:
    (shapes,) = values
    return run(g, values, {**metadata, "position": (metadata["position"] + 1) % len(shapes)})


# ---- of dtype, layout and size ---------------------------------------------------------------------------------------


@mistake("wrong dtype", lambda site: site.way == "vjp" and not site.op.broadcasts)
def wrong_dtype(run: Run, g: Any, values: Values, metadata: Metadata) -> Any:
    return ops.astype(run(g, values, metadata), dtype=np.dtype(np.float64))


@mistake("wrong in float32")
def wrong_in_float32(run: Run, g: Any, values: Values, metadata: Metadata) -> Any:
    contribution = run(g, values, metadata)
    return contribution * 1.001 if contribution.dtype == np.float32 else contribution


@mistake("wrong on a strided g")
def wrong_on_a_strided_g(run: Run, g: Any, values: Values, metadata: Metadata) -> Any:
    contribution = run(g, values, metadata)
    return contribution if as_operand(g).flags.c_contiguous else contribution * 2


@mistake("wrong on a strided value", reads_values)
def wrong_on_a_strided_value(run: Run, g: Any, values: Values, metadata: Metadata) -> Any:
    contribution = run(g, values, metadata)
    arrays = [array for value in values if isinstance(array := as_operand(value), np.ndarray)]
    return contribution if all(array.flags.c_contiguous for array in arrays) else contribution * 2


@mistake("fails on nothing")
def fails_on_nothing(run: Run, g: Any, values: Values, metadata: Metadata) -> Any:
    contribution = run(g, values, metadata)
    if not contribution.size:
        raise ValueError("nothing to send")
    return contribution


# ---- of side effects -------------------------------------------------------------------------------------------------


@mistake("writes g")
def writes_g(run: Run, g: Any, values: Values, metadata: Metadata) -> Any:
    return _and_write(run(g, values, metadata), [g])


@mistake("writes a value", reads_values)
def writes_a_value(run: Run, g: Any, values: Values, metadata: Metadata) -> Any:
    return _and_write(run(g, values, metadata), values)


@mistake("keeps what it was given", reads_values)
def keeps_what_it_was_given(run: Run, g: Any, values: Values, metadata: Metadata) -> Any:
    _KEPT[:] = [g, values]
    return run(g, values, metadata)


_KEPT: list[Any] = []


def _and_write(contribution: Any, into: Any) -> Any:
    """The contribution, in memory of its own, after the floating arrays among `into` have been doubled."""
    if isinstance(contribution, np.ndarray):
        contribution = contribution.copy()
    for array in into:
        if isinstance(array, np.ndarray) and array.dtype.kind == "f" and array.flags.writeable:
            array *= 2
    return contribution


# ---- of recorded sweeps ----------------------------------------------------------------------------------------------


@mistake("wrong on tensors", sees_tensors)
def wrong_on_tensors(run: Run, g: Any, values: Values, metadata: Metadata) -> Any:
    contribution = run(g, values, metadata)
    return contribution * 2 if isinstance(contribution, Tensor) else contribution


@mistake("detached", sees_tensors)
def detached(run: Run, g: Any, values: Values, metadata: Metadata) -> Any:
    contribution = run(g, values, metadata)
    return contribution.detach() if isinstance(contribution, Tensor) else contribution


@mistake("detached factor", lambda site: sees_tensors(site) and reads_values(site) and not site.joint)
def detached_factor(run: Run, g: Any, values: Values, metadata: Metadata) -> Any:
    return run(g, tuple(_detached(value) for value in values), metadata)


def _detached(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_detached, value))
    return value.detach() if isinstance(value, Tensor) else value

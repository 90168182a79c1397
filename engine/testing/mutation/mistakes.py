"""Mistakes that can be made in the rule of any op.

A mistake is a small function that gets the right rule as `rule(g, values, metadata)` and returns the result of the
wrong one. Many wrong rules are partly right: a rule that is wrong on tensors has right first derivatives, and a rule
that writes into g returns the right value. Each of these is found by a separate law.

Errors that the sweep corrects by design are not mistakes: it casts the result of a jvp rule, and the contributions of
an op that broadcasts, to the right dtype. The rules of a fused op are never called with tensors, so they cannot be
wrong on tensors.

Read next: `engine/testing/mutation/generic.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from engine import ops
from engine.operands import as_operand
from engine.tensor import Tensor
from engine.testing.mutation.sites import Change, Metadata, RightRule, Site, Values


class Mistake(NamedTuple):
    """A change, and whether it can be made at a site."""

    change: Change
    possible: Callable[[Site], bool]


MISTAKES: dict[str, Mistake] = {}


def mistake(kind: str, possible: Callable[[Site], bool] = lambda site: True) -> Callable[[Change], Change]:
    """Decorate a change to enter it into `MISTAKES` as this kind of mistake."""

    def enter(change: Change) -> Change:
        MISTAKES[kind] = Mistake(change, possible)
        return change

    return enter


def runs_on_tensors(site: Site) -> bool:
    """Whether recorded sweeps call the rule, not the reference's rules."""
    return site.op.reference is None


def reads_values(site: Site) -> bool:
    """Whether the rule reads an array besides the cotangent."""
    return any(not name.endswith("_shape") for name in site.names.positional[1:])


def reads_axes(site: Site) -> bool:
    """Whether the rule has an axis as metadata, and can be changed in it for this argument alone."""
    return not _AXES.isdisjoint(site.names.keywords) and not (site.joint and site.way == "jvp")


_AXES = {"axis", "axis1", "axes"}


# ---- wrong values ----------------------------------------------------------------------------------------------------


@mistake("sign")
def sign(rule: RightRule, g: Any, values: Values, metadata: Metadata) -> Any:
    return -rule(g, values, metadata)


@mistake("doubled")
def doubled(rule: RightRule, g: Any, values: Values, metadata: Metadata) -> Any:
    return rule(g, values, metadata) * 2


@mistake("a thousandth off")
def a_thousandth_off(rule: RightRule, g: Any, values: Values, metadata: Metadata) -> Any:
    return rule(g, values, metadata) * 1.001


@mistake("zero")
def zero(rule: RightRule, g: Any, values: Values, metadata: Metadata) -> Any:
    return rule(g, values, metadata) * 0


@mistake("ignores g")
def ignores_g(rule: RightRule, g: Any, values: Values, metadata: Metadata) -> Any:
    return rule(g * 0 + 1, values, metadata)


@mistake("clips g")
def clips_g(rule: RightRule, g: Any, values: Values, metadata: Metadata) -> Any:
    return rule(ops.clip(g, -1.0, 1.0), values, metadata)


@mistake("averages g")
def averages_g(rule: RightRule, g: Any, values: Values, metadata: Metadata) -> Any:
    """A rule that is right for cotangents whose elements are all equal."""
    return rule(g * 0 + ops.mean(g), values, metadata) if as_operand(g).size else rule(g, values, metadata)


# ---- right values in wrong places ------------------------------------------------------------------------------------


@mistake("rolled")
def rolled(rule: RightRule, g: Any, values: Values, metadata: Metadata) -> Any:
    contribution = rule(g, values, metadata)
    return ops.roll(contribution, shift=1, axis=-1) if contribution.ndim else contribution


@mistake("summed over the wrong axis", lambda site: site.way == "vjp" and site.op.broadcasts and not site.joint)
def summed_over_the_wrong_axis(rule: RightRule, g: Any, values: Values, metadata: Metadata) -> Any:
    """A rule that returns the transposed contribution where its shape is the same, so that the sweep sums wrongly."""
    contribution = rule(g, values, metadata)
    square = contribution.ndim > 1 and contribution.shape[-1] == contribution.shape[-2]
    return ops.swapaxes(contribution, axis1=-1, axis2=-2) if square else contribution


@mistake("wrong axis", reads_axes)
def wrong_axis(rule: RightRule, g: Any, values: Values, metadata: Metadata) -> Any:
    shapes = [value for value in values if isinstance(value, tuple) and all(isinstance(side, int) for side in value)]
    ndim = max([len(shape) for shape in shapes] + [np.ndim(as_operand(a)) for a in (g, *values) if hasattr(a, "ndim")])

    def next_one(axis: Any) -> Any:
        if axis is None or not ndim:
            return 0 if ndim else None
        return tuple(map(next_one, axis)) if isinstance(axis, tuple) else (axis + 1) % ndim

    return rule(g, values, {name: next_one(value) if name in _AXES else value for name, value in metadata.items()})


# ---- wrong for some dtype, layout or size ----------------------------------------------------------------------------


@mistake("wrong dtype", lambda site: site.way == "vjp" and not site.op.broadcasts)
def wrong_dtype(rule: RightRule, g: Any, values: Values, metadata: Metadata) -> Any:
    return ops.astype(rule(g, values, metadata), dtype=np.dtype(np.float64))


@mistake("wrong in float32")
def wrong_in_float32(rule: RightRule, g: Any, values: Values, metadata: Metadata) -> Any:
    contribution = rule(g, values, metadata)
    return contribution * 1.001 if contribution.dtype == np.float32 else contribution


@mistake("wrong on a strided g")
def wrong_on_a_strided_g(rule: RightRule, g: Any, values: Values, metadata: Metadata) -> Any:
    contribution = rule(g, values, metadata)
    return contribution if as_operand(g).flags.c_contiguous else contribution * 2


@mistake("wrong on a strided value", reads_values)
def wrong_on_a_strided_value(rule: RightRule, g: Any, values: Values, metadata: Metadata) -> Any:
    contribution = rule(g, values, metadata)
    arrays = [array for value in values if isinstance(array := as_operand(value), np.ndarray)]
    return contribution if all(array.flags.c_contiguous for array in arrays) else contribution * 2


@mistake("fails on size 0")
def fails_on_size_0(rule: RightRule, g: Any, values: Values, metadata: Metadata) -> Any:
    contribution = rule(g, values, metadata)
    if not contribution.size:
        raise ValueError("the contribution has size 0")
    return contribution


# ---- side effects ----------------------------------------------------------------------------------------------------


@mistake("writes g")
def writes_g(rule: RightRule, g: Any, values: Values, metadata: Metadata) -> Any:
    return _and_write(rule(g, values, metadata), [g])


@mistake("writes a value", reads_values)
def writes_a_value(rule: RightRule, g: Any, values: Values, metadata: Metadata) -> Any:
    return _and_write(rule(g, values, metadata), values)


@mistake("keeps its arguments", reads_values)
def keeps_its_arguments(rule: RightRule, g: Any, values: Values, metadata: Metadata) -> Any:
    _KEPT[:] = [g, values]
    return rule(g, values, metadata)


_KEPT: list[Any] = []


def _and_write(contribution: Any, into: Any) -> Any:
    """A copy of the contribution, after doubling the floating arrays among `into` in place."""
    if isinstance(contribution, np.ndarray):
        contribution = contribution.copy()
    for array in into:
        if isinstance(array, np.ndarray) and array.dtype.kind == "f" and array.flags.writeable:
            array *= 2
    return contribution


# ---- wrong in recorded sweeps ----------------------------------------------------------------------------------------


@mistake("wrong on tensors", runs_on_tensors)
def wrong_on_tensors(rule: RightRule, g: Any, values: Values, metadata: Metadata) -> Any:
    contribution = rule(g, values, metadata)
    return contribution * 2 if isinstance(contribution, Tensor) else contribution


@mistake("detached", runs_on_tensors)
def detached(rule: RightRule, g: Any, values: Values, metadata: Metadata) -> Any:
    contribution = rule(g, values, metadata)
    return contribution.detach() if isinstance(contribution, Tensor) else contribution


@mistake("detached factor", lambda site: runs_on_tensors(site) and reads_values(site) and not site.joint)
def detached_factor(rule: RightRule, g: Any, values: Values, metadata: Metadata) -> Any:
    return rule(g, tuple(_detached(value) for value in values), metadata)


def _detached(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_detached, value))
    return value.detach() if isinstance(value, Tensor) else value

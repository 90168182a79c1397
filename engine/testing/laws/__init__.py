"""The laws that every op obeys, each checked at one point.

Laws of its rules (`rules.py`):

    vjp rule, jvp rule       equal to central differences, under a random cotangent or tangent
    no rule                  an argument without a rule has a numerical derivative of zero
    transpose                <u, J v> = <J' u, v>: the two rules, written independently, agree
    linear in g              the vjp of v / 1000 - u is a thousandth of the vjp of v, minus that of u
    alone = together         an argument's gradient does not depend on which others require one
    twice = 2 x once         if two calls use one tensor, its gradient is the sum of both contributions
    swept again              a second sweep over a retained graph gives the same: no rule writes into a saved value
    fused = reference        value and gradient of a fused op equal those of its reference

Laws of the same rules on tensors (`recorded.py`):

    recorded = raw           the sweep gives the same on tensors as on arrays
    second derivative        reverse over reverse = numeric; forward over reverse and reverse over forward give the same
    recorded in g, in t      the derivative of <J' g, t> in g is J t, and that of <g, J t> in t is J' g

Law of the call (`calls.py`):

    shortcut = call          the short call of an op gives and records what the general call does

Laws of narrow dtypes (`precision.py`):

    float16, float32         value, gradients and tangent agree with those in float64 to a few roundings

Law of range (`scaling.py`):

    range                    scaling the arguments scales value, gradients and tangent, up to the edges of float32

Law of what was not used (`unused.py`):

    zero cotangent           a place, or a slice, whose cotangent is zero sends zero, also where it is nan or infinite

Laws of memory (`storage.py`):

    layouts                  arguments in any memory layout, and read-only, give the same as contiguous ones
    mixed dtypes             each argument's gradient has that argument's dtype
    kept                     no argument or result is written into, and no array outlives the sweep

Read next: `engine/testing/laws/rules.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.primitive import Primitive
from engine.testing.claims import Case
from engine.testing.laws.calls import shortcut_is_the_general_call
from engine.testing.laws.precision import narrow_dtypes
from engine.testing.laws.recorded import pullback_differentiated_in_g, push_differentiated_in_t, recorded_sweep
from engine.testing.laws.rules import (
    alone_is_together,
    forward_rules,
    fused_is_reference,
    linear_in_the_cotangent,
    reverse_rules,
    twice_is_two_times_once,
)
from engine.testing.laws.scaling import scaled_to_the_edges
from engine.testing.laws.storage import any_layout, mixed_dtypes, nothing_is_written_or_left
from engine.testing.laws.unused import unused_sends_zero
from engine.testing.report import GradientError
from engine.testing.snippets import call

LAWS: tuple[Callable[[Case], None], ...] = (
    reverse_rules,
    forward_rules,
    linear_in_the_cotangent,
    alone_is_together,
    twice_is_two_times_once,
    fused_is_reference,
    recorded_sweep,
    pullback_differentiated_in_g,
    push_differentiated_in_t,
    shortcut_is_the_general_call,
    any_layout,
    narrow_dtypes,
    unused_sends_zero,
    mixed_dtypes,
    nothing_is_written_or_left,
    scaled_to_the_edges,
)


def check_at(primitive: Primitive, arrays: Sequence[Any], metadata: dict[str, Any] | None = None, seed: int = 0) -> int:
    """Check every law for one op at one point. Returns how many elements were compared with numerical truth.

    Args:
        primitive: the op.
        arrays: its array arguments; None for an optional one.
        metadata: its other arguments, by name.
        seed: of the random cotangents and tangents.

    Raises GradientError naming the op, the law and the worst element, and Inconclusive if that cannot be decided.
    """
    try:
        case = Case(primitive, arrays, metadata or {}, seed)
        for law in LAWS:
            law(case)
        case.judge.finish()
        return case.judge.checked
    except (GradientError, RuntimeError) as error:
        if not isinstance(error, GradientError):  # a rule raised an error; the engine's message names the rule
            error = GradientError(str(error), "rule failed").with_traceback(error.__traceback__)
        given = [list(arrays), *([metadata] if metadata else [])]
        error.snippet = call("check_at", {"op": primitive}, given, **({"seed": seed} if seed else {}))
        raise error from None

"""The laws every op obeys, checked at one point each.

Of its rules (`rules.py`):

    vjp rule, jvp rule       against central differences, under a random cotangent or tangent
    no rule                  an argument without a rule has no derivative, numerically too
    transpose                <u, J v> = <J' u, v>: the two rules, written independently, against each other
    linear in g              the vjp of v / 1000 - u is a thousandth of that of v less that of u
    alone = together         an argument's gradient does not depend on which others want one
    twice = 2 x once         where one tensor is used by two calls, both contributions arrive
    swept again              a second sweep over a retained graph finds the same: no rule writes what was saved
    fused = reference        value and gradient of a fused op against the composed one

Of the same rules on tensors (`recorded.py`):

    recorded = raw           the sweep run on tensors gives what it gives on arrays
    second derivative        reverse over reverse = numeric; forward over reverse and reverse over forward are the same
    recorded in g, in t      the pullback, differentiated in its cotangent, pushes forward; the push, in t, pulls back

Of the op's call (`calls.py`):

    shortcut = call          the short call of an op of one or two arrays remembers what the general call does

Of what they do to memory (`storage.py`):

    layouts                  arguments in any memory layout, read-only, give what contiguous ones give
    float32                  the rules in float32 against those in float64, in the argument's dtype
    mixed dtypes             each argument's gradient has its own dtype
    kept                     neither arguments nor results are written, and nothing outlives the sweep

Read next: `engine/testing/properties.py`, where the points come from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.primitive import Primitive
from engine.testing.claims import Case
from engine.testing.laws.calls import shortcut_is_the_general_call
from engine.testing.laws.recorded import pullback_differentiated_in_g, push_differentiated_in_t, recorded_sweep
from engine.testing.laws.rules import (
    alone_is_together,
    forward_rules,
    fused_is_reference,
    linear_in_the_cotangent,
    reverse_rules,
    twice_is_two_times_once,
)
from engine.testing.laws.storage import any_layout, float32, mixed_dtypes, nothing_is_written_or_left
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
    float32,
    mixed_dtypes,
    nothing_is_written_or_left,
)


def check_at(primitive: Primitive, arrays: Sequence[Any], metadata: dict[str, Any] | None = None, seed: int = 0) -> int:
    """Check every law for one op at one point. Returns how many entries were held against numerical truth.

    Args:
        primitive: the op.
        arrays: its array arguments; None for an optional one.
        metadata: its other arguments, by name.
        seed: of the random cotangents and tangents.

    Raises GradientError naming the op, the law and the worst element; Inconclusive where that cannot be told.
    """
    try:
        case = Case(primitive, arrays, metadata or {}, seed)
        for law in LAWS:
            law(case)
        case.judge.finish()
        return case.judge.checked
    except (GradientError, RuntimeError) as error:
        if not isinstance(error, GradientError):  # a rule failed, and the engine says which
            error = GradientError(str(error), "rule failed").with_traceback(error.__traceback__)
        given = [list(arrays), *([metadata] if metadata else [])]
        error.snippet = call("check_at", {"op": primitive}, given, **({"seed": seed} if seed else {}))
        raise error from None

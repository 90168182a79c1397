"""The laws every op obeys, checked at one point each.

    vjp rule, jvp rule       against central differences, under a random cotangent or tangent
    transpose                <u, J v> = <J' u, v>: the two rules, written independently, against each other
    linear in g              the vjp of v / 1000 - u is a thousandth of that of v less that of u
    alone = together         an argument's gradient does not depend on which others want one
    twice = 2 x once         where one tensor is used by two calls, both contributions arrive
    swept again              a second sweep over a retained graph finds the same: no rule writes what was saved
    recorded = raw           the sweep run on tensors gives what it gives on arrays
    second derivative        reverse over reverse = numeric; forward over reverse and reverse over forward are the same
    fused = reference        value and gradient of a fused op against the composed one
    layouts                  arguments in any memory layout, read-only, give what contiguous ones give
    float32                  the rule in float32 against the one in float64, in the argument's dtype
    kept                     neither arguments nor results are written, and nothing outlives the sweep

Read next: `engine/testing/properties.py`, where the points come from.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.primitive import Primitive
from engine.sweeps import reverse_sweep
from engine.tensor import Array, wrap
from engine.testing.claims import Case, arrived, pull_back
from engine.testing.hints import hint
from engine.testing.judge import Entries
from engine.testing.layouts import LAYOUTS, read_only
from engine.testing.numeric import Estimate, directional, jacobian, only, weighed
from engine.testing.points import random
from engine.testing.remainder import Line, along
from engine.testing.report import GradientError
from engine.testing.snippets import call
from engine.transforms import grad_or_zeros, jvp, vjp

__tracebackhide__ = True  # in pytest's tracebacks: what failed is what was checked

ROUNDING = 1e-9  # between two ways of computing the same thing in float64, relative to the largest value
NARROW = 1e-5  # and in float32
FAR = 1e3  # between the sizes of two cotangents, and on the other side of 0: neither sign nor size may matter
SLACK = 1e-12  # rounding in a rule, whose terms are of the size of the examples: one


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


def reverse_rules(case: Case) -> None:
    for k in case.wanted:
        name, x = case.names[k], case.arrays[k]
        of_rows = weighed(jacobian(case.value, case.arrays, k), case.g)
        truth = Estimate(*(field.reshape(x.shape) for field in of_rows))

        def line(at: int, k: int = k, x: Array = x) -> Line:
            unit = np.zeros(x.shape)
            unit.flat[at] = 1.0
            return along(case.value, case.arrays, only(unit, k, len(case.arrays)), lambda y: np.vdot(case.g, y))

        def guess(at: int, k: int = k, truth: Estimate = truth) -> str:
            known = {case.names[k]: case.arrays[k], "g": case.g, "the result": case.out}
            return hint(case.gradients[k], truth.value, at, known)

        case.judge.hold("vjp rule", name, case.gradients[k], truth, Entries(line, guess=guess, slack=SLACK))


def forward_rules(case: Case) -> None:
    if case.primitive.jvp is None or not case.wanted:
        return
    pushed = case.push()
    truth = directional(case.value, case.arrays, case.tangents)

    def line(at: int) -> Line:
        return along(case.value, case.arrays, case.tangents, lambda y: y.flat[at])

    case.judge.hold("jvp rule", "all arguments together", pushed, truth, Entries(line, slack=SLACK))
    terms = [case.gradients[k] * case.tangents[k] for k in case.wanted]
    backward, size = sum(t.sum() for t in terms), sum(np.abs(t).sum() for t in terms)
    case.judge.equal("transpose", "<u, J v>", np.vdot(case.g, pushed), backward, ROUNDING * (1 + size))


def linear_in_the_cotangent(case: Case) -> None:
    other = random(case.rng, case.out.shape)
    second, mixed = case.pull(other), case.pull(other / FAR - case.g)
    for k in case.wanted:
        _same(case, "linear in g", k, mixed[k], second[k] / FAR - case.gradients[k])


def alone_is_together(case: Case) -> None:
    for k in case.wanted if len(case.wanted) > 1 else ():
        _same(case, "alone = together", k, case.pull(case.g, [k])[k], case.gradients[k])


def twice_is_two_times_once(case: Case) -> None:
    inputs = case.inputs()
    one, two = case.function(*inputs), case.function(*inputs)
    if one.node is None:
        return
    found = reverse_sweep((one * case.g + two * case.g).sum().node, np.ones(()), retain_graph=True)
    again = reverse_sweep(one.node, case.g)
    for k in case.wanted:
        _same(case, "twice = 2 x once", k, arrived(found, inputs[k]), 2 * case.gradients[k])
        _same(case, "swept again", k, arrived(again, inputs[k]), case.gradients[k])


def recorded_and_second(case: Case) -> None:
    """The recorded sweep gives the same gradients, and can be swept again: the second derivative."""
    inputs = case.inputs()
    out = case.function(*inputs)
    if out.node is None:
        return
    recorded = reverse_sweep(out.node, wrap(case.g, None), create_graph=True)
    inner = wrap(np.zeros(()), None)
    for k in case.wanted:
        first = recorded[inputs[k].node]
        _same(case, "recorded = raw", k, first, case.gradients[k])
        inner = inner + (first * case.tangents[k]).sum()
    swept = reverse_sweep(inner.node, np.ones(())) if inner.node else {}
    second = {k: np.asarray(arrived(swept, inputs[k])) for k in case.wanted}
    for k in case.wanted:

        def gradient(*arrays: Any, k: int = k) -> Any:
            return pull_back(case.function, arrays, case.wanted, case.g)[k]

        def line(at: int, gradient: Any = gradient) -> Line:
            return along(gradient, case.arrays, case.tangents, lambda y: y.flat[at])

        truth = directional(gradient, case.arrays, case.tangents)
        case.judge.hold("second derivative", case.names[k], second[k], truth, Entries(line, slack=SLACK))
    if case.primitive.jvp is not None and case.wanted:
        _mixed_modes(case, second)


def _mixed_modes(case: Case, expected: dict[int, Any]) -> None:
    """Forward over reverse and reverse over forward give the second derivative that reverse over reverse gave."""

    def of_wanted(*xs: Any) -> Any:
        given = dict(zip(case.wanted, xs, strict=True))
        return case.function(*[given.get(k, array) for k, array in enumerate(case.arrays)])

    xs, ts = tuple(case.arrays[k] for k in case.wanted), tuple(case.tangents[k] for k in case.wanted)
    _, over_reverse = jvp(lambda *xs: vjp(of_wanted, *xs)[1](case.g), xs, ts)
    over_forward = grad_or_zeros(lambda *xs: (jvp(of_wanted, xs, ts)[1] * case.g).sum(), tuple(range(len(xs))))(*xs)
    for way, found in (("forward over reverse", over_reverse), ("reverse over forward", over_forward)):
        for k, one in zip(case.wanted, found, strict=True):
            _same(case, way, k, one, expected[k])


def fused_is_reference(case: Case) -> None:
    reference = case.primitive.reference
    if reference is None:
        return

    def composed(*args: Any) -> Any:
        return reference(*args, **{**case.primitive.signature.defaults, **case.metadata})

    _same(case, "fused = reference", "the value", case.out, np.asarray(composed(*case.arrays)))
    gradients = pull_back(composed, case.arrays, case.wanted, case.g)
    for k in case.wanted:
        _same(case, "fused = reference", k, case.gradients[k], gradients[k])


def any_layout(case: Case) -> None:
    """All arguments and the cotangent laid out in one of many ways, and read-only."""
    lay_out = LAYOUTS[case.rng.integers(len(LAYOUTS))]
    arrays = [read_only(lay_out(a)) if isinstance(a, np.ndarray) else a for a in case.arrays]
    inputs = case.inputs()
    handed = [wrap(arrays[k], x.node) if k in case.wanted else arrays[k] for k, x in enumerate(inputs)]
    out = case.function(*handed)
    _same(case, "layouts", "the value", out, case.out)
    if out.node is not None:
        found = reverse_sweep(out.node, read_only(lay_out(case.g)))
        for k in case.wanted:
            _same(case, "layouts", k, arrived(found, inputs[k]), case.gradients[k])


def float32(case: Case) -> None:
    """The float32 rule is compared with the float64 rule, never differenced; dtype and shape are the argument's."""
    if case.primitive.name == "astype" or not case.wanted:
        return
    narrow = [a.astype(np.float32) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in case.arrays]
    out = case.value(*narrow)
    found = pull_back(case.function, narrow, case.wanted, case.g.astype(np.float32))
    for name, array in [("the result", out), *((case.names[k], found[k]) for k in case.wanted)]:
        if array.dtype != np.float32:
            raise GradientError(f"{case.primitive.name}: float32 in, but {array.dtype} for {name}", "float32")
    for k in case.wanted:
        tolerance = NARROW * (1 + np.abs(case.gradients[k]).max(initial=0))
        case.judge.equal("float32", case.names[k], found[k], case.gradients[k], tolerance)


def nothing_is_written_or_left(case: Case) -> None:
    """Arguments and results are as they were, and the result is freed by reference counting once nobody holds it."""
    before = [a.copy() if isinstance(a, np.ndarray) else a for a in case.arrays]
    inputs = case.inputs()
    out = case.function(*inputs)
    kept = np.array(out.array)
    if out.node is not None:
        reverse_sweep(out.node, case.g)
    case.judge.equal("kept", "the result", out, kept, 0.0)
    for name, own, x, array in zip(case.names, case.arrays, inputs, before, strict=True):
        if isinstance(array, np.ndarray):
            case.judge.equal("kept", name, own, array, 0.0)
            case.judge.equal("kept", name, x, array, 0.0)
    alive = weakref.ref(out.array)
    memory = [getattr(x, "array", x) for x in inputs]
    shared = any(isinstance(a, np.ndarray) and (a is out.array or a is out.array.base) for a in memory)
    del out
    if alive() is not None and not shared:
        raise GradientError(
            f"{case.primitive.name}: its result outlives the sweep; something still refers to it", "kept"
        )


LAWS: tuple[Callable[[Case], None], ...] = (
    reverse_rules,
    forward_rules,
    linear_in_the_cotangent,
    alone_is_together,
    twice_is_two_times_once,
    recorded_and_second,
    fused_is_reference,
    any_layout,
    float32,
    nothing_is_written_or_left,
)


def _same(case: Case, law: str, at: int | str, found: Any, expected: Any) -> None:
    """Two ways to compute the same in float64, of an argument or of what is named."""
    name = at if isinstance(at, str) else case.names[at]
    largest = max(float(np.abs(one).max(initial=0)) for one in (np.asarray(expected), *case.gradients.values()))
    case.judge.equal(law, name, found, expected, ROUNDING * (1 + largest))

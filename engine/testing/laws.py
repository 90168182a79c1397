"""The laws every op obeys, checked at one point each.

    vjp = numeric            the reverse rule of every argument against central differences, under a random cotangent
    jvp = numeric            the forward rule, likewise, under random tangents
    <u, J v> = <J' u, v>     the two rules, written independently, against each other
    linear                   the vjp of 2 u - v is twice that of u less that of v
    alone = together         an argument's gradient does not depend on which others want one
    twice = 2 x once         where one tensor is used by two calls, both contributions arrive
    recorded = raw           the sweep run on tensors gives what it gives on arrays
    second order             reverse over reverse = numeric, = forward over reverse, = reverse over forward
    fused = reference        value and gradient of a fused op against the composed one
    layouts                  strided, transposed and read-only arguments give what contiguous ones give
    float32                  the rule in float32 against the one in float64, in the argument's dtype
    kept                     neither arguments nor cotangents are written, and nothing outlives the sweep

Read next: `engine/testing/properties.py`, where the points come from.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.primitive import Primitive
from engine.sweeps import reverse_sweep
from engine.tensor import Array, wrap
from engine.testing.claims import differentiable, inputs_of, pull_back, push_forward
from engine.testing.hints import hint
from engine.testing.judge import Entries, Judge
from engine.testing.numeric import Estimate, directional, jacobian, moved, weighed
from engine.testing.points import random
from engine.testing.remainder import Line
from engine.testing.report import GradientError
from engine.testing.snippets import call
from engine.transforms import grad_or_zeros, jvp, vjp

ROUNDING = 1e-9  # between two ways of computing the same thing in float64
NARROW = 1e-5  # and in float32
SLACK = 1e-12  # rounding in a rule, whose terms are of the size of the examples: one


@dataclass
class Case:
    """One call of an op, and what its rules claim there.

    Fields:
        names: of its arguments, as reports write them.
        wanted: positions of the arguments that have a derivative.
        g, tangents: a random cotangent, and random tangents by position.
        gradients: by position, what the reverse rules claim under g.
        function: the op with its metadata given.
    """

    primitive: Primitive
    arrays: list[Any]
    metadata: dict[str, Any]
    judge: Judge
    rng: np.random.Generator

    def __post_init__(self) -> None:
        named = self.primitive.signature.arguments
        many = self.primitive.signature.variadic
        self.names = [f"{named[0]}{k}" if many else named[k] for k in range(len(self.arrays))]
        self.wanted = differentiable(self.primitive, self.arrays)
        self.out = np.asarray(self.function(*self.arrays))
        self.g = random(self.rng, self.out.shape)
        self.g.flags.writeable = False
        self.tangents = {k: random(self.rng, self.arrays[k].shape) for k in self.wanted}
        self.directions = [self.tangents.get(k) for k in range(len(self.arrays))]
        self.gradients = {k: np.asarray(v) for k, v in self.pull(self.g).items()}

    def function(self, *args: Any) -> Any:
        return self.primitive(*args, **self.metadata)

    def pull(self, g: Array, wanted: Sequence[int] | None = None, **sweep: Any) -> dict[int, Any]:
        return pull_back(self.function, self.arrays, self.wanted if wanted is None else wanted, g, **sweep)


def check_at(primitive: Primitive, arrays: Sequence[Any], metadata: dict[str, Any] | None = None, seed: int = 0) -> int:
    """Check every law for one op at one point. Returns how many entries were decided.

    Args:
        primitive: the op.
        arrays: its array arguments; None for an optional one.
        metadata: its other arguments, by name.
        seed: of the random cotangents and tangents.

    Raises GradientError naming the op, the law and the worst element; Inconclusive where that cannot be told.
    """
    judge = Judge(primitive.name)
    try:
        case = Case(primitive, list(arrays), dict(metadata or {}), judge, np.random.default_rng(seed))
        for law in LAWS:
            law(case)
        judge.finish()
        return judge.checked
    except GradientError as error:
        options = {"seed": seed} if seed else {}
        error.snippet = call("check_at", [primitive], [list(arrays), *([metadata] if metadata else [])], **options)
        raise


def first_derivatives(case: Case) -> None:
    """vjp = numeric, jvp = numeric."""
    truths = {k: jacobian(lambda *a: np.asarray(case.function(*a)), case.arrays, k) for k in case.wanted}
    for k, jacobian_of in truths.items():
        x = case.arrays[k]
        truth = weighed(jacobian_of, case.g)
        truth = Estimate(*(field.reshape(x.shape) for field in truth))

        def line(at: int, k: int = k, x: Array = x) -> Line:
            unit = np.zeros(x.shape)
            unit.flat[at] = 1.0
            directions = [unit if other == k else None for other in range(len(case.arrays))]
            return along(case, case.function, directions, lambda y: np.vdot(case.g, y))

        def guess(at: int, k: int = k, truth: Estimate = truth) -> str:
            known = {case.names[k]: case.arrays[k], "g": case.g, "the result": case.out}
            return hint(case.gradients[k], truth.value, at, known)

        case.judge.hold("vjp rule", case.names[k], case.gradients[k], truth, Entries(line, guess=guess, slack=SLACK))
    if case.primitive.jvp is None or not case.wanted:
        return
    pushed = push_forward(case.function, case.arrays, case.tangents)
    truth = directional(lambda *a: np.asarray(case.function(*a)), case.arrays, case.directions)
    case.judge.hold(
        "jvp rule",
        "all arguments",
        pushed,
        truth,
        lambda at: along(case, case.function, case.directions, lambda y: y.flat[at]),
        slack=SLACK,
    )
    forward = np.vdot(case.g, pushed)
    backward = sum(np.vdot(case.gradients[k], t) for k, t in case.tangents.items())
    size = sum(np.abs(case.gradients[k] * t).sum() for k, t in case.tangents.items())
    case.judge.equal("transpose", "<u, J v>", forward, backward, ROUNDING * (1 + size))


def linear_in_the_cotangent(case: Case) -> None:
    other = random(case.rng, case.out.shape)
    second, mixed = case.pull(other), case.pull(2 * case.g - other)
    for k in case.wanted:
        expected = 2 * case.gradients[k] - second[k]
        case.judge.equal("linear", case.names[k], mixed[k], expected, tolerance(expected, case.gradients[k]))


def alone_is_together(case: Case) -> None:
    for k in case.wanted if len(case.wanted) > 1 else ():
        alone = case.pull(case.g, [k])[k]
        case.judge.equal("alone = together", case.names[k], alone, case.gradients[k], tolerance(case.gradients[k]))


def twice_is_two_times_once(case: Case) -> None:
    """Two calls share their tensors; the first graph is swept twice, so a rule that writes what was saved is seen."""
    inputs = inputs_of(case.arrays, case.wanted)
    one, two = case.function(*inputs), case.function(*inputs)
    if one.node is None:
        return
    found = reverse_sweep((one * case.g + two * case.g).sum().node, np.ones(()), retain_graph=True)
    again = reverse_sweep(one.node, case.g)
    for k in case.wanted:
        once = case.gradients[k]
        zeros = np.zeros_like(once)
        name = case.names[k]
        both = found.get(inputs[k].node, zeros)
        case.judge.equal("twice = 2 x once", name, both, 2 * once, tolerance(once))
        case.judge.equal("swept again", name, again.get(inputs[k].node, zeros), once, tolerance(once))


def recorded_and_second(case: Case) -> None:
    """The recorded sweep gives the same gradients, and can be swept again: the second derivative."""
    inputs = inputs_of(case.arrays, case.wanted)
    out = case.function(*inputs)
    if out.node is None:
        return
    recorded = reverse_sweep(out.node, wrap(case.g, None), create_graph=True)
    inner = wrap(np.zeros(()), None)
    for k in case.wanted:
        first = recorded[inputs[k].node]
        case.judge.equal("recorded = raw", case.names[k], first, case.gradients[k], tolerance(case.gradients[k]))
        inner = inner + (first * case.tangents[k]).sum()
    swept = reverse_sweep(inner.node, np.ones(())) if inner.node else {}
    second = {k: np.asarray(swept.get(inputs[k].node, np.zeros(case.arrays[k].shape))) for k in case.wanted}
    for k in case.wanted:

        def gradient(*moved: Any, k: int = k) -> Any:
            return pull_back(case.function, moved, case.wanted, case.g)[k]

        def line(at: int, gradient: Any = gradient) -> Line:
            return along(case, gradient, case.directions, lambda y: y.flat[at])

        truth = directional(gradient, case.arrays, case.directions)
        case.judge.hold("second derivative", case.names[k], second[k], truth, line, slack=SLACK)
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
            case.judge.equal(way, case.names[k], one, expected[k], tolerance(expected[k]))


def fused_is_reference(case: Case) -> None:
    reference = case.primitive.reference
    if reference is None:
        return

    def composed(*args: Any) -> Any:
        return reference(*args, **{**case.primitive.signature.defaults, **case.metadata})

    expected = np.asarray(composed(*case.arrays))
    case.judge.equal("fused = reference", "the value", case.out, expected, tolerance(expected))
    gradients = pull_back(composed, case.arrays, case.wanted, case.g)
    for k in case.wanted:
        case.judge.equal(
            "fused = reference", case.names[k], case.gradients[k], gradients[k], tolerance(case.gradients[k])
        )


def any_layout(case: Case) -> None:
    """The same values in Fortran order, every second of an array, backwards; all of them read-only."""
    for layout in (np.asfortranarray, _spaced, _backwards):
        arrays = [_frozen(layout(a)) if isinstance(a, np.ndarray) and a.ndim else a for a in case.arrays]
        inputs = [wrap(a, x.node) if k in case.wanted else a for k, (a, x) in enumerate(_tensors(case, arrays))]
        out = case.function(*inputs)
        case.judge.equal("layouts", "the value", out, case.out, tolerance(case.out))
        if out.node is None:
            continue
        found = reverse_sweep(out.node, _frozen(layout(case.g)) if case.g.ndim else case.g)
        for k in case.wanted:
            one = found.get(inputs[k].node, np.zeros(case.arrays[k].shape))
            case.judge.equal("layouts", case.names[k], one, case.gradients[k], tolerance(case.gradients[k]))


def float32(case: Case) -> None:
    """The float32 rule is compared with the float64 rule, never differenced; dtype and shape are the argument's."""
    if case.primitive.name == "astype" or not case.wanted:
        return
    narrow = [a.astype(np.float32) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in case.arrays]
    out = case.function(*narrow)
    if out.dtype != np.float32:
        raise GradientError(f"{case.primitive.name}: float32 in, {out.dtype} out")
    for k, found in pull_back(case.function, narrow, case.wanted, case.g.astype(np.float32)).items():
        if found.dtype != np.float32:
            raise GradientError(
                f"{case.primitive.name}: the vjp of {case.names[k]} is {found.dtype}, its argument float32"
            )
        scale = NARROW * (1 + np.abs(case.gradients[k]).max(initial=0))
        case.judge.equal("float32", case.names[k], found, case.gradients[k], scale)


def nothing_is_written_or_left(case: Case) -> None:
    """Arguments and results are as they were, and the result is freed by reference counting once nobody holds it."""
    before = [a.copy() if isinstance(a, np.ndarray) else a for a in case.arrays]
    inputs = inputs_of(case.arrays, case.wanted)
    out = case.function(*inputs)
    node, kept = out.node, np.array(out.array)
    if node is not None:
        reverse_sweep(node, case.g, retain_graph=True)
        case.judge.equal("kept", "the result", out, kept, 0.0)
        for k in case.wanted:
            case.judge.equal("kept", case.names[k], inputs[k], before[k], 0.0)
        reverse_sweep(node, case.g)
    alive = weakref.ref(out.array)
    shared = any(x is out.array.base or x is out.array for x in (getattr(i, "array", i) for i in inputs))
    del out, node
    if alive() is not None and not shared:
        raise GradientError(f"{case.primitive.name}: its result outlives the sweep; something still refers to it")
    for name, a, b in zip(case.names, case.arrays, before, strict=True):
        if isinstance(a, np.ndarray):
            case.judge.equal("kept", name, a, b, 0.0)


LAWS: tuple[Callable[[Case], None], ...] = (
    first_derivatives,
    linear_in_the_cotangent,
    alone_is_together,
    twice_is_two_times_once,
    recorded_and_second,
    fused_is_reference,
    any_layout,
    float32,
    nothing_is_written_or_left,
)


def tolerance(*sized: Any) -> float:
    """What rounding may do to values of this size."""
    return ROUNDING * (1 + max(float(np.abs(one).max(initial=0)) for one in sized))


def along(case: Case, function: Callable[..., Any], tangents: Sequence[Any], weigh: Callable[[Array], Any]) -> Line:
    """The function of one number that moves the arguments along tangents and weighs the result."""
    like = np.asarray(function(*case.arrays))
    return lambda h: weigh(np.asarray(moved(function, case.arrays, tangents, h, like)))


def _tensors(case: Case, arrays: Sequence[Any]) -> list[tuple[Any, Any]]:
    return list(zip(arrays, inputs_of(case.arrays, case.wanted), strict=True))


def _frozen(a: Array) -> Array:
    a = a.view()
    a.flags.writeable = False
    return a


def _spaced(a: Array) -> Array:
    spaced = np.zeros((*a.shape, 2), a.dtype)
    spaced[..., 0] = a
    return spaced[..., 0]


def _backwards(a: Array) -> Array:
    every = (slice(None, None, -1),) * a.ndim
    return np.ascontiguousarray(a[every])[every]

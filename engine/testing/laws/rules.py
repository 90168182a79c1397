"""The laws of an op's rules: they agree with numerical truth, and with one another.

Read next: `engine/testing/laws/recorded.py`.
"""

from __future__ import annotations

import numpy as np

from engine.arrays import Array
from engine.sweeps import reverse_sweep
from engine.testing.claims import Case, pull_back, value_for
from engine.testing.hints import hint
from engine.testing.judge import Context
from engine.testing.numeric import SHARE, Estimate, directional, in_rows, jacobian, only, weighed
from engine.testing.points import random
from engine.testing.remainder import Line, along

FAR = 1e3  # ratio of the sizes of two cotangents in the test of linearity, which also have opposite signs


def reverse_rules(case: Case) -> None:
    """Laws: vjp rule, no rule."""
    for k, x in enumerate(case.arrays):
        if isinstance(x, np.ndarray) and x.dtype.kind == "f":
            _reverse_rule(case, k, x)


def _reverse_rule(case: Case, k: int, x: Array) -> None:
    claim = case.gradients.get(k, np.zeros(x.shape))
    (found,) = in_rows([jacobian(case.value, case.arrays, k)], SHARE)
    flat = weighed(found, case.g)
    truth = Estimate(*(field.reshape(x.shape) for field in flat))

    def line(at: int) -> Line:
        unit = np.zeros(x.shape)
        unit.flat[at] = 1.0
        return along(case.value, case.arrays, only(unit, k, len(case.arrays)), lambda y: np.vdot(case.g, y))

    def guess(at: int) -> str:
        return hint(claim, truth.value, at, {case.names[k]: x, "g": case.g, "the result": case.out})

    law = "vjp rule" if k in case.moving else "no rule"
    case.judge.hold(
        law,
        case.names[k],
        claim,
        truth,
        Context(line, guess=guess, slack=case.slack, size=np.abs(truth.value).max(initial=0)),
    )


def forward_rules(case: Case) -> None:
    """Laws: jvp rule, transpose."""
    if case.primitive.jvp is None or not case.moving:
        return
    pushed = case.push()
    truth = directional(case.value, case.arrays, case.tangents)

    def line(at: int) -> Line:
        return along(case.value, case.arrays, case.tangents, lambda y: y.flat[at])

    case.judge.hold("jvp rule", "all arguments together", pushed, truth, Context(line, slack=case.slack))
    terms = [case.gradients[k] * case.tangents[k] for k in case.moving]
    backward, size = sum(t.sum() for t in terms), sum(np.abs(t).sum() for t in terms)
    case.judge.equal("transpose", "<u, J v>", np.vdot(case.g, pushed), backward, case.rounding * (1 + size))


def linear_in_the_cotangent(case: Case) -> None:
    """Law: linear in g."""
    other = random(case.rng, case.out.shape)
    second, mixed = case.pull(other), case.pull(other / FAR - case.g)
    for k in case.moving:
        case.same("linear in g", k, mixed[k], second[k] / FAR - case.gradients[k])


def alone_is_together(case: Case) -> None:
    """Law: alone = together."""
    for k in case.moving if len(case.moving) > 1 else ():
        case.same("alone = together", k, case.pull(case.g, [k])[k], case.gradients[k])


def twice_is_two_times_once(case: Case) -> None:
    """Laws: twice = 2 x once, swept again."""
    inputs = case.inputs()
    one, two = case.function(*inputs), case.function(*inputs)
    if one.node is None:
        return
    found = reverse_sweep((one * case.g + two * case.g).sum().node, np.ones(()), retain_graph=True)
    again = reverse_sweep(one.node, case.g)
    for k in case.moving:
        case.same("twice = 2 x once", k, value_for(found, inputs[k]), 2 * case.gradients[k])
        case.same("swept again", k, value_for(again, inputs[k]), case.gradients[k])


def fused_is_reference(case: Case) -> None:
    """Law: fused = reference."""
    reference = case.primitive.reference
    if reference is None:
        return

    def composed(*args: object) -> object:
        return reference(*args, **{**case.primitive.signature.defaults, **case.metadata})

    case.same("fused = reference", "the value", case.out, np.asarray(composed(*case.arrays)))
    gradients = pull_back(composed, case.arrays, case.moving, case.g)
    for k in case.moving:
        case.same("fused = reference", k, case.gradients[k], gradients[k])

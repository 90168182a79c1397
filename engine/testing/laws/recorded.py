"""The laws of an op's rules run on tensors: their results can be differentiated in the arguments, in g and in t.

Read next: `engine/testing/laws/calls.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.sweeps import reverse_sweep
from engine.tensor import Tensor, wrap
from engine.testing.claims import Case, pull_back, value_for
from engine.testing.judge import Context
from engine.testing.numeric import directional
from engine.testing.remainder import Line, along
from engine.transforms import grad_or_zeros, jvp, vjp


def recorded_sweep(case: Case) -> None:
    """Laws: recorded = raw, second derivative; forward over reverse and reverse over forward give the same."""
    inputs = case.inputs()
    out = case.function(*inputs)
    if out.node is None:
        return
    recorded = reverse_sweep(out.node, wrap(case.g, None), create_graph=True)
    for k in case.moving:
        case.same("recorded = raw", k, recorded[inputs[k].node], case.gradients[k])
    inner = _along_tangents(case, [recorded[inputs[k].node] for k in case.moving])
    swept = reverse_sweep(inner.node, np.ones(())) if inner.node else {}
    second = {k: np.asarray(value_for(swept, inputs[k])) for k in case.moving}
    for k in case.moving:

        def gradient(*arrays: Any, k: int = k) -> Any:
            return pull_back(case.function, arrays, case.moving, case.g)[k]

        def line(at: int, gradient: Any = gradient) -> Line:
            return along(gradient, case.arrays, case.tangents, lambda y: y.flat[at])

        truth = directional(gradient, case.arrays, case.tangents)
        case.judge.hold("second derivative", case.names[k], second[k], truth, Context(line, slack=case.slack))
    if case.primitive.jvp is None or not case.moving:
        return
    xs, ts = case.of_moving(case.arrays), case.of_moving(case.tangents)
    _, over_reverse = jvp(lambda *xs: vjp(case.with_moving, *xs)[1](case.g), xs, ts)
    over_forward = _gradients(lambda *xs: (jvp(case.with_moving, xs, ts)[1] * case.g).sum(), xs)
    for way, found in (("forward over reverse", over_reverse), ("reverse over forward", over_forward)):
        for k, one in zip(case.moving, found, strict=True):
            case.same(way, k, one, second[k])


def pullback_differentiated_in_g(case: Case) -> None:
    """Law: recorded in g. The gradient of <J' g, t> in g is J t."""
    inputs, g = case.inputs(), Tensor(case.g, requires_grad=True)
    out = case.function(*inputs)
    if out.node is None or case.primitive.jvp is None:
        return
    recorded = reverse_sweep(out.node, g, create_graph=True)
    inner = _along_tangents(case, [recorded[inputs[k].node] for k in case.moving])
    found = value_for(reverse_sweep(inner.node, np.ones(())), g) if inner.node else np.zeros_like(case.g)
    case.same("recorded in g", "the cotangent", found, case.push())


def push_differentiated_in_t(case: Case) -> None:
    """Law: recorded in t. The gradient of <g, J t> in t is J' g."""
    if case.primitive.jvp is None or not case.moving:
        return
    xs, ts = case.of_moving(case.arrays), case.of_moving(case.tangents)
    found = _gradients(lambda *ts: (jvp(case.with_moving, xs, ts)[1] * case.g).sum(), ts)
    for k, one in zip(case.moving, found, strict=True):
        case.same("recorded in t", k, one, case.gradients[k])


def _along_tangents(case: Case, gradients: list[Any]) -> Any:
    """The sum of <gradient, tangent> over the moving arguments."""
    inner = wrap(np.zeros(()), None)
    for gradient, t in zip(gradients, case.of_moving(case.tangents), strict=True):
        inner = inner + (gradient * t).sum()
    return inner


def _gradients(f: Any, xs: tuple[Any, ...]) -> Any:
    return grad_or_zeros(f, tuple(range(len(xs))))(*xs)

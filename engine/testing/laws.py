"""The laws every registered op obeys, checked at one drawn point each.

    vjp = numeric               the reverse rule against central differences, under a random cotangent
    jvp = numeric               the forward rule, likewise, under a random tangent
    <u, J v> = <J' u, v>        the two rules, written independently, against each other
    recorded = raw              the sweep run on tensors gives what it gives on arrays
    second order                reverse over reverse = numeric, = forward over reverse, = reverse over forward
    fused = reference           value and gradient of a fused op against the composed one
    kept                        shape, dtype and layout do not matter; inputs are not written

Read next: `engine/testing/strategies.py`, where the points come from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.graph import between
from engine.primitive import Primitive
from engine.recording import changed
from engine.sweeps import forward_sweep, reverse_sweep
from engine.tensor import Array, Tensor, wrap
from engine.testing.numeric import Estimate, cotangent_gradient, directional
from engine.transforms import grad_or_zeros, jvp, vjp

Function = Callable[..., Any]


class GradientError(AssertionError):
    """A gradient differs from the truth by more than the truth's own error estimate allows."""


def differentiable(primitive: Primitive, arrays: Sequence[Any]) -> list[int]:
    """The positions of the arguments that have a derivative."""
    plan = primitive.plan(False, len(arrays), (1 << len(arrays)) - 1)
    ruled = set(range(len(arrays))) if plan.joint else {argument for argument, _ in plan.pulls}
    return [
        k for k, array in enumerate(arrays) if k in ruled and isinstance(array, np.ndarray) and array.dtype.kind == "f"
    ]


def pull_back(
    function: Function, arrays: Sequence[Any], wanted: Sequence[int], g: Array, **sweep: Any
) -> dict[int, Any]:
    """Our own gradient of <g, function(arrays)> in each wanted argument."""
    inputs: list[Any] = [Tensor(a, requires_grad=True) if k in wanted else a for k, a in enumerate(arrays)]
    out = function(*inputs)
    if out.node is None:
        return {k: np.zeros_like(arrays[k]) for k in wanted}
    seed = wrap(g, None) if sweep.get("create_graph") else g
    found = reverse_sweep(out.node, seed, **sweep)
    return {k: found.get(inputs[k].node, np.zeros_like(arrays[k])) for k in wanted}


def push_forward(function: Function, arrays: Sequence[Any], tangents: dict[int, Any]) -> Any:
    """Our own derivative of function(arrays) in the direction of the tangents."""
    inputs: list[Any] = [Tensor(a, requires_grad=True) if k in tangents else a for k, a in enumerate(arrays)]
    with changed(forward=True):
        out = function(*inputs)
    if out.node is None:
        return np.zeros_like(out.array)
    directions = {inputs[k].node: t for k, t in tangents.items()}
    found = forward_sweep(between(out.node, directions), directions)
    return found.get(out.node, np.zeros_like(out.array))


def agree(name: str, found: Any, truth: Estimate) -> None:
    """Raise GradientError where `found` is further from a numerical truth than ten times its error estimate.

    A truth that is itself in doubt decides nothing: then the example is at fault, and that is an error as well.
    """
    scale = np.maximum(np.abs(truth.value), 1)
    if not (truth.error <= 1e-4 * scale).all():
        raise GradientError(f"{name}: inconclusive, central differences are good to {np.max(truth.error):.1g} here")
    close(name, found, truth.value, 10 * truth.error + 1e-7 * scale)


def close(name: str, found: Any, expected: Any, allowed: Any) -> None:
    """Raise GradientError naming the worst element where `found` is further from `expected` than allowed."""
    found = np.asarray(found.array if isinstance(found, Tensor) else found, np.float64)
    if not found.shape and not found:  # nothing arrived: zero everywhere
        found = np.zeros(np.shape(expected))
    if found.shape != np.shape(expected):
        raise GradientError(f"{name}: shape {found.shape}, expected {np.shape(expected)}")
    if found.size == 0:
        return
    excess = np.abs(found - expected) - allowed
    if not (excess <= 0).all():
        at = np.unravel_index(np.argmax(np.where(np.isnan(excess), np.inf, excess)), found.shape)
        index = tuple(int(i) for i in at)
        raise GradientError(f"{name}: at {index} the rule gives {found[at]:.9g}, the truth is {expected[at]:.9g}")


def check_at(primitive: Primitive, arrays: Sequence[Any], metadata: dict[str, Any], rng: np.random.Generator) -> None:
    """Every law for one op at one point. Raises GradientError naming the op, the law and the element."""
    arrays = list(arrays)
    before = [a.copy() if isinstance(a, np.ndarray) else a for a in arrays]

    def function(*args: Any) -> Any:
        return primitive(*args, **metadata)

    wanted = differentiable(primitive, arrays)
    out = function(*arrays)
    g = rng.normal(size=out.shape)
    tangents = {k: rng.normal(size=arrays[k].shape) for k in wanted}
    gradients = pull_back(function, arrays, wanted, g)
    for k in wanted:
        agree(f"{primitive.name}: vjp of argument {k}", gradients[k], cotangent_gradient(function, arrays, k, g))
    if primitive.jvp is not None:
        directions = [tangents.get(k) for k in range(len(arrays))]
        pushed = push_forward(function, arrays, tangents)
        agree(f"{primitive.name}: jvp", pushed, directional(function, arrays, directions))
        _check_transpose(primitive, g, pushed, gradients, tangents)
    _check_recorded(primitive, function, arrays, wanted, g, gradients)
    if primitive.reference is not None:
        _check_reference(primitive, metadata, arrays, wanted, g, gradients)
    _check_float32(primitive, function, arrays, wanted, g, gradients)
    for a, b in zip(arrays, before, strict=True):
        if not np.array_equal(a, b):
            raise GradientError(f"{primitive.name}: wrote into its argument")


def _check_transpose(primitive: Primitive, g: Array, pushed: Any, gradients: Any, tangents: Any) -> None:
    forward = np.vdot(g, pushed)
    backward = sum(np.vdot(gradients[k], tangents[k]) for k in tangents)
    if not np.isclose(forward, backward, rtol=1e-9, atol=1e-9):
        raise GradientError(f"{primitive.name}: <u, Jv> = {forward} but <J'u, v> = {backward}")


def _check_recorded(
    primitive: Primitive, function: Function, arrays: Any, wanted: Any, g: Array, gradients: Any
) -> None:
    """The recorded sweep gives the same gradients, and can be swept again: the second derivative."""
    inputs: list[Any] = [Tensor(a, requires_grad=True) if k in wanted else a for k, a in enumerate(arrays)]
    out = function(*inputs)
    if out.node is None:
        return
    recorded = reverse_sweep(out.node, wrap(g, None), create_graph=True)
    inner = wrap(np.zeros(()), None)
    directions: list[Any] = [None] * len(arrays)
    for k in wanted:
        first = recorded[inputs[k].node]
        close(f"{primitive.name}: recorded vjp of argument {k}", first, gradients[k], 1e-9)
        directions[k] = np.cos(np.arange(first.size)).reshape(first.shape)  # any direction but a special one
        inner = inner + (first * directions[k]).sum()
    second = reverse_sweep(inner.node, np.ones(())) if inner.node else {}
    for k in wanted:

        def gradient(*moved: Any, k: int = k) -> Any:
            return pull_back(function, moved, wanted, g)[k]

        truth = directional(gradient, arrays, directions)
        agree(f"{primitive.name}: second derivative, argument {k}", second.get(inputs[k].node, np.zeros(())), truth)
    if primitive.jvp is not None and wanted:
        expected = [second.get(inputs[k].node, np.zeros(arrays[k].shape)) for k in wanted]
        _check_mixed_modes(primitive, function, arrays, wanted, g, directions, expected)


def _check_mixed_modes(
    primitive: Primitive, function: Function, arrays: Any, wanted: Any, g: Array, directions: Any, expected: Any
) -> None:
    """Forward over reverse and reverse over forward give the second derivative that reverse over reverse gave."""

    def of_wanted(*xs: Any) -> Any:
        given = dict(zip(wanted, xs, strict=True))
        return function(*[given.get(k, array) for k, array in enumerate(arrays)])

    xs, ts = tuple(arrays[k] for k in wanted), tuple(directions[k] for k in wanted)
    _, over_reverse = jvp(lambda *xs: vjp(of_wanted, *xs)[1](g), xs, ts)
    over_forward = grad_or_zeros(lambda *xs: (jvp(of_wanted, xs, ts)[1] * g).sum(), tuple(range(len(xs))))(*xs)
    for way, found in (("forward over reverse", over_reverse), ("reverse over forward", over_forward)):
        for k, one, other in zip(wanted, found, expected, strict=True):
            allowed = 1e-9 * (1 + np.abs(other).max(initial=0))
            close(f"{primitive.name}: second derivative, {way}, argument {k}", one, other, allowed)


def _check_reference(
    primitive: Primitive, metadata: dict[str, Any], arrays: Any, wanted: Any, g: Array, gradients: Any
) -> None:
    def reference(*args: Any) -> Any:
        assert primitive.reference is not None
        return primitive.reference(*args, **{**primitive.signature.defaults, **metadata})

    fused, composed = primitive(*arrays, **metadata), reference(*arrays)
    close(f"{primitive.name}: value", fused, np.asarray(composed), 1e-9)
    composed_gradients = pull_back(reference, arrays, wanted, g)
    for k in wanted:
        close(
            f"{primitive.name}: against its reference, argument {k}",
            gradients[k],
            np.asarray(composed_gradients[k]),
            1e-9,
        )


def _check_float32(
    primitive: Primitive, function: Function, arrays: Any, wanted: Any, g: Array, gradients: Any
) -> None:
    """The float32 rule is compared with the float64 rule, never differenced; dtype and shape are the argument's."""
    if primitive.name == "astype":
        return
    narrow = [_narrow(a) for a in arrays]
    out = function(*narrow)
    if out.dtype != np.float32 and wanted:
        raise GradientError(f"{primitive.name}: float32 in, {out.dtype} out")
    for k, found in pull_back(function, narrow, wanted, g.astype(np.float32)).items():
        scale = 1 + np.abs(gradients[k]).max(initial=0)
        close(f"{primitive.name}: float32 vjp of argument {k}", found, gradients[k], 1e-5 * scale)


def _narrow(a: Any) -> Any:
    """The array in float32, and strided, so that nothing relies on a contiguous layout."""
    if not isinstance(a, np.ndarray) or a.dtype.kind != "f":
        return a
    spaced = np.zeros((*a.shape, 2), np.float32)
    spaced[..., 0] = a
    return spaced[..., 0]

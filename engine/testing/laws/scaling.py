"""The law of range: an op scales as its degree says, up to the edges of float32.

A power of two scales a float exactly. So if arguments are scaled by s = 2^k and the result has degree d in them, value
and tangent are those of the unscaled call times s^d, to a few roundings, and the gradient of an argument scaled by s^p
is that of the unscaled call times s^(d - p). Both calls are in float32. That the unscaled one is right is another law,
so an intermediate result that leaves the range of float32 where the true one does not is all that this one can find.

Every element is held whose true value is a normal number or zero; the derivatives, if no value overflows. A plain sum
or product of matrices overflows as NumPy's does: where an element is not finite, it is excused if the sum of the sizes
of its terms, which is what the op gives for the sizes of its arguments, is too large.

Read next: `engine/testing/laws/unused.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from engine.degree import Scaling
from engine.testing.claims import Case, Results
from engine.testing.report import GradientError

FLOATS = np.finfo(np.float32)
ROUNDINGS = 64 * float(FLOATS.eps)  # as a share of the element, and of the largest beside it, whose terms may cancel
FLOOR = 64 * float(FLOATS.smallest_subnormal)  # terms below the range of normal numbers lose digits
SMALLEST, LARGEST = -125, 128  # exponents of normal numbers, as `np.frexp` gives them


class _Call(NamedTuple):
    """What goes into a call and its sweeps; or in its place, the power of the factor by which that is scaled."""

    arrays: list[Any]
    g: Any
    tangents: list[Any]
    metadata: dict[str, Any]


def scaled_to_the_edges(case: Case) -> None:
    """Law: range. Value, gradients and tangent are scaled as the op declares, in each way of scaling its arguments."""
    for scaling in case.primitive.scalings:
        with np.errstate(all="ignore"):
            _hold(case, scaling)


def _hold(case: Case, scaling: Scaling) -> None:
    call = _in_float32(case)
    powers, of_results = _powers(case, scaling, call)
    if not any(powers.arrays):
        return  # the arguments to be scaled were left out, or are integers
    base = case.results(*call)
    k = _exponent(case, call, powers, base, of_results)
    scaled = _scaled(call, powers, k)
    found, excused = case.results(*scaled), None
    for name, power in of_results.items():
        if name not in found:
            continue  # the tangent, of an op without jvp rules
        factor = 2.0 ** (k * np.asarray(power))
        expected, size = base[name] * factor, np.abs(base[name]).astype(np.float64)
        held = (expected == 0) | ((np.abs(expected) >= FLOATS.tiny) & (np.abs(expected) <= FLOATS.max))
        if not np.isfinite(found[name][held]).all():
            excused = excused or _sums_of_sizes(case, scaled)
            held &= np.isfinite(found[name]) | ~(excused[name] > FLOATS.max)
        allowed = np.where(held, ROUNDINGS * (size + size.max(initial=0)) * factor + FLOOR, np.inf)
        try:
            case.judge.equal("range", name, found[name], expected, allowed)
        except GradientError as error:
            raise GradientError(f"{error.message}, with {_in_words(case, powers, k)}", "range") from None
        if name == "the result" and (np.abs(expected) > FLOATS.max).any():
            return


def _in_float32(case: Case) -> _Call:
    arrays, metadata = case.primitive.signature.bind(tuple(case.arrays), case.metadata)
    narrow = [a.astype(np.float32) if k in case.moving else a for k, a in enumerate(arrays)]
    tangents = [None if t is None else t.astype(np.float32) for t in case.tangents]
    return _Call(narrow, case.g.astype(np.float32), tangents, metadata)


def _powers(case: Case, scaling: Scaling, call: _Call) -> tuple[_Call, Results]:
    """The powers of the factor by which the parts of a call are scaled, and those of what comes out of it, by name.

    If the elements of the result have different degrees, a sum of them has none. So the cotangent is scaled then by the
    inverse of the result. Nor is there one for the derivative in an argument that the degree depends on.
    """
    signature = case.primitive.signature
    names = [signature.arguments[0 if signature.variadic else k] for k in range(len(call.arrays))]
    arrays = [scaling.powers.get(name, 0.0) if k in case.moving else 0.0 for k, name in enumerate(names)]
    metadata = {name: power for name, power in scaling.powers.items() if name in signature.metadata}
    degree = scaling.of_call(dict(zip(names, call.arrays, strict=True)), call.metadata)
    several = np.ndim(degree) > 0
    read = [k for k in case.moving if scaling.reads(names[k])]
    results = {"the result": degree}
    results |= {case.names[k]: (0.0 if several else degree) - arrays[k] for k in case.moving if k not in read}
    results |= {} if read else {"the tangent": degree}
    return _Call(arrays, -np.asarray(degree) if several else 0.0, arrays, metadata), results


def _exponent(case: Case, call: _Call, powers: _Call, base: Results, of_results: Results) -> int:
    """An exponent of the factor: at the edge where an argument, the result or a derivative leaves the range, or not."""
    given = [*zip(call.arrays, powers.arrays), *zip(call.tangents, powers.tangents), (call.g, powers.g)]
    value, *derivatives = [(base[name], power) for name, power in of_results.items() if name in base]
    inputs = [(values, power) for values, power in given if np.any(power)]
    spans = [_span(inputs), _span([*inputs, value]), _span([*inputs, value, *derivatives])]
    low, high = spans[case.rng.integers(len(spans))]
    return int(case.rng.choice([low, high, case.rng.integers(low, high + 1)]))


def _span(scaled: Iterable[tuple[Any, Any]]) -> tuple[int, int]:
    """The first and the last exponent of the factor with which all of these values are normal numbers; 0 is one."""
    low, high = -np.inf, np.inf
    for values, power in scaled:
        exponents, power = np.broadcast_arrays(np.frexp(values)[1], power)
        of_some = (values != 0) & (power != 0)
        ends = np.sort([(edge - exponents[of_some]) / power[of_some] for edge in (SMALLEST, LARGEST)], axis=0)
        low, high = max(low, ends[0].max(initial=low)), min(high, ends[1].min(initial=high))
    return (math.ceil(low), math.floor(high)) if -np.inf < low <= 0 <= high < np.inf else (0, 0)


def _scaled(call: _Call, powers: _Call, k: int) -> _Call:
    """The call with everything scaled by 2^k to its power."""

    def one(value: Any, power: Any) -> Any:
        if value is None or not np.any(power):
            return value
        scaled = value * 2.0 ** (k * np.asarray(power))
        return scaled.astype(np.float32) if isinstance(value, np.ndarray) else float(scaled)

    def several(values: list[Any], of_values: list[Any]) -> list[Any]:
        return list(map(one, values, of_values))

    metadata = {name: one(value, powers.metadata.get(name, 0.0)) for name, value in call.metadata.items()}
    return _Call(
        several(call.arrays, powers.arrays), one(call.g, powers.g), several(call.tangents, powers.tangents), metadata
    )


def _sums_of_sizes(case: Case, call: _Call) -> Results:
    """The sums of the sizes of the terms of each result, in float64, for an op that is a sum of products."""

    def sizes(values: list[Any]) -> list[Any]:
        return [np.abs(a).astype(np.float64) if k in case.moving else a for k, a in enumerate(values)]

    (g,) = (np.abs(call.g).astype(np.float64),)
    return case.results(sizes(call.arrays), g, sizes(call.tangents), call.metadata)


def _in_words(case: Case, powers: _Call, k: int) -> str:
    """"x by 2^40, eps by 2^80"."""
    named = dict(zip(case.names, powers.arrays, strict=True)) | powers.metadata
    return ", ".join(f"{name} scaled by 2^{k * power:g}" for name, power in named.items() if power)

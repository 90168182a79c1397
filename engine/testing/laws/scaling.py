"""The law of range: an op scales as its degree says, up to the edges of float32.

A power of two scales a float exactly. So if arguments are scaled by s = 2^k and the result has degree d in them, the
result is that of the unscaled call times s^d, to a few roundings, and the gradient of an argument scaled by s^p is that
of the unscaled call times s^(d - p). Both calls are in float32. That the unscaled one is right is what other laws say,
so all that this one can find is a wrong degree, and an intermediate result that leaves the range of float32.

Every element is held whose true value is a normal number or zero; derivatives a few powers of two below the end of the
range, because they are products. A plain sum or product of matrices overflows as NumPy's does: what is not finite is
excused if the sum of the sizes of its terms is out of range, which such an op gives for the sizes of its arguments.

Read next: `engine/testing/laws/unused.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.degree import Scaling
from engine.testing.claims import Case, Results
from engine.testing.report import GradientError

FLOATS = np.finfo(np.float32)
ROUNDINGS = 64 * float(FLOATS.eps)  # as a share of the unscaled results, and of their terms, which are of size one
FLOOR = 2.0**-139  # terms below the range of normal numbers lose digits
ROOM = 2.0**-6  # of the range is left to products with a cotangent or a tangent of size one, and to their sums
SMALLEST, LARGEST = -125, 128  # exponents of normal numbers, as `np.frexp` gives them


def scaled_to_the_edges(case: Case) -> None:
    """Law: range. Result, gradients and tangent are scaled as the op declares, in each way of scaling its arguments."""
    for scaling in case.primitive.scalings:
        calls = _Calls(case, scaling)
        if calls.anything:
            with np.errstate(all="ignore"):
                _hold(case, calls)


class _Calls:
    """The calls of an op in float32 with its arguments scaled by 2^k, one for each k.

    Attributes:
        anything: whether something is scaled; not if the arguments were left out, are integers or empty, or if the op
            has no degree in this call.
        powers: the power of the factor by which each argument is scaled.
        of_results: the powers by which the result, the gradients and the tangent are, by name.

    Cotangent and tangent are not scaled, and only one argument has a tangent: the sum over several has no degree. Nor
    has a sum of elements of the result with different degrees, so the cotangent is zero then but for one element; nor
    the derivative in an argument that the degree depends on.
    """

    def __init__(self, case: Case, scaling: Scaling) -> None:
        signature = case.primitive.signature
        self.case, self.scaling = case, scaling
        self.arrays, self.metadata = signature.bind(tuple(case.arrays), case.metadata)
        names = [signature.arguments[0 if signature.variadic else k] for k in range(len(self.arrays))]
        self.powers = [scaling.powers.get(name, 0.0) if k in case.moving else 0.0 for k, name in enumerate(names)]
        degree = scaling.of_call(dict(zip(names, self.arrays, strict=True)), self.metadata)
        self.anything = bool(degree is not None and case.out.size and any(self.powers))
        if self.anything:
            self._choose(np.asarray(degree), [k for k in case.moving if not scaling.reads(names[k])])

    def _choose(self, degree: Array, derived: list[int]) -> None:
        """Choose the cotangent and the tangent, given the arguments in which the derivative has a degree."""
        case, of_derivatives = self.case, degree
        self.g = case.g
        if degree.ndim:
            one = int(case.rng.integers(case.out.size))
            self.g = np.where(np.arange(case.out.size).reshape(case.out.shape) == one, case.g, 0.0)
            of_derivatives = np.broadcast_to(degree, case.out.shape).flat[one]
        moved = int(case.rng.choice(derived))
        self.tangents = [t if k == moved else None for k, t in enumerate(case.tangents)]
        gradients = {case.names[k]: of_derivatives - self.powers[k] for k in derived}
        self.of_results = {"the result": degree, **gradients, "the tangent": degree - self.powers[moved]}

    def results(self, k: int) -> Results:
        """The result, the gradients and the tangent of the call with this exponent."""
        return self.case.results(*self._given(k, np.float32))

    def results_of_sizes(self, k: int) -> Results:
        """The same in float64 for the sizes of all that is given: of a sum of products, the sums of sizes of terms."""
        arrays, g, tangents, metadata = self._given(k, np.float64)
        moving = self.case.moving
        arrays = [np.abs(a) if i in moving else a for i, a in enumerate(arrays)]
        return self.case.results(arrays, np.abs(g), [t if t is None else np.abs(t) for t in tangents], metadata)

    def _given(self, k: int, dtype: Any) -> tuple[list[Any], Array, list[Any], dict[str, Any]]:
        moving, tangents = self.case.moving, [t if t is None else t.astype(dtype) for t in self.tangents]
        arrays = [
            (a * 2.0 ** (k * power)).astype(dtype) if i in moving else a
            for i, (a, power) in enumerate(zip(self.arrays, self.powers, strict=True))
        ]
        scaled = {name: self.metadata[name] * 2.0 ** (k * power) for name, power in self._of_metadata()}
        return arrays, self.g.astype(dtype), tangents, {**self.metadata, **scaled}

    def _scaled_arrays(self) -> list[tuple[Array, float]]:
        return [(a, power) for a, power in zip(self.arrays, self.powers, strict=True) if power]

    def _of_metadata(self) -> list[tuple[str, float]]:
        return [(name, power) for name, power in self.scaling.powers.items() if name in self.metadata]

    def exponent(self, base: Results) -> int:
        """An exponent at the edge where an argument, the result or a derivative leaves the range, or in between."""
        inputs = self._scaled_arrays()
        inputs += [(np.asarray(self.metadata[name] ** (1 / power)), 1.0) for name, power in self._of_metadata()]
        result, *derivatives = [(base[name], power) for name, power in self.of_results.items() if name in base]
        rng, spans = self.case.rng, (inputs, [*inputs, result], [*inputs, result, *derivatives])
        low, high = _span(spans[rng.integers(len(spans))])
        return int(rng.choice([low, high, int(rng.integers(low, high + 1))]))

    def largest(self, k: int) -> float:
        """The size of the largest value among the scaled arguments."""
        return max(float(np.abs(a).max(initial=0)) * 2.0 ** (k * power) for a, power in self._scaled_arrays())

    def in_words(self, k: int) -> str:
        """As in "x scaled by 2^40, eps scaled by 2^80"."""
        return ", ".join(f"{name} scaled by 2^{k * power:g}" for name, power in self.scaling.powers.items())


def _span(scaled: Iterable[tuple[Array, Any]]) -> tuple[int, int]:
    """The first and the last exponent k such that all of these values are normal numbers times 2^k to their power."""
    low, high = -np.inf, np.inf
    for values, power in scaled:
        exponents, powers = np.broadcast_arrays(np.frexp(values)[1], power)
        counts = (values != 0) & (powers != 0)
        ends = np.sort([(edge - exponents[counts]) / powers[counts] for edge in (SMALLEST, LARGEST)], axis=0)
        low, high = max(low, ends[0].max(initial=low)), min(high, ends[1].min(initial=high))
    return (math.ceil(low), math.floor(high)) if -np.inf < low <= 0 <= high < np.inf else (0, 0)


def _hold(case: Case, calls: _Calls) -> None:
    base = calls.results(0)
    k = calls.exponent(base)
    found, largest = calls.results(k), float(FLOATS.max)
    for name, power in calls.of_results.items():
        if name not in found:
            continue  # the tangent, of an op without jvp rules
        factor = 2.0 ** (k * np.asarray(power))
        expected, size = base[name] * factor, np.abs(base[name] * factor)
        held = (size == 0) | ((size >= FLOATS.tiny) & (size <= largest))
        if not np.isfinite(found[name][held]).all():
            held &= np.isfinite(found[name]) | (np.abs(calls.results_of_sizes(k)[name]) <= FLOATS.max)
        allowed = ROUNDINGS * (1 + np.abs(base[name]).max(initial=0)) * factor + FLOOR
        try:
            case.judge.equal("range", name, found[name], expected, np.where(held, allowed, np.inf))
        except GradientError as error:
            raise GradientError(f"{error.message}, with {calls.in_words(k)}", error.law) from None
        if name == "the result":
            largest *= ROOM
            if max(size.max(initial=0), calls.largest(k)) > largest:
                return

"""The error function and its complement on arrays, which NumPy lacks.

For z >= 0, erfc(z) = t exp(-z^2 + p(t)) with t = 2 / (2 + z) and p smooth on (0, 1], so a short Chebyshev series for p
gives erfc to the precision of the dtype (the method of Numerical Recipes, section 6.2.2). The coefficients are
interpolated from `math.erfc` when first used.

Read next: `engine/ops/elementwise/trigonometry.py`.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from engine.arrays import Array


@cache
def _coefficients(terms: int) -> list[float]:
    def smooth(u: Any) -> Any:  # u in [-1, 1] stands for t = (1 + u) / 2
        t = (1 + np.asarray(u)) / 2
        z = 2 / t - 2
        scaled = [math.erfc(v) * math.exp(v * v) if v < 25 else _scaled_erfc_tail(v) for v in z]
        return np.log(np.array(scaled) / t)

    return np.polynomial.chebyshev.chebinterpolate(smooth, terms).tolist()


def _scaled_erfc_tail(z: float) -> float:
    """exp(z^2) erfc(z) for large z, by its asymptotic series."""
    w = 1 / (2 * z * z)
    return (1 - w * (1 - 3 * w * (1 - 5 * w * (1 - 7 * w)))) / (z * math.sqrt(math.pi))


def erf(x: Array) -> Array:
    """2 / sqrt(pi) times the integral of exp(-s^2) from 0 to x, elementwise, to the relative precision of the dtype."""
    out = np.asarray(np.copysign(1 - _tail(np.abs(x)), x))
    near = np.abs(x) < 0.5
    if near.any():  # 1 - erfc cancels near 0, the Taylor series does not
        small = x[near]
        square = small * small
        series = np.zeros_like(small)
        for n in range(12 if x.dtype == np.float64 else 6, -1, -1):
            series = series * square + (-1) ** n / (math.factorial(n) * (2 * n + 1))
        out[near] = 2 / math.sqrt(math.pi) * small * series
    return out


def erfc(x: Array) -> Array:
    """1 - erf(x), elementwise, to the relative precision of the dtype; the difference would cancel for large x."""
    tail, sign = _tail(np.abs(x)), np.copysign(1, x).astype(x.dtype, copy=False)
    tail *= sign  # where x is negative the result is 2 - tail; this is faster than a choice
    tail += 1 - sign
    return tail


def _tail(z: Array) -> Array:
    """erfc(z) for z >= 0; few temporary arrays, because making them takes as long as the arithmetic."""
    c = _coefficients(28 if z.dtype == np.float64 else 9)
    t = np.asarray(2 + z)
    np.divide(2, t, out=t)
    twice = np.asarray(4 * t)
    twice -= 2  # 2 u, where u = 2 t - 1
    d, dd, spare = np.zeros_like(t), np.zeros_like(t), np.empty_like(t)
    for coefficient in c[:0:-1]:  # Clenshaw's recurrence, 2 u d - dd + coefficient
        np.multiply(twice, d, out=spare)
        spare -= dd
        spare += coefficient
        d, dd, spare = spare, d, dd
    np.multiply(twice, d, out=spare)
    spare *= 0.5
    spare -= dd
    spare += c[0]
    spare -= np.multiply(z, z, out=dd)
    np.exp(spare, out=spare)
    spare *= t
    return spare

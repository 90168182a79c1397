"""exp for kernels: a polynomial, so that a processor computes several at a time (Cephes, expf).

    exp(x) = 2^n exp(r)      with n the whole number next to x / log 2, and so |r| <= log(2) / 2

where a polynomial is as exact as float32 is. To add and subtract 1.5 * 2^23 rounds to a whole number. 2^(n - 1) is
written as the bits of a float; its exponent is n - 1, not n, so that 2^128 times a number below 1 does not overflow.

Read next: `engine/kernels/gelu.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from engine.kernels.compiling import compiled

_LEAST, _GREATEST = np.float32(-87), np.float32(89)
_PER_LOG2, _ROUNDS = np.float32(1 / math.log(2)), np.float32(1.5 * 2**23)
_LOG2_HIGH, _LOG2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_P5, _P4, _P3, _P2, _P1, _P0 = (
    np.float32(number)
    for number in (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
)
_BIAS, _EXPONENT_AT = 126, 23  # of a float32: exponent 0 is written as 127, and 126 stands for the half
_ONE, _TWO = np.float32(1), np.float32(2)


@intrinsic
def _half_of_power(typing: Any, n: Any) -> Any:
    """2^(n - 1) for a whole number n given as a float32, from its bits. Numba itself would compute in 64 bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole = context.get_value_type(types.int32)
        exponent = builder.add(builder.fptosi(arguments[0], whole), whole(_BIAS))
        return builder.bitcast(builder.shl(exponent, whole(_EXPONENT_AT)), context.get_value_type(types.float32))

    return types.float32(types.float32), generate


@compiled
def exp(x: Any) -> Any:
    """exp(x) of a float32; nan of nan. Below exp(-87), the least normal float32, it stays there."""
    x = _LEAST if x < _LEAST else x
    x = _GREATEST if x > _GREATEST else x
    whole = x * _PER_LOG2 + _ROUNDS - _ROUNDS
    r = x - whole * _LOG2_HIGH - whole * _LOG2_LOW
    p = ((((_P5 * r + _P4) * r + _P3) * r + _P2) * r + _P1) * r + _P0
    return (p * r * r + r + _ONE) * _half_of_power(whole) * _TWO

"""Variance, standard deviation and Euclidean norm: sums of squares and their square roots.

The square roots have a kink where they are zero. There the rules send zero, which is a subgradient; dividing zero by
zero would send nan.

Read next: `engine/ops/scans.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.declare import primitive
from engine.examples import NONZERO, REAL, Arguments, Domain, Draw, Example, along_axes
from engine.operands import as_operand
from engine.ops.axes import axes_of
from engine.ops.elementwise.activations import as_floating
from engine.ops.elementwise.choices import nonzero_divisor
from engine.ops.reductions import count, mean, restore_axes, scaled_to_one, sum
from engine.plan import written

__all__ = ["norm", "std", "var"]


def _with_correction(domain: Domain) -> Example:
    def example(draw: Draw) -> Arguments:
        (x,), metadata = along_axes(domain, min_side=1)(draw)
        correction = draw.choice([0.0, 1.0, 0.5]) if count(x.shape, metadata["axis"]) > 1 else 0.0
        return Arguments([x], {**metadata, "correction": correction})

    return example


def _half_deviation(x: Any, axis: Any) -> Any:
    """Half of x minus its mean; the whole may leave the range of floats where the standard deviation does not.

    The first value is subtracted before the mean, so that a constant gives exactly zero.
    """
    axes = axes_of(axis, x.ndim)
    first = tuple(slice(0, 1) if a in axes else slice(None) for a in range(x.ndim))
    half = x * 0.5
    shifted = half - as_operand(half)[first]
    return shifted - mean(shifted, axis=axis, keepdims=True)


def _degrees_of_freedom(shape: tuple[int, ...], axis: Any, correction: float) -> float:
    """n - correction, the divisor of a sum of n squares; a Python number, which does not promote float32."""
    return float(count(shape, axis) - correction)


def _root_of_squares(x: Any, axis: Any, keepdims: bool, n: float = 1.0) -> Any:
    """sqrt(sum(x*x) / n); x is scaled by a power of two, because the sum leaves the range of floats before the root."""
    scaled, exponent = scaled_to_one(x, axis)
    root = np.ldexp(np.sqrt(np.sum(np.square(scaled), axis=axis, keepdims=True) / n), exponent)
    return root if keepdims else np.squeeze(root, axis=axes_of(axis, x.ndim))


def _standard_deviation(op: str, x: Any, axis: Any, correction: float, keepdims: bool) -> Any:
    n = count(np.shape(x), axis)
    if n == 0 or not n > correction:
        raise ValueError(f"{op}: {n} values along axis {axis} are too few for correction {correction}")
    quarter = _degrees_of_freedom(np.shape(x), axis, correction) / 4
    return _root_of_squares(_half_deviation(as_floating(x), axis), axis, keepdims, quarter)


def _var_backward(g: Any, x: Any, *, axis: Any, correction: float) -> Any:
    """g * 2 (x - mean(x)) / (n - correction)"""
    return restore_axes(g, x.shape, axis) * (
        _half_deviation(x, axis) * (4.0 / _degrees_of_freedom(x.shape, axis, correction))
    )


def _var_forward(t: Any, x: Any, *, axis: Any, correction: float, keepdims: bool) -> Any:
    return sum(t * _half_deviation(x, axis), axis=axis, keepdims=keepdims) * (
        4.0 / _degrees_of_freedom(x.shape, axis, correction)
    )


@primitive(vjp=(_var_backward,), jvp=(_var_forward,), examples=_with_correction(REAL), along="axis", degree=2)
def var(x: Any, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """Variance over axes, sum((x - mean)**2) / (n - correction); d = 2 <x - mean, dx> / (n - correction).

    Raises ValueError unless n > correction and n > 0.
    """
    return np.square(_standard_deviation("var", x, axis, correction, keepdims))


def _std_direction(x: Any, out: Any, axis: Any, correction: float) -> Any:
    """(x - mean) / ((n - correction) std), the gradient of std; the quotient comes first, as it is of size one."""
    quotient = _half_deviation(x, axis) / restore_axes(nonzero_divisor(out), x.shape, axis)
    return quotient * (2.0 / _degrees_of_freedom(x.shape, axis, correction))


def _std_backward(g: Any, x: Any, out: Any, *, axis: Any, correction: float) -> Any:
    """g * (x - mean(x)) / (out (n - correction))"""
    return restore_axes(g, x.shape, axis) * _std_direction(x, out, axis, correction)


def _std_forward(t: Any, x: Any, out: Any, *, axis: Any, correction: float, keepdims: bool) -> Any:
    return sum(t * _std_direction(x, out, axis, correction), axis=axis, keepdims=keepdims)


@primitive(
    vjp=(_std_backward,),
    jvp=(_std_forward,),
    examples=_with_correction(Domain(gap=0.5, distinct=True)),
    along="axis",
    degree=1,
)
def std(x: Any, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """Standard deviation over axes, sqrt(var(x)); d = <x - mean, dx> / ((n - correction) std), and 0 for a constant.

    Raises ValueError unless n > correction and n > 0.
    """
    return _standard_deviation("std", x, axis, correction, keepdims)


def _norm_direction(x: Any, out: Any, axis: Any) -> Any:
    """x / norm, the gradient of the norm."""
    return x / restore_axes(nonzero_divisor(out), x.shape, axis)


def _norm_forward(t: Any, x: Any, out: Any, *, axis: Any, keepdims: bool) -> Any:
    return sum(t * _norm_direction(x, out, axis), axis=axis, keepdims=keepdims)


@primitive(
    vjp=(
        written(
            "g * x / out", lambda g, x, out, *, axis: restore_axes(g, x.shape, axis) * _norm_direction(x, out, axis)
        ),
    ),
    jvp=(_norm_forward,),
    examples=along_axes(NONZERO, min_side=1),
    along="axis",
    degree=1,
)
def norm(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Euclidean length over axes, sqrt(sum(x*x)); d = <x, dx> / norm, and 0 at zero."""
    return _root_of_squares(as_floating(x), axis, keepdims)

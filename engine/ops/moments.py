"""How large values are, and how far they are from their mean: var, std, norm.

All three grow with the square of the values, and the two roots have a kink where they are zero. There the rules send
zero, which is among the slopes the kink allows; dividing zero by zero would send nan.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.declare import primitive
from engine.examples import NONZERO, REAL, Arguments, Domain, Draw, Example, along_axes
from engine.operands import as_operand
from engine.ops.reductions import axes_of, count, divisor, mean, narrowed, spread, sum, widened

__all__ = ["norm", "std", "var"]


def _with_correction(domain: Domain) -> Example:
    def example(draw: Draw) -> Arguments:
        (x,), metadata = along_axes(domain, min_side=1)(draw)
        correction = draw.choice([0.0, 1.0, 0.5]) if count(x.shape, metadata["axis"]) > 1 else 0.0
        return Arguments([x], {**metadata, "correction": correction})

    return example


def _deviation(x: Any, axis: Any) -> Any:
    """x minus its mean. One of its own values is taken off first, so that a constant deviates by exactly zero."""
    axes = axes_of(axis, x.ndim)
    first = tuple(slice(0, 1) if a in axes else slice(None) for a in range(x.ndim))
    shifted = x - as_operand(x)[first]
    return shifted - mean(shifted, axis=axis, keepdims=True)


def _freedom(shape: tuple[int, ...], axis: Any, correction: float) -> float:
    """What a sum of squares is divided by; a Python number, which leaves float32 as it is."""
    return float(count(shape, axis) - correction)


def _variance(op: str, x: Any, axis: Any, correction: float, keepdims: bool) -> Any:
    n = count(np.shape(x), axis)
    if n == 0 or n <= correction:
        raise ValueError(f"{op}: {n} values along axis {axis} are too few for correction {correction}; n must be more")
    squares = np.square(_deviation(widened(x), axis))
    return np.sum(squares, axis=axis, keepdims=keepdims) / _freedom(np.shape(x), axis, correction)


def _var_backward(g: Any, x: Any, *, axis: Any, correction: float) -> Any:
    return spread(g, x.shape, axis) * (_deviation(x, axis) * (2.0 / _freedom(x.shape, axis, correction)))


def _var_forward(t: Any, x: Any, *, axis: Any, correction: float, keepdims: bool) -> Any:
    return sum(t * _deviation(x, axis), axis=axis, keepdims=keepdims) * (2.0 / _freedom(x.shape, axis, correction))


@primitive(vjp=(_var_backward,), jvp=(_var_forward,), examples=_with_correction(REAL), along="axis")
def var(x: Any, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """Mean square deviation from the mean, sum(d*d) / (n - correction); d = 2 <x - mean, dx> / (n - correction)."""
    return narrowed(_variance("var", x, axis, correction, keepdims), x)


def _std_backward(g: Any, x: Any, out: Any, *, axis: Any, correction: float) -> Any:
    return spread(g / (divisor(out) * _freedom(x.shape, axis, correction)), x.shape, axis) * _deviation(x, axis)


def _std_forward(t: Any, x: Any, out: Any, *, axis: Any, correction: float, keepdims: bool) -> Any:
    along = sum(t * _deviation(x, axis), axis=axis, keepdims=keepdims)
    return along / (divisor(out) * _freedom(x.shape, axis, correction))


@primitive(
    vjp=(_std_backward,), jvp=(_std_forward,), examples=_with_correction(Domain(gap=0.5, distinct=True)), along="axis"
)
def std(x: Any, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """sqrt(var(x)); d = <x - mean, dx> / ((n - correction) std), and 0 for a constant."""
    return narrowed(np.sqrt(_variance("std", x, axis, correction, keepdims)), x)


def _norm_forward(t: Any, x: Any, out: Any, *, axis: Any, keepdims: bool) -> Any:
    return sum(t * x, axis=axis, keepdims=keepdims) / divisor(out)


@primitive(
    vjp=(lambda g, x, out, *, axis: spread(g / divisor(out), x.shape, axis) * x,),
    jvp=(_norm_forward,),
    examples=along_axes(NONZERO, min_side=1),
    along="axis",
)
def norm(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Euclidean length over axes, sqrt(sum(x*x)); d = <x, dx> / norm, and 0 at zero."""
    return narrowed(np.sqrt(np.sum(np.square(widened(x)), axis=axis, keepdims=keepdims)), x)

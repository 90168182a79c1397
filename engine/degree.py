"""Degree of homogeneity: to which power of a factor the result of an op is scaled when its arguments are.

    degree=0.5                                    sqrt: sqrt(s x) = s^0.5 sqrt(x)
    degree=1                                      add: a number is for all arguments together
    degree={"x": 1, "y": -1}                      divide: in each argument by itself
    degree={"x, bias": 1, "weight, bias": 1}      linear: in those named together, if they are scaled together
    degree={"x, eps^2": 0, "weight, bias": 1}     layer_norm: while x is scaled by s, eps must be by s^2
    degree=lambda x_shape, *, axis: count(x_shape, axis)  prod: it depends on the call; names as in a rule

A function may also return None, if the op is not homogeneous in that call.

The invariant: in a gradient, the degree is lower by the power to which its argument is scaled. So one number says how
value, gradients and tangent are scaled, and the law of range tries that to the edges of float32.

Read next: `engine/op.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import numpy as np

from engine.signature import Names, Signature

OneDegree = float | Callable[..., Any]
Degree = OneDegree | Mapping[str, OneDegree]


class Scaling(NamedTuple):
    """One way to scale the arguments of an op.

    Fields:
        powers: the power of the factor by which each argument, or each number in the metadata, is scaled, by name.
        degree: the power of the factor by which the result is scaled then, or a function that gives it for a call; an
            array for a result whose elements are scaled differently.
    """

    powers: dict[str, float]
    degree: OneDegree

    def reads(self, name: str) -> bool:
        """Whether the degree depends on the values of this argument."""
        return callable(self.degree) and name in Names.of(self.degree).positional

    def of_call(self, arguments: Mapping[str, Any], metadata: Mapping[str, Any]) -> Any:
        """The degree in a call, given its arguments and metadata by name."""
        if not callable(self.degree):
            return self.degree
        values = {**arguments, **{f"{name}_shape": np.shape(array) for name, array in arguments.items()}}
        read = Names.of(self.degree)
        return self.degree(*(values[name] for name in read.positional), **{n: metadata[n] for n in read.keywords})


def scalings(signature: Signature, degree: Degree | None, together: Collection[str]) -> tuple[Scaling, ...]:
    """What an op declares as its degree, as a list of scalings; `together` are the arguments that a number is for.

    Raises TypeError for a name that the op does not have.
    """
    if degree is None or not (together or isinstance(degree, Mapping)):
        return ()  # without any rule there is nothing to scale together
    declared = degree if isinstance(degree, Mapping) else {", ".join(together): degree}
    found = tuple(Scaling(dict(map(_power, scaled.split(","))), one) for scaled, one in declared.items())
    known = [*signature.arguments, *signature.metadata]
    shapes = [f"{name}_shape" for name in signature.arguments]
    for scaling in found:
        read = Names.of(scaling.degree) if callable(scaling.degree) else Names((), frozenset(), (), None)
        for name in (*scaling.powers, *read.positional, *read.keywords):
            if name not in known and (name in scaling.powers or name not in shapes):
                raise TypeError(f"{signature.op}: its degree names {name!r}; it can name {known}")
    return found


def _power(scaled: str) -> tuple[str, float]:
    """The name and the power in "eps^2"."""
    name, _, power = scaled.strip().partition("^")
    return name, float(power or 1)

"""The law of the zero cotangent: a value that was not used sends no gradient, whatever it is and however steep the op.

In `where(x > 0, x * log(x), 0.0)` at x = -1 the product receives the cotangent 0. It saved log(-1), which is nan, and
0 * nan is nan, while the right contribution is 0: the value was not selected. The same happens to 0 * inf.

Looking for that nan would cost a pass over every contribution. So it is looked for only where it can be:

- after NumPy raised its `invalid` flag, as it does for 0 * inf, at no cost. A sweep runs with an `Alarm` that listens;
- behind an op that selects some values and leaves others out (`where`, indexing), because 0 * nan raises no flag.

Where a nan is found and the cotangent is zero, the rule is run again with a harmless value in place of what was not
used. That holds for pointwise ops, place by place, and for ops along an axis, for slices whose whole cotangent is zero.
Products of matrices are exempt: each of their values is used by many results. The same holds for tangents.

Read next: `engine/backward.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine import ops
from engine.arrays import Array
from engine.graph import Node
from engine.operands import as_operand
from engine.ops.axes import axes_of, reduced_shape
from engine.plan import Run
from engine.tensor import Tensor

_HARMLESS = 0.5  # in the domain of every op, and its slopes are finite there


class Alarm:
    """Notices that a rule may have multiplied a zero cotangent by something that is not finite.

    Fields:
        rang: whether to look for a nan in what the last rule returned, because NumPy has met an invalid operation
            (0 * inf, 0 / 0, the square root of -1), or because of `selected`.
        selected: whether the sweep has passed an op that leaves values out.
    """

    __slots__ = ("rang", "selected")

    def __init__(self) -> None:
        self.rang = self.selected = False

    def __call__(self, *_: Any) -> None:
        self.rang = True

    def listening(self) -> np.errstate:
        """A context in which NumPy reports invalid operations here; its other warnings are silenced."""
        return np.errstate(all="ignore", invalid="call", call=self)

    def passes(self, node: Node, saved: tuple[Any, ...]) -> None:
        """Take note of a node of the sweep. A fused op saves its arguments: if none is nan, no nan was left out."""
        assert node.primitive is not None
        if node.primitive.selects and (node.primitive.reference is None or _has_nan(saved)):
            self.selected = self.rang = True

    def mended(self, node: Node, run: Run, g: Any, saved: tuple[Any, ...], result: Any) -> Any:
        """What a rule returned, for one argument or jointly for all, with 0 for what a zero cotangent sends."""
        op = node.primitive
        assert op is not None
        possible = saved and (op.pointwise or op.along is not None)
        unused = _Unused.under(node, g, result, np.isnan) if possible and _has_nan(result) else None
        if unused is not None:
            again = run(g, unused.replaced(saved))
            result = tuple(map(unused.zeroed, again)) if isinstance(again, tuple | list) else unused.zeroed(again)
        self.rang = self.selected
        return result

    def usable(self, node: Node, g: Any, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments on which the reference of a fused op is run again, without what was not used."""
        if not self.selected or all(map(_is_finite, values)):
            return values
        unused = _Unused.under(node, g, values, lambda value: ~np.isfinite(value))
        return values if unused is None else unused.replaced(values)


class _Unused:
    """The places where a node's values were not used, because their cotangent (or tangent) is zero, and are harmful.

    Fields:
        zero: True at these places, in the shape of the cotangent of a pointwise op; for an op along axes, True for
            whole slices, with size 1 along the axes.
        argument: the shape of the argument that an op works along; None for a pointwise op.
        result: the shape of the op's result.
    """

    def __init__(self, zero: Array, argument: tuple[int, ...] | None, result: tuple[int, ...]) -> None:
        self.zero, self.argument, self.result = zero, argument, result

    @classmethod
    def under(cls, node: Node, g: Any, values: Any, harmful: Callable[[Any], Any]) -> _Unused | None:
        """Those of a node under a cotangent; None if there are none, or if its op is exempt.

        Other places stay as they are: in a recorded sweep, a product with a zero cotangent still has a derivative.
        """
        assert node.primitive is not None
        zero, along, argument, axis = as_operand(g) == 0, node.primitive.along, None, None
        if not node.primitive.pointwise:
            if along is None:
                return None
            argument = node.shape if node.parents[0] is None else node.parents[0].shape
            axis = node.metadata[along] if isinstance(along, str) else along
            if zero.shape == argument:
                zero = zero.all(axis=axes_of(axis, len(argument)), keepdims=True)
            else:
                zero = zero.reshape(reduced_shape(argument, axis))
        for array in map(as_operand, values if isinstance(values, tuple | list) else (values,)):
            if _is_floating(array) and array.shape == (zero.shape if argument is None else argument):
                bad = harmful(array)
                zero = zero & (bad if argument is None else bad.any(axis=axes_of(axis, len(argument)), keepdims=True))
                break
        return cls(zero, argument, node.shape) if zero.any() else None

    def mask(self, shape: tuple[int, ...]) -> Array | None:
        """The places among values of this shape; None for values that do not belong to slices, such as a weight's."""
        if self.argument is None or shape == self.zero.shape:
            return self.zero
        if shape == self.argument:
            return np.broadcast_to(self.zero, shape)
        return self.zero.reshape(shape) if shape == self.result else None

    def replaced(self, value: Any) -> Any:
        """Saved values with a harmless one at the places that were not used."""
        if isinstance(value, tuple):
            return tuple(map(self.replaced, value))
        array = as_operand(value)
        if not _is_floating(array):
            return value
        mask = self.mask(array.shape)
        return value if mask is None else _where(mask, _HARMLESS, value)

    def zeroed(self, contribution: Any) -> Any:
        """A contribution with 0 in place of every nan at a place that was not used."""
        nan = None if contribution is None else np.isnan(as_operand(contribution))
        if nan is None or not nan.any() or (mask := self.mask(nan.shape)) is None:
            return contribution
        return _where(nan & mask, 0.0, contribution)


def _has_nan(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return any(map(_has_nan, value))
    array = as_operand(value)
    return _is_floating(array) and bool(np.isnan(np.vdot(array, array)))  # one pass, by BLAS, and no temporary array


def _is_finite(value: Any) -> bool:
    return not _is_floating(as_operand(value)) or bool(np.isfinite(as_operand(value)).all())


def _is_floating(array: Any) -> bool:
    return isinstance(array, np.ndarray | np.generic) and array.dtype.kind == "f"


def _where(mask: Array, x: float, y: Any) -> Any:
    return ops.where(mask, x, y) if isinstance(y, Tensor) else np.where(mask, np.asarray(x, y.dtype), y)

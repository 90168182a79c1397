"""What one can write with a tensor: operators, methods, and what NumPy is told when it meets one.

Every one is a line that calls the op of the same name; what the op does, and how it is differentiated, is in
`engine/ops/`. Methods take NumPy's positional forms as well (`x.sum(0)`, `x.reshape(2, 3)`).

Read next: `engine/primitive.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

import engine

if TYPE_CHECKING:
    from engine.tensor import Array, Tensor

# The ufuncs that NumPy calls for `array + tensor` and the like, by the names of our ops.
_OPERATORS = {"power": "pow"} | {
    name: name
    for name in "add subtract multiply divide matmul equal not_equal less less_equal greater greater_equal".split()
}


_RENAMED = {
    "absolute": "abs",
    "power": "pow",
    "concatenate": "concat",
    "transpose": "permute_dims",
    "dot": "matmul",
} | {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "arctan2": "atan2"}


class Operators:
    """The operators and methods of `Tensor`."""

    __slots__ = ()

    if TYPE_CHECKING:  # what Tensor has

        @property
        def ndim(self) -> int: ...

        @property
        def size(self) -> int: ...

        def __len__(self) -> int: ...

    # ---- arithmetic --------------------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Tensor:
        return engine.add(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return engine.add(other, self)

    def __sub__(self, other: Any) -> Tensor:
        return engine.subtract(self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return engine.subtract(other, self)

    def __mul__(self, other: Any) -> Tensor:
        return engine.multiply(self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return engine.multiply(other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return engine.divide(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return engine.divide(other, self)

    def __pow__(self, other: Any) -> Tensor:
        return engine.pow(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return engine.pow(other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return engine.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return engine.matmul(other, self)

    def __neg__(self) -> Tensor:
        return engine.negative(self)

    def __pos__(self) -> Tensor:
        return engine.alias(self)

    def __abs__(self) -> Tensor:
        return engine.abs(self)

    # ---- comparisons: not differentiable, so plain arrays out -----------------------------------------------------

    def __eq__(self, other: Any) -> Array:  # type: ignore[override]
        return engine.equal(self, other)

    def __ne__(self, other: Any) -> Array:  # type: ignore[override]
        return engine.not_equal(self, other)

    def __lt__(self, other: Any) -> Array:
        return engine.less(self, other)

    def __le__(self, other: Any) -> Array:
        return engine.less_equal(self, other)

    def __gt__(self, other: Any) -> Array:
        return engine.greater(self, other)

    def __ge__(self, other: Any) -> Array:
        return engine.greater_equal(self, other)

    __hash__ = object.__hash__

    # ---- elements -------------------------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Tensor:
        return engine.getitem(self, index)

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise TypeError("tensors are values: use engine.where to select, or assign() to overwrite a parameter")

    def __iter__(self) -> Iterator[Tensor]:
        return (self[k] for k in range(len(self)))

    # ---- elementwise ----------------------------------------------------------------------------------------------

    def abs(self) -> Tensor:
        return engine.abs(self)

    def exp(self) -> Tensor:
        return engine.exp(self)

    def log(self) -> Tensor:
        return engine.log(self)

    def sqrt(self) -> Tensor:
        return engine.sqrt(self)

    def square(self) -> Tensor:
        return engine.square(self)

    def sin(self) -> Tensor:
        return engine.sin(self)

    def cos(self) -> Tensor:
        return engine.cos(self)

    def tan(self) -> Tensor:
        return engine.tan(self)

    def tanh(self) -> Tensor:
        return engine.tanh(self)

    def sigmoid(self) -> Tensor:
        return engine.sigmoid(self)

    def relu(self) -> Tensor:
        return engine.relu(self)

    def clip(self, min: Any = None, max: Any = None) -> Tensor:
        return engine.clip(self, min, max)

    def astype(self, dtype: Any) -> Tensor:
        return engine.astype(self, dtype=np.dtype(dtype))

    # ---- reductions and scans -------------------------------------------------------------------------------------

    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return engine.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return engine.mean(self, axis=axis, keepdims=keepdims)

    def prod(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return engine.prod(self, axis=axis, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return engine.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return engine.min(self, axis=axis, keepdims=keepdims)

    def norm(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return engine.norm(self, axis=axis, keepdims=keepdims)

    def logsumexp(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return engine.logsumexp(self, axis=axis, keepdims=keepdims)

    def var(self, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
        return engine.var(self, axis=axis, correction=correction, keepdims=keepdims)

    def std(self, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
        return engine.std(self, axis=axis, correction=correction, keepdims=keepdims)

    def argmax(self, axis: Any = None, keepdims: bool = False) -> Array:
        return engine.argmax(self, axis=axis, keepdims=keepdims)

    def argmin(self, axis: Any = None, keepdims: bool = False) -> Array:
        return engine.argmin(self, axis=axis, keepdims=keepdims)

    def cumsum(self, axis: int) -> Tensor:
        return engine.cumsum(self, axis=axis)

    def cumprod(self, axis: int) -> Tensor:
        return engine.cumprod(self, axis=axis)

    def sort(self, axis: int = -1, descending: bool = False) -> Tensor:
        return engine.sort(self, axis=axis, descending=descending)

    def argsort(self, axis: int = -1, descending: bool = False) -> Array:
        return engine.argsort(self, axis=axis, descending=descending)

    def softmax(self, axis: int = -1) -> Tensor:
        return engine.softmax(self, axis=axis)

    def log_softmax(self, axis: int = -1) -> Tensor:
        return engine.log_softmax(self, axis=axis)

    # ---- shapes ---------------------------------------------------------------------------------------------------

    def reshape(self, *shape: Any) -> Tensor:
        return engine.reshape(self, shape=shape[0] if len(shape) == 1 else shape)

    def flatten(self) -> Tensor:
        return engine.reshape(self, shape=(-1,) if self.size else (0,))

    def permute_dims(self, *axes: Any) -> Tensor:
        return engine.permute_dims(self, axes=axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes)

    def transpose(self, *axes: Any) -> Tensor:
        return self.permute_dims(*axes) if axes else self.T

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        return engine.swapaxes(self, axis1=axis1, axis2=axis2)

    def expand_dims(self, axis: int = 0) -> Tensor:
        return engine.expand_dims(self, axis=axis)

    def squeeze(self, axis: Any = None) -> Tensor:
        return engine.squeeze(self, axis=axis)

    def broadcast_to(self, shape: tuple[int, ...]) -> Tensor:
        return engine.broadcast_to(self, shape=shape)

    def split(self, sections: Any, axis: int = 0) -> list[Tensor]:
        return engine.split(self, sections, axis=axis)

    def take(self, indices: Any, axis: int) -> Tensor:
        return engine.take(self, indices, axis=axis)

    @property
    def T(self) -> Tensor:
        return engine.permute_dims(self, axes=tuple(reversed(range(self.ndim))))

    @property
    def mT(self) -> Tensor:
        return engine.swapaxes(self, axis1=-1, axis2=-2)

    # ---- not NumPy arrays, and says so ----------------------------------------------------------------------------

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("a Tensor is not an array: use .numpy() for its value, or the engine's function of that name")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        """`array + tensor` is a tensor; `array += tensor` and `np.exp(tensor)` would lose the graph."""
        if "out" in keywords:
            raise TypeError(
                "a Tensor cannot be written into an array: that would lose its graph; use array = array + tensor"
            )
        name = _OPERATORS.get(ufunc.__name__)
        if name is None or method != "__call__" or keywords:
            raise TypeError(_instead_of(ufunc.__name__))
        return getattr(engine, name)(*inputs)

    def __array_function__(self, function: Any, *_: Any) -> NoReturn:
        raise TypeError(_instead_of(function.__name__))


def _instead_of(name: str) -> str:
    ours = _RENAMED.get(name, name)
    known = f"engine.{ours}, or " if hasattr(engine, ours) else ""
    return f"np.{name} does not take a Tensor: use {known}.numpy() for its value"

"""The operators and methods of a tensor, and how it answers NumPy's functions.

Each is one line that calls the op of the same name; what the op computes, and how it is differentiated, is in
`engine/ops/`. Methods take NumPy's positional forms as well (`x.sum(0)`, `x.reshape(2, 3)`).

Read next: `engine/namespace.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn, Self

from engine.arrays import Array
from engine.namespace import ops

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

    if TYPE_CHECKING:  # attributes that `Tensor` defines

        @property
        def ndim(self) -> int: ...

        @property
        def size(self) -> int: ...

        def __len__(self) -> int: ...

    # ---- arithmetic --------------------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Self:
        return ops.add(self, other)

    def __radd__(self, other: Any) -> Self:
        return ops.add(other, self)

    def __sub__(self, other: Any) -> Self:
        return ops.subtract(self, other)

    def __rsub__(self, other: Any) -> Self:
        return ops.subtract(other, self)

    def __mul__(self, other: Any) -> Self:
        return ops.multiply(self, other)

    def __rmul__(self, other: Any) -> Self:
        return ops.multiply(other, self)

    def __truediv__(self, other: Any) -> Self:
        return ops.divide(self, other)

    def __rtruediv__(self, other: Any) -> Self:
        return ops.divide(other, self)

    def __pow__(self, other: Any) -> Self:
        return ops.pow(self, other)

    def __rpow__(self, other: Any) -> Self:
        return ops.pow(other, self)

    def __matmul__(self, other: Any) -> Self:
        return ops.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Self:
        return ops.matmul(other, self)

    def __neg__(self) -> Self:
        return ops.negative(self)

    def __pos__(self) -> Self:
        return ops.alias(self)

    def __abs__(self) -> Self:
        return ops.abs(self)

    # ---- comparisons: not differentiable, so plain arrays out -----------------------------------------------------

    def __eq__(self, other: Any) -> Array:  # type: ignore[override]
        return ops.equal(self, other)

    def __ne__(self, other: Any) -> Array:  # type: ignore[override]
        return ops.not_equal(self, other)

    def __lt__(self, other: Any) -> Array:
        return ops.less(self, other)

    def __le__(self, other: Any) -> Array:
        return ops.less_equal(self, other)

    def __gt__(self, other: Any) -> Array:
        return ops.greater(self, other)

    def __ge__(self, other: Any) -> Array:
        return ops.greater_equal(self, other)

    __hash__ = object.__hash__

    # ---- elements -------------------------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Self:
        return ops.getitem(self, index)

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise TypeError("tensors are values: use engine.where to select, or assign() to overwrite a parameter")

    def __iter__(self) -> Iterator[Self]:
        return (self[k] for k in range(len(self)))

    # ---- elementwise ----------------------------------------------------------------------------------------------

    def abs(self) -> Self:
        return ops.abs(self)

    def exp(self) -> Self:
        return ops.exp(self)

    def log(self) -> Self:
        return ops.log(self)

    def sqrt(self) -> Self:
        return ops.sqrt(self)

    def square(self) -> Self:
        return ops.square(self)

    def sin(self) -> Self:
        return ops.sin(self)

    def cos(self) -> Self:
        return ops.cos(self)

    def tan(self) -> Self:
        return ops.tan(self)

    def tanh(self) -> Self:
        return ops.tanh(self)

    def sigmoid(self) -> Self:
        return ops.sigmoid(self)

    def relu(self) -> Self:
        return ops.relu(self)

    def clip(self, min: Any = None, max: Any = None) -> Self:
        return ops.clip(self, min, max)

    def astype(self, dtype: Any) -> Self:
        return ops.astype(self, dtype=dtype)

    # ---- reductions and scans -------------------------------------------------------------------------------------

    def sum(self, axis: Any = None, keepdims: bool = False) -> Self:
        return ops.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Self:
        return ops.mean(self, axis=axis, keepdims=keepdims)

    def prod(self, axis: Any = None, keepdims: bool = False) -> Self:
        return ops.prod(self, axis=axis, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Self:
        return ops.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Self:
        return ops.min(self, axis=axis, keepdims=keepdims)

    def norm(self, axis: Any = None, keepdims: bool = False) -> Self:
        return ops.norm(self, axis=axis, keepdims=keepdims)

    def logsumexp(self, axis: Any = None, keepdims: bool = False) -> Self:
        return ops.logsumexp(self, axis=axis, keepdims=keepdims)

    def var(self, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Self:
        return ops.var(self, axis=axis, correction=correction, keepdims=keepdims)

    def std(self, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Self:
        return ops.std(self, axis=axis, correction=correction, keepdims=keepdims)

    def argmax(self, axis: Any = None, keepdims: bool = False) -> Array:
        return ops.argmax(self, axis=axis, keepdims=keepdims)

    def argmin(self, axis: Any = None, keepdims: bool = False) -> Array:
        return ops.argmin(self, axis=axis, keepdims=keepdims)

    def cumsum(self, axis: int) -> Self:
        return ops.cumsum(self, axis=axis)

    def cumprod(self, axis: int) -> Self:
        return ops.cumprod(self, axis=axis)

    def sort(self, axis: int = -1, descending: bool = False) -> Self:
        return ops.sort(self, axis=axis, descending=descending)

    def argsort(self, axis: int = -1, descending: bool = False) -> Array:
        return ops.argsort(self, axis=axis, descending=descending)

    def softmax(self, axis: int = -1) -> Self:
        return ops.softmax(self, axis=axis)

    def log_softmax(self, axis: int = -1) -> Self:
        return ops.log_softmax(self, axis=axis)

    # ---- shapes ---------------------------------------------------------------------------------------------------

    def reshape(self, *shape: Any) -> Self:
        return ops.reshape(self, shape=shape[0] if len(shape) == 1 else shape)

    def flatten(self) -> Self:
        return ops.reshape(self, shape=(-1,) if self.size else (0,))

    def permute_dims(self, *axes: Any) -> Self:
        return ops.permute_dims(self, axes=axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes)

    def transpose(self, *axes: Any) -> Self:
        return self.permute_dims(*axes) if axes else self.T

    def swapaxes(self, axis1: int, axis2: int) -> Self:
        return ops.swapaxes(self, axis1=axis1, axis2=axis2)

    def expand_dims(self, axis: int = 0) -> Self:
        return ops.expand_dims(self, axis=axis)

    def squeeze(self, axis: Any = None) -> Self:
        return ops.squeeze(self, axis=axis)

    def broadcast_to(self, shape: tuple[int, ...]) -> Self:
        return ops.broadcast_to(self, shape=shape)

    def split(self, sections: Any, axis: int = 0) -> list[Self]:
        return ops.split(self, sections, axis=axis)

    def take(self, indices: Any, axis: int) -> Self:
        return ops.take(self, indices, axis=axis)

    @property
    def T(self) -> Self:
        return ops.permute_dims(self, axes=tuple(reversed(range(self.ndim))))

    @property
    def mT(self) -> Self:
        return ops.swapaxes(self, axis1=-1, axis2=-2)

    # ---- NumPy's functions refuse a tensor -------------------------------------------------------------------------

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
        return getattr(ops, name)(*inputs)

    def __array_function__(self, function: Any, *_: Any) -> NoReturn:
        raise TypeError(_instead_of(function.__name__))


def _instead_of(name: str) -> str:
    ours = _RENAMED.get(name, name)
    known = f"engine.{ours}, or " if hasattr(ops, ours) else ""
    return f"np.{name} does not take a Tensor: use {known}.numpy() for its value"

"""Tensor: a light handle on an array and on the node that made it.

    Tensor = (array, node)

The array is the value; the node says how it was computed and is None for a constant. Tensors are values: no
operator writes into one (`x += y` makes a new tensor and rebinds the name). The single exception is `assign`,
which optimizers use on parameters. So that it never makes a gradient silently wrong, `engine/versions.py` remembers
which memory was assigned and when.

The invariant: `requires_grad` is `node is not None`. A leaf (made by the user with `requires_grad=True`) has a
node without an op; its `.grad` is filled by `backward`, adding to what is there.

Read next: `engine/operators.py`, what can be written with a tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final
from weakref import ref

import numpy as np

from engine import graph, versions
from engine.arrays import Array, default_dtype
from engine.graph import Node, next_serial
from engine.namespace import ops
from engine.operators import Operators
from engine.plan import Plan


def as_array(data: Any, dtype: Any = None) -> Array:
    """A new array holding `data`: arrays keep their dtype, Python numbers and lists take the default one."""
    if isinstance(data, Tensor):
        data = data.array
    if isinstance(data, list | tuple) and holds_tensor(data):
        raise TypeError("Tensor: a list of tensors is no tensor; join them with engine.stack, which keeps gradients")
    array = np.array(data)  # a copy: a tensor never shares memory with what it was made from
    for kind in (array.dtype, np.dtype(dtype or array.dtype)):
        if kind.kind not in "fiub":
            raise TypeError(f"Tensor: no support for dtype {kind}; give real numbers")
    array = array if dtype is None else array.astype(dtype, copy=False)
    if dtype is None and not isinstance(data, np.ndarray | np.generic) and array.dtype.kind != "b":
        array = array.astype(default_dtype())
    return array.astype(array.dtype.newbyteorder("="), copy=False)  # files may bring foreign byte orders


def holds_tensor(values: Any) -> bool:
    """Whether there is a tensor in a nested list."""
    return any(isinstance(one, Tensor) or (isinstance(one, list | tuple) and holds_tensor(one)) for one in values)


_new = object.__new__  # makes a tensor without its __init__, which would copy the data


def wrap(array: Array, node: Node | None) -> Tensor:
    """A tensor on this very array, without copying it: what ops return."""
    tensor = _new(Tensor)
    tensor.array = array
    tensor.node = node
    tensor.grad = None
    return tensor


def recorded(
    array: Array,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    plan: Plan,
    links: Node | tuple[Node | None, ...],
    saved: tuple[Any, ...],
    metadata: dict[str, Any],
    scope: tuple[str, ...],
) -> Tensor:
    """A tensor on this very array and a new node: one function makes both, as a call takes as long as the making."""
    node = Node()
    node.serial = next_serial()
    node.links = links
    node.plan = plan
    node.saved = saved
    node.metadata = metadata
    node.shape = shape
    node.dtype = dtype
    node.scope = scope
    node.notes = None
    tensor = _new(Tensor)
    tensor.array = array
    tensor.node = node
    tensor.grad = None
    return tensor


@final
class Tensor(Operators):
    """An array that remembers how it was computed.

    Args:
        data: numbers, nested lists, an array (copied) or a tensor (its value is copied).
        requires_grad: whether `backward` computes the gradient of this tensor; floating dtypes only.
        dtype: a NumPy dtype; by default an array's own, and `engine.set_default_dtype`'s for Python numbers.
        name: shown in pictures and error messages.

    Attributes:
        grad: a Tensor of the same shape and dtype after `backward`, or None.
        node: the graph node that made this tensor, or None for a constant.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    Tensor([2., 4.])
    """

    __slots__ = ("__weakref__", "array", "grad", "node")

    array: Array
    node: Node | None
    grad: Tensor | None

    def __init__(self, data: Any, requires_grad: bool = False, dtype: Any = None, name: str | None = None) -> None:
        self.array = as_array(data, dtype)
        self.node = None
        self.grad = None
        if requires_grad:
            if self.array.dtype.kind != "f":
                raise TypeError(f"Tensor: dtype {self.array.dtype} cannot require a gradient; give dtype=np.float32")
            self.node = graph.leaf(self.array.shape, self.array.dtype)
            self.node.note().target = ref(self)
        if name is not None:
            self.name = name

    # ---- what it is --------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def ndim(self) -> int:
        return self.array.ndim

    @property
    def size(self) -> int:
        return self.array.size

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    @property
    def requires_grad(self) -> bool:
        return self.node is not None

    @property
    def is_leaf(self) -> bool:
        """Whether the user made it, rather than an op."""
        return self.node is None or self.node.primitive is None

    @property
    def name(self) -> str | None:
        return None if self.node is None else self.node.name

    @name.setter
    def name(self, name: str) -> None:
        """The name is kept on the node, where pictures find it; on a constant, which has no node, it is dropped."""
        if self.node is not None:
            self.node.note().name = name

    def numpy(self) -> Array:
        """The value as a read-only view of the tensor's memory: no copy, and no way to change the tensor."""
        view = self.array.view()
        view.flags.writeable = False
        return view

    def item(self) -> float | int | bool:
        """The value of a one-element tensor as a Python number."""
        return self.array.item()

    def detach(self) -> Tensor:
        """The same value as a constant, through which no gradient flows. Shares memory with this tensor."""
        return wrap(self.array, None)

    def __repr__(self) -> str:
        values = np.array2string(self.array, separator=", ", threshold=20, prefix="Tensor(")
        dtype = "" if self.dtype == default_dtype() else f", dtype={self.dtype}"
        made = ""
        if self.node is not None:
            made = ", requires_grad=True" if self.is_leaf else f", <{self.node.op}>"
        return f"Tensor({values}{dtype}{made})"

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a tensor without axes has no length; use .size, or .item() for its value")
        return self.shape[0]

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(f"a tensor of shape {self.shape} is neither true nor false; use .numpy().any() or .all()")
        return bool(self.item())

    def __format__(self, specification: str) -> str:
        return format(self.item() if self.size == 1 and specification else str(self), specification)

    def __float__(self) -> float:
        return float(self._number("float"))

    def __int__(self) -> int:
        return int(self._number("int"))

    def _number(self, kind: str) -> float | int | bool:
        if self.node is not None:
            raise TypeError(f"{kind}() of a tensor that requires a gradient would lose it; use .item() for the number")
        return self.item()

    __hash__ = object.__hash__

    # ---- gradients ---------------------------------------------------------------------------------------------

    def backward(self, gradient: Any = None, *, retain_graph: bool = False, create_graph: bool = False) -> None:
        """Add the gradient of this tensor to the `.grad` of every leaf it was computed from.

        Args:
            gradient: the cotangent to start with, of this tensor's shape; 1 by default, for a tensor of one element.
            retain_graph: keep what the sweep used, so that it can be swept again.
            create_graph: record the sweep itself, so that the gradients can be differentiated.

        Raises:
            RuntimeError: no graph, a graph already freed, or a saved value assigned since.
            ValueError: `gradient` has another shape.
        """
        ops.backward(self, gradient, retain_graph=retain_graph, create_graph=create_graph)

    def retain_grad(self) -> None:
        """Make `backward` fill `.grad` of this tensor although it is not a leaf. RuntimeError if it has no graph."""
        if self.node is None:
            raise RuntimeError("retain_grad: this tensor has no graph, so no gradient will ever arrive")
        self.node.note().target = ref(self)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Callable[[], None]:
        """Call `hook` with the gradient of this tensor whenever a sweep has added up all its contributions.

        If it returns a tensor, that takes the gradient's place, here and in the rest of the sweep. Several hooks run in
        the order they were given. Returns a function that removes the hook again. RuntimeError if there is no graph.
        """
        if self.node is None:
            raise RuntimeError("register_hook: this tensor has no graph, so no gradient will ever arrive")
        hooks, key = self.node.note().hooks, graph.next_serial()
        hooks[key] = hook
        return lambda: hooks.pop(key, None) and None

    def zero_grad(self) -> None:
        """Set `.grad` to None."""
        self.grad = None

    def assign(self, value: Any) -> None:
        """Overwrite the value of a leaf, as optimizers do; nothing is recorded.

        Raises ValueError for another shape, RuntimeError for a tensor that an op made.
        """
        if not self.is_leaf:
            raise RuntimeError(f"assign: {self.node and self.node.op} made this tensor; only leaves can be assigned")
        array = value.array if isinstance(value, Tensor) else np.asarray(value)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"assign: no support for dtype {array.dtype}; give real numbers")
        if array.shape != self.shape:
            raise ValueError(f"assign: shape {array.shape} given for a tensor of shape {self.shape}")
        self.array[...] = array
        versions.bump(self.array)

    def __copy__(self) -> Tensor:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        self._refuse_unless_leaf("copy")
        return Tensor(self.array, requires_grad=self.requires_grad, name=self.name)

    def __reduce__(self) -> tuple[Any, ...]:
        self._refuse_unless_leaf("pickle")
        return Tensor, (self.array, self.requires_grad, None, self.name)

    def _refuse_unless_leaf(self, verb: str) -> None:
        if not self.is_leaf:
            raise RuntimeError(f"cannot {verb} a tensor that is part of a graph; detach() it first")

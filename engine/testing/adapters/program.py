"""Program: a function of PyTorch's tensors, or a module, as it runs at arrays that the checker moves.

Every run is like the first. It draws from the same seed, so that dropout drops the same elements; buffers and frozen
parameters are as they were, so that batch norm forgets the run before; the default dtype is that of the arrays, so that
`torch.zeros(n)` inside the function fits; and there is one thread, which always adds up in the same order, and is
faster at the small sizes of a check. Nothing of this is left behind after the run.

Read next: `engine/testing/adapters/contract.py`, what a backward pass owes autograd besides its values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine import trees
from engine.arrays import Array

__tracebackhide__ = True  # in pytest's tracebacks: what failed is what was checked


class Arguments:
    """The arguments of a call: floating arrays and tensors, which are moved, and all else, which is passed through.

    Attributes:
        names, xs: the names and values of what is moved.
        written: the arguments with arrays in place of tensors.
    """

    def __init__(
        self, torch: Any, check: str, places: Sequence[str], args: Sequence[Any], dtype: np.dtype[Any]
    ) -> None:
        self.torch = torch
        self.names: list[str] = []
        self.xs: list[Array] = []
        self._leaves: list[list[Any]] = []  # of each argument: a device for what is moved, a tensor, or anything else
        self._forms = list(args)
        self.written: list[Any] = []
        for place, arg in zip(places, args, strict=True):
            if isinstance(arg, torch.nn.Module):
                raise TypeError(f"{check}: {place} is a module; give the module to check_torch_module, as its subject")
            leaves = trees.leaves(arg)
            self._leaves.append([self._leaf(check, place + leaf.path, leaf.value, dtype) for leaf in leaves])
            self.written.append(_readable(torch, arg))

    def _leaf(self, check: str, name: str, value: Any, dtype: np.dtype[Any]) -> Any:
        if not isinstance(value, np.ndarray | self.torch.Tensor):
            return value
        if isinstance(value, self.torch.Tensor) and value.layout != self.torch.strided:
            raise TypeError(f"{check}: {name} is sparse; give a dense tensor, and make it sparse inside the function")
        tensor = value.detach() if isinstance(value, self.torch.Tensor) else self.torch.from_numpy(np.array(value))
        if tensor.is_complex():
            raise TypeError(f"{check}: {name} is complex; check a function of its real and imaginary parts")
        if not tensor.is_floating_point():
            return tensor
        self.names.append(name)
        self.xs.append(array_of(tensor.double()).astype(dtype))
        return tensor.device

    def call(self, moved: Sequence[Any]) -> list[Any]:
        """The arguments with these tensors in place of what is moved; all are copies, free to be written into."""
        given = iter(moved)
        found = []
        for form, leaves in zip(self._forms, self._leaves, strict=True):
            values = [next(given) if isinstance(leaf, self.torch.device) else leaf for leaf in leaves]
            copies = [one.clone() if isinstance(one, self.torch.Tensor) else one for one in values]
            found.append(trees.with_leaves(form, copies))
        return found

    def devices(self) -> list[Any]:
        """Where what is moved belongs."""
        return [leaf for leaves in self._leaves for leaf in leaves if isinstance(leaf, self.torch.device)]


@dataclass
class Program:
    """A function at its arguments.

    Fields:
        torch: the framework.
        check, subject: the names of the check and of the function.
        apply: the function of tensors.
        arguments: what it is called with.
        parameters: those of a module, by name; they are moved as well.
        buffers: modules, each with the name and the first value of a buffer.
        frozen: parameters that are not moved, each with its value.
        declared: whether autograd knows which results have no gradient, as it does of an autograd.Function.
        seed: of the random numbers that the function draws.
    """

    torch: Any
    check: str
    subject: str
    apply: Callable[..., Any]
    arguments: Arguments
    parameters: dict[str, Any] = field(default_factory=dict)
    buffers: list[tuple[Any, str, Any]] = field(default_factory=list)
    frozen: list[tuple[Any, Any]] = field(default_factory=list)
    declared: bool = False
    seed: int = 0

    def run(self, xs: Sequence[Array], only: int | None = None) -> Graph:
        """Run the function as at first; `only` this one of what is moved may be made to require a gradient."""
        with self.as_at_first(xs[0].dtype):
            moved, out = self.outcome(xs, only)
        return Graph(self, xs[0].dtype, moved, self.results(out))

    def outcome(self, xs: Sequence[Array], only: int | None = None) -> tuple[list[Any], Any]:
        """What is moved, as tensors, and what the function returns, from whatever state the run before has left."""
        inputs = [
            self.torch.from_numpy(np.asarray(x)).to(device).requires_grad_(only in (None, k))
            for k, (x, device) in enumerate(zip(xs, self.arguments.devices(), strict=False))
        ]
        for parameter, x in zip(self.parameters.values(), xs[len(inputs) :], strict=True):
            parameter.data = self.torch.from_numpy(np.asarray(x)).to(parameter.device)
        return [*inputs, *self.parameters.values()], self.apply(*self.arguments.call(inputs))

    @contextmanager
    def as_at_first(self, dtype: np.dtype[Any]) -> Iterator[None]:
        """A context with the state and the seed of the first run."""
        torch, kind = self.torch, getattr(self.torch, dtype.name)
        default, threads = torch.get_default_dtype(), torch.get_num_threads()
        with torch.random.fork_rng(self.cuda()), torch.inference_mode(False), torch.enable_grad():
            for owner, name, value in self.buffers:
                setattr(owner, name, value.to(kind if value.is_floating_point() else value.dtype, copy=True))
            for parameter, value in self.frozen:
                parameter.data = value.to(kind if value.is_floating_point() else value.dtype, copy=True)
            torch.default_generator.manual_seed(self.seed)
            for device in self.cuda():
                torch.cuda.default_generators[device.index].manual_seed(self.seed)
            torch.set_default_dtype(kind)
            torch.set_num_threads(1)
            try:
                yield
            finally:
                torch.set_num_threads(threads)
                torch.set_default_dtype(default)

    def cuda(self) -> list[Any]:
        """The GPUs that are in use."""
        used = {*self.arguments.devices(), *(parameter.device for parameter in self.parameters.values())}
        return [device for device in used if device.type == "cuda"]

    def results(self, out: Any) -> list[Any]:
        """The floating tensors of a result that have a gradient; TypeError if there are none."""
        tensors = [leaf.value for leaf in trees.leaves(out) if isinstance(leaf.value, self.torch.Tensor)]
        if any(one.is_complex() for one in tensors):
            raise TypeError(f"{self.check}: {self.subject} returns complex numbers; return their two real parts")
        found = [one for one in tensors if one.is_floating_point() and (one.requires_grad or not self.declared)]
        if not found:
            raise TypeError(f"{self.check}: {self.subject} returns no floating tensor that has a gradient")
        return [one.float() if one.dtype == self.torch.bfloat16 else one for one in found]  # which NumPy does not have


@dataclass
class Graph:
    """What one run has recorded: the tensors that were moved, and the results."""

    program: Program
    dtype: np.dtype[Any]
    moved: Sequence[Any]
    results: Sequence[Any]

    def values(self) -> list[Array]:
        return [array_of(one) for one in self.results]

    def pull(self, gs: Sequence[Array | None]) -> list[Array | None]:
        """The gradients in what was moved, from a cotangent for each result; None where autograd finds no path."""
        torch = self.program.torch
        pairs = [(y, g) for y, g in zip(self.results, gs, strict=True) if y.requires_grad and g is not None]
        wanted = [x for x in self.moved if x.requires_grad]
        if not pairs:
            return [None] * len(self.moved)
        with self.program.as_at_first(self.dtype):
            cotangents = [torch.from_numpy(g).to(y.device) for y, g in pairs]
            found = torch.autograd.grad([y for y, _ in pairs], wanted, cotangents, allow_unused=True, retain_graph=True)
        given = iter(None if one is None else array_of(one) for one in found)
        return [next(given) if x.requires_grad else None for x in self.moved]


def array_of(tensor: Any) -> Array:
    """The values of a tensor as a new array."""
    dense = tensor.detach().to_dense() if tensor.is_sparse else tensor.detach()  # gradients of embeddings may be sparse
    return np.array(dense.cpu().resolve_neg().numpy())  # the imaginary part of a conjugate is a negated view


def _readable(torch: Any, value: Any) -> Any:
    """An argument as source is written from it: arrays in place of tensors, and named tuples without their names."""
    if isinstance(value, dict):
        return {key: _readable(torch, child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        children = [_readable(torch, child) for child in value]
        return children if isinstance(value, list) else tuple(children)
    if not isinstance(value, torch.Tensor):
        return value
    return array_of(value.float() if value.dtype == torch.bfloat16 else value)

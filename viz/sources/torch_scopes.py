"""Which call of which module of a PyTorch model made which node.

PyTorch numbers the nodes of a thread as it makes them. While a `Scopes` is entered, hooks on all modules note the
number at the start and at the end of every call, so that the calls are nested intervals of numbers, and a node belongs
to the innermost call that its number is in.

    call                 numbers        node 7 was made in model.blocks.0.attention
    model                0 ... 12
      blocks.0           2 ... 9
        attention        3 ... 8

A record of calls must live as long as the graph. So it is attached to the nodes that the calls returned: `record_of`
finds it there. Nothing else keeps it, and a second pass under other scopes has a record of its own.

Read next: `viz/sources/torch_graph.py`, the graph as `viz` sees it.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch.nn.modules import module as hooks

from viz.sources.torch_private import next_sequence_number

_KEY = "viz.scopes"  # in a node's metadata

Path = tuple[str, ...]


class Place(NamedTuple):
    """Where a node was made: the names of the modules that were running, and a number for each of their calls."""

    scope: Path
    calls: tuple[int, ...]


OUTSIDE = Place((), ())


class Record:
    """The calls made on one thread under one `Scopes`.

    Fields:
        parameters: the path of each parameter of the models, by its `id`. The parameters are kept, so that no other
            tensor gets their ids.
    """

    def __init__(self, parameters: Mapping[int, tuple[Any, str]]) -> None:
        self.parameters = parameters
        self._starts: list[int] = [0]  # from this number on nodes are in this place
        self._places: list[Place] = [OUTSIDE]
        self._open: list[tuple[str, Place]] = []

    def enter(self, path: str, number: int) -> None:
        """A call of the module at this path starts."""
        outer, place = self._open[-1] if self._open else ("", OUTSIDE)
        name = path.removeprefix(f"{outer}.") if outer else path
        inner = Place((*place.scope, name), (*place.calls, number)) if name else place
        self._open.append((path, inner))
        self._note(inner)

    def leave(self) -> None:
        """The innermost call ends."""
        self._open.pop()
        self._note(self._open[-1][1] if self._open else OUTSIDE)

    def _note(self, place: Place) -> None:
        start = next_sequence_number()
        if self._starts[-1] == start:  # no node was made since
            self._places[-1] = place
        else:
            self._starts.append(start)
            self._places.append(place)

    def place(self, number: int) -> Place:
        """Where the node with this sequence number was made."""
        return self._places[bisect_right(self._starts, number) - 1]


class Scopes:
    """Context manager under which calls of the modules of some models are noted.

    It may be entered again; each time it makes new records. Modules of other models, and calls in other threads that
    the models are not used in, are not affected.
    """

    def __init__(self, models: Iterable[torch.nn.Module]) -> None:
        self._paths: dict[int, str] = {}
        self._parameters: dict[int, tuple[Any, str]] = {}
        self._models = list(models)  # kept, so that no other module gets their ids
        for prefix, model in zip(_prefixes(self._models), map(unwrapped, self._models), strict=True):
            for path, module in model.named_modules(prefix=prefix):
                self._paths.setdefault(id(module), path)
            for path, parameter in model.named_parameters(prefix=prefix):
                self._parameters.setdefault(id(parameter), (parameter, path))
        self._handles: list[Any] = []
        self._records: dict[int, Record] = {}
        self._numbers = iter(range(1 << 62))

    def __enter__(self) -> None:
        self._records = {}
        self._handles = [
            hooks.register_module_forward_pre_hook(self._enter),
            hooks.register_module_forward_hook(self._leave, always_call=True),
        ]

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._records = {}

    def _enter(self, module: torch.nn.Module, _: Any) -> None:
        path = self._paths.get(id(module))
        if path is not None:
            record = self._records.setdefault(threading.get_ident(), Record(self._parameters))
            record.enter(path, next(self._numbers))

    def _leave(self, module: torch.nn.Module, _: Any, output: Any) -> None:
        record = self._records.get(threading.get_ident())
        if record is not None and id(module) in self._paths:
            record.leave()
            for tensor in _tensors(output):
                if tensor.grad_fn is not None:
                    tensor.grad_fn.metadata[_KEY] = record


def record_of(node: Any) -> Record | None:
    """The record attached to a node that a call returned."""
    return node.metadata.get(_KEY)


def unwrapped(model: torch.nn.Module) -> torch.nn.Module:
    """The model inside DataParallel, DistributedDataParallel or `torch.compile`."""
    while type(model).__name__ in ("DataParallel", "DistributedDataParallel", "OptimizedModule"):
        model = getattr(model, "_orig_mod", None) or model.module
    return model


def _prefixes(models: list[torch.nn.Module]) -> list[str]:
    """What the paths of each model begin with: nothing for one model, the names of their classes for several."""
    if len(models) == 1:
        return [""]
    names = [type(unwrapped(model)).__name__.lower() for model in models]
    return [name if names.count(name) == 1 else f"{name}{names[:k].count(name)}" for k, name in enumerate(names)]


def _tensors(output: Any) -> Iterator[torch.Tensor]:
    """The tensors in what a module returned: in tuples, lists, dicts and the output classes of libraries."""
    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from _tensors(value)
    elif isinstance(output, list | tuple):
        for value in output:
            yield from _tensors(value)
    elif hasattr(output, "__dataclass_fields__"):
        for name in output.__dataclass_fields__:
            yield from _tensors(getattr(output, name))

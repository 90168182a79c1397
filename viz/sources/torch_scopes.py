"""Which call of which module of a PyTorch model made which node.

PyTorch numbers the nodes of a thread as it makes them. While a `Scopes` is entered, hooks on all modules note the
number at the start and at the end of every call, so that the calls are nested intervals of numbers, and a node belongs
to the innermost call that its number is in.

    call                 numbers        node 7 was made in model.blocks.0.attention
    model                0 ... 12
      blocks.0           2 ... 9
        attention        3 ... 8

A record of calls must live as long as the graph. So it is attached to the nodes that the calls returned, where
`record_of` finds it. Nothing else keeps it: a long training under one `Scopes` leaves nothing behind.

Read next: `viz/sources/torch_graph.py`, the graph as `viz` sees it.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from itertools import count
from typing import Any, NamedTuple

import torch
from torch.nn.modules import module as hooks

from viz.sources.torch_private import next_sequence_number

_KEY = "viz.scopes"  # in a node's metadata
_calls = count()

Path = tuple[str, ...]


class Place(NamedTuple):
    """Where a node was made: the names of the modules that were running, and a number for each of their calls."""

    scope: Path
    calls: tuple[int, ...]


OUTSIDE = Place((), ())


class Record:
    """One call of a module from outside all others, with the calls inside it.

    Fields:
        parameters: the path of each parameter of the models, by its `id`. The parameters are kept, so that no other
            tensor gets their ids.
    """

    def __init__(self, parameters: Mapping[int, tuple[Any, str]]) -> None:
        self.parameters = parameters
        self._starts: list[int] = [0]  # from this number on nodes are in this place
        self._places: list[Place] = [OUTSIDE]
        self._open: list[tuple[torch.nn.Module, str, Place]] = []

    def enter(self, module: torch.nn.Module, path: str, number: int) -> None:
        """A call of the module at this path starts."""
        _, outer, place = self._open[-1] if self._open else (None, "", OUTSIDE)
        name = path.removeprefix(f"{outer}.") if outer else path
        inner = Place((*place.scope, name), (*place.calls, number)) if name else place
        self._open.append((module, path, inner))
        self._note(inner)

    def leave(self, module: torch.nn.Module) -> bool:
        """The call of a module ends; whether the record is complete."""
        if any(entered is module for entered, _, _ in self._open):
            while self._open.pop()[0] is not module:
                pass  # a call that ended by an exception
            self._note(self._open[-1][2] if self._open else OUTSIDE)
        return not self._open

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
    """Context manager under which calls of the modules of some models are noted; see `viz.scopes`.

    Modules of other models are not affected, and each thread that uses the models has records of its own.
    """

    def __init__(self, models: Iterable[torch.nn.Module], lines: bool) -> None:
        self._models = list(models)  # kept, so that no other module gets their ids
        self._paths: dict[int, str] = {}
        self._parameters: dict[int, tuple[Any, str]] = {}
        for prefix, model in zip(_prefixes(self._models), map(unwrapped, self._models), strict=True):
            for path, module in model.named_modules(prefix=prefix):
                self._paths.setdefault(id(module), path)
            for path, parameter in model.named_parameters(prefix=prefix):
                self._parameters.setdefault(id(parameter), (parameter, path))
        self._lines = lines
        self._left = ExitStack()
        self._running: dict[int, Record] = {}

    def __enter__(self) -> None:
        with ExitStack() as entered:
            entered.callback(self._running.clear)
            entered.callback(hooks.register_module_forward_pre_hook(self._enter).remove)
            entered.callback(hooks.register_module_forward_hook(self._leave, always_call=True).remove)
            if self._lines:  # anomaly mode notes the traceback of every node
                entered.enter_context(torch.autograd.set_detect_anomaly(True, check_nan=False))
            self._left.push(entered.pop_all())

    def __exit__(self, *_: object) -> None:
        self._left.pop_all().close()

    def _enter(self, module: torch.nn.Module, _: Any) -> None:
        if torch.compiler.is_compiling():  # what is compiled becomes one node, and must not depend on this hook
            return
        path = self._paths.get(id(module))
        if path is not None:
            thread = threading.get_ident()
            if thread not in self._running:
                self._running[thread] = Record(self._parameters)
            self._running[thread].enter(module, path, next(_calls))

    def _leave(self, module: torch.nn.Module, _: Any, output: Any) -> None:
        if torch.compiler.is_compiling():
            return
        record = self._running.get(threading.get_ident())
        if record is not None and id(module) in self._paths:
            if record.leave(module):
                del self._running[threading.get_ident()]
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

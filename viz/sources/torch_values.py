"""What is known of the values of a PyTorch graph, besides their gradients: names, modules, numbers, memory, lines.

Read next: `viz/sources/torch_private.py`, what PyTorch tells by private names only.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from viz.data import Absent, Line, Numbers
from viz.sources import measures
from viz.sources.assemble import first_uses
from viz.sources.lines import line_at
from viz.sources.names import named
from viz.sources.records import Value
from viz.sources.torch_graph import Graph, Kinds
from viz.sources.torch_measures import Slotted
from viz.sources.torch_private import (
    is_leaf,
    recorded_traceback,
    saved_tensors,
    sequence_number,
    small_saved_tensors,
    tells_what_is_saved,
)
from viz.sources.torch_scopes import OUTSIDE, Place, unwrapped
from viz.sources.watch import Watcher

_NAMES = {"mul": "multiply", "div": "divide", "sub": "subtract", "neg": "negative", "mm": "matmul", "bmm": "matmul"}
_FRAME = re.compile(r'  File "(.+)", line (\d+)')
_LIBRARY = str(Path(torch.__file__).parent)


def values_of(
    ordered: Sequence[Any],
    graph: Graph,
    watcher: Watcher[Any, Slotted],
    loss: torch.Tensor,
    kinds: Kinds,
    names: Mapping[Any, str],
    model: torch.nn.Module | None,
    hooked: Collection[Any],
) -> list[Value[Any]]:
    """What is known of each value; `names` and `hooked` know a tensor by `key_of`."""
    uses = first_uses(ordered, watcher)
    parameters = {key: path for key, (_, path) in _parameters(graph, model).items()}
    known = _small_values(ordered, loss)
    bytes_of = _saved_bytes(ordered, graph)
    values = []
    for node in ordered:
        leaf = node.variable if is_leaf(node) else None
        place = _place(uses.get(node, node) if leaf is not None else node, graph)
        key = node if leaf is None else id(leaf)
        path = parameters.get(key, "")
        if path and not place.scope and model is not None:
            place = Place(_scope_of(path, model), ())
        shape, dtype = kinds[node][min(kinds[node])]
        values.append(
            Value(
                key=node,
                op="leaf" if leaf is not None else op_name(node.name()),
                name=_relative(path, place.scope) or names.get(key),
                scope=place.scope,
                calls=place.calls,
                shape=shape,
                dtype=str(dtype).removeprefix("torch."),
                is_leaf=leaf is not None,
                value=known.get(node),
                hooked=key in hooked,
                saved=bytes_of.get(node),
                line=None if leaf is not None else _line(node),
            )
        )
    return values


def op_name(name: str) -> str:
    """The operation whose backward function has this name: "NativeLayerNormBackward0" is that of native_layer_norm.

    A `torch.autograd.Function` of the user keeps the name of its class.
    """
    base = name.rpartition("::")[2]
    stem = re.sub(r"Backward\d*$", "", base)
    if stem != base and base.endswith("Backward"):
        return "compiled" if stem == "CompiledFunction" else stem  # a class of the user
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", stem).lower()
    return _NAMES.get(name, name)


def names_of(names: Mapping[str, Any]) -> dict[Any, str]:
    """The name of each tensor found in `names`."""
    found: dict[Any, str] = {}
    for path, value in named(names):
        if isinstance(value, torch.Tensor):
            found.setdefault(key_of(value), path)
    return found


def key_of(tensor: torch.Tensor) -> Any:
    """What tells a tensor from others: the node that made it, or the `id` of a leaf."""
    return id(tensor) if tensor.grad_fn is None else tensor.grad_fn


def _parameters(graph: Graph, model: torch.nn.Module | None) -> dict[int, tuple[Any, str]]:
    """Each parameter and its path, by its `id`: those of `model`, and of all models under whose scopes the loss ran."""
    found = {} if model is None else {id(p): (p, path) for path, p in unwrapped(model).named_parameters()}
    for record in {id(record): record for record in graph.records.values() if record is not None}.values():
        found |= {key: known for key, known in record.parameters.items() if key not in found}
    return found


def absent(graph: Graph, model: torch.nn.Module | None) -> Iterator[Absent]:
    """The parameters of the models that the loss was not computed from, and those that require no gradient."""
    reached = {id(leaf.variable) for leaf in graph.leaves}
    for key, (parameter, path) in _parameters(graph, model).items():
        if key not in reached:
            yield Absent(path, parameter.numel(), frozen=not parameter.requires_grad)


def _relative(path: str, scope: tuple[str, ...]) -> str | None:
    """A parameter's path, without the modules that it is shown in."""
    return path.removeprefix(".".join(scope) + ".") or None


def _place(node: Any, graph: Graph) -> Place:
    record = graph.records.get(node)
    return OUTSIDE if record is None or is_leaf(node) else record.place(sequence_number(node))


def _scope_of(path: str, model: torch.nn.Module) -> tuple[str, ...]:
    """The modules on the way to a parameter; a list of modules is no call of its own, so its name joins the next."""
    module: Any = unwrapped(model)
    scope, name = [], ""
    for part in path.split(".")[:-1]:
        module = getattr(module, part)
        name = f"{name}.{part}" if name else part
        if not isinstance(module, torch.nn.ModuleList | torch.nn.ModuleDict):
            scope.append(name)
            name = ""
    return tuple(scope)


def is_embedding(node: Any, kinds: Kinds) -> bool:
    """Whether a node holds one vector for each position of a text."""
    return node.name() == "EmbeddingBackward0" and len(kinds[node][0][0]) > 1


def _small_values(ordered: Sequence[Any], loss: torch.Tensor) -> dict[Any, Numbers | None]:
    """The values that are listed element by element and still known: of leaves, and what a node saved."""
    most = measures.MOST_ELEMENTS_LISTED
    small = {node: node.variable.detach() for node in ordered if is_leaf(node) and node.variable.numel() <= most}
    for node in ordered:
        if not is_leaf(node):
            small |= {owner: value for owner, value in small_saved_tensors(node, most) if owner is not None}
    small[ordered[-1]] = loss.detach()
    return {
        node: measures.numbers(value.to(torch.float64).cpu().numpy())
        for node, value in small.items()
        if not value.is_complex() and value.layout is torch.strided
    }


def _saved_bytes(ordered: Sequence[Any], graph: Graph) -> dict[Any, int]:
    """The bytes that each node keeps; memory that several keep counts for the oldest, that of parameters not at all.

    Empty where PyTorch does not tell.
    """
    if not tells_what_is_saved():
        return {}
    seen = {_storage(leaf.variable)[0] for leaf in graph.leaves}
    found = {}
    for node in ordered:
        found[node] = 0
        for tensor in saved_tensors(node):
            storage, size = _storage(tensor)
            if storage not in seen:
                seen.add(storage)
                found[node] += size
    return found


def _storage(tensor: torch.Tensor) -> tuple[Any, int]:
    """What tells a tensor's memory from that of others, and its size in bytes."""
    if tensor.layout is not torch.strided:
        return id(tensor), tensor.values().nbytes if tensor.layout is torch.sparse_coo else 0
    storage = tensor.untyped_storage()
    return (storage.device, storage.data_ptr()), storage.nbytes()


def _line(node: Any) -> Line | None:
    """The innermost line outside of PyTorch, if the node was recorded in anomaly mode."""
    for frame in reversed(recorded_traceback(node)):
        match = _FRAME.match(frame)
        if match and not match[1].startswith(_LIBRARY):
            return line_at(match[1], int(match[2]))
    return None

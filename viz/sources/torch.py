"""A loss of PyTorch: one backward pass, watched by hooks on its nodes.

A hook on a node is called after the node ran, with the gradients it received and those it sends on. The latter are the
contributions along its edges. A gradient is settled when as many contributions have arrived as routes lead to it.

Read next: `viz/sources/torch_private.py`, what PyTorch tells by private names only.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import compress
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from torch.autograd.graph import get_gradient_edge

from viz.checks import NothingToTrace
from viz.data import Absent, Line, Numbers
from viz.sources import measures, torch_measures
from viz.sources.assemble import assembled, first_uses
from viz.sources.lines import line_at
from viz.sources.names import named
from viz.sources.records import Recording, Sent, Value
from viz.sources.torch_derivative import local_derivative
from viz.sources.torch_graph import Graph
from viz.sources.torch_measures import Slotted
from viz.sources.torch_private import (
    has_hook,
    is_leaf,
    outputs,
    recorded_traceback,
    saved_tensors,
    sequence_number,
    small_saved_tensors,
)
from viz.sources.torch_scopes import OUTSIDE, Place, unwrapped
from viz.sources.watch import Watcher

_NAMES = {"mul": "multiply", "div": "divide", "sub": "subtract", "neg": "negative", "mm": "matmul", "bmm": "matmul"}
_FRAME = re.compile(r'  File "(.+)", line (\d+)')
_LIBRARY = str(Path(torch.__file__).parent)


def record(loss: torch.Tensor, names: Mapping[str, Any], model: torch.nn.Module | None) -> Recording:
    """The records of one backward pass from `loss`; `.grad` of every tensor is untouched and the graph is kept.

    Raises what `viz.trace` says.
    """
    _check(loss, model)
    start = get_gradient_edge(loss)
    graph = Graph(start.node)
    if not graph.leaves:
        raise NothingToTrace("trace: no blame can flow: no tensor that requires a gradient leads to the loss")
    watcher: Watcher[Any, Slotted] = Watcher(torch_measures)
    watcher.start(start.node, (start.output_nr, torch.ones_like(loss)))
    alive = _living_tensors()
    hooked = {_key(tensor) for tensor in alive if tensor.requires_grad and has_hook(tensor)}
    with _hooks(graph, watcher), _unchanged_gradients(alive):
        _run(loss, [leaf.variable for leaf in graph.leaves])
    watcher.finish()
    ordered = [node for node in graph.ordered if node in watcher.gradients]
    embedded = next((node for node in ordered if _is_embedding(node)), None)
    values = _values(ordered, graph, watcher, loss, _names_of(names), model, hooked)
    return assembled(
        loss.item(),
        values,
        watcher,
        embedded,
        unknown_line="compute the loss under viz.scopes(model, lines=True)",
        absent=list(_absent(graph, model)),
    )


def _check(loss: torch.Tensor, model: Any) -> None:
    if loss.device.type == "meta":
        raise TypeError("trace: a loss on the meta device has no numbers; move the model to a device that computes")
    if model is not None and not isinstance(model, torch.nn.Module):
        raise TypeError(f"trace: model must be a torch.nn.Module, not {type(model).__name__}")
    if not loss.requires_grad:
        raise NothingToTrace(
            "trace: no blame can flow: no input requires a gradient, or the loss was made under no_grad, "
            "inference_mode or detach"
        )
    if loss.numel() != 1:
        raise RuntimeError(
            f"trace: a tensor of shape {tuple(loss.shape)} is no loss; reduce it to one number, as with .sum()"
        )
    if loss.is_complex():
        raise TypeError("trace: a complex number is no loss; take its .real or its .abs()")


def _run(loss: torch.Tensor, leaves: Sequence[torch.Tensor]) -> None:
    """PyTorch's backward pass, with errors that say what to do."""
    try:
        torch.autograd.grad(loss, leaves, torch.ones_like(loss), retain_graph=True, allow_unused=True)
    except RuntimeError as error:
        if "second time" in str(error):
            raise RuntimeError(
                "trace: the graph was freed by an earlier backward; call that one with retain_graph=True, or compute "
                "the loss again"
            ) from error
        if "inplace" in str(error):
            raise RuntimeError(
                "trace: a value that the backward pass needs was changed in place since; compute the loss again, or "
                "change a copy"
            ) from error
        if "use_reentrant" in str(error):
            raise RuntimeError(
                "trace: a reentrant checkpoint cannot be watched; give torch.utils.checkpoint use_reentrant=False"
            ) from error
        raise


@contextmanager
def _hooks(graph: Graph, watcher: Watcher[Any, Slotted]) -> Iterator[None]:
    """Hooks on all nodes that tell the watcher of every contribution; removed at the end."""
    missing = dict(graph.incoming)
    local = {
        (node, argument): local_derivative(node, argument, route)
        for node, routes in graph.routes.items()
        for argument, route in routes.items()
    }
    lock = Lock()  # PyTorch runs the nodes of each device on a thread of its own

    def deliver(node: Any, argument: int, contribution: torch.Tensor | None) -> None:
        target, result, _ = graph.routes[node][argument]
        with lock:
            if contribution is not None:
                sent = Sent(node, target, argument, node.name(), local[node, argument])
                watcher.arrive(sent, (result, contribution))
            missing[target] -= 1
            if not missing[target]:
                watcher.settle(target, by_row=_is_embedding(target))

    def on_node(node: Any) -> Any:
        direct = [argument for argument, route in graph.routes[node].items() if not route.views]

        def hook(sent: Sequence[torch.Tensor | None], _: Any) -> None:
            for argument in direct:
                deliver(node, argument, sent[argument])

        return hook

    def on_view(node: Any, argument: int) -> Any:
        def hook(sent: Sequence[torch.Tensor | None], _: Any) -> None:
            deliver(node, argument, sent[0])

        return hook

    handles = []
    try:
        for node, routes in graph.routes.items():
            if not is_leaf(node):
                handles.append(node.register_hook(on_node(node)))
            for argument, route in routes.items():
                if route.views:
                    handles.append(route.views[-1].register_hook(on_view(node, argument)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _living_tensors() -> list[torch.Tensor]:
    """All tensors of the program. A node does not know its tensor, which may retain its gradient or have a hook."""
    kinds, new = {torch.Tensor}, [torch.Tensor]
    while new:
        subclasses = [kind for kind in new.pop().__subclasses__() if kind not in kinds]
        kinds.update(subclasses)
        new += subclasses
    things = gc.get_objects()
    return list(compress(things, map(kinds.__contains__, map(type, things))))  # there may be millions


@contextmanager
def _unchanged_gradients(tensors: Sequence[torch.Tensor]) -> Iterator[None]:
    """Give tensors that retain their gradient the `.grad` back that they had before: a backward pass fills it."""
    retaining = [(tensor, tensor.grad) for tensor in tensors if tensor.retains_grad]
    for tensor, _ in retaining:
        tensor.grad = None  # so that nothing is added in place to the one it had
    try:
        yield
    finally:
        for tensor, gradient in retaining:
            tensor.grad = gradient


def _values(
    ordered: Sequence[Any],
    graph: Graph,
    watcher: Watcher[Any, Slotted],
    loss: torch.Tensor,
    names: Mapping[Any, str],
    model: torch.nn.Module | None,
    hooked: Collection[Any],
) -> list[Value[Any]]:
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
        (shape, dtype), *_ = outputs(node)
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
                saved=bytes_of[node],
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


def _place(node: Any, graph: Graph) -> Place:
    record = graph.records.get(node)
    return OUTSIDE if record is None or is_leaf(node) else record.place(sequence_number(node))


def _parameters(graph: Graph, model: torch.nn.Module | None) -> dict[int, tuple[Any, str]]:
    """Each parameter and its path, by its `id`: those of `model`, and of all models under whose scopes the loss ran."""
    found = {} if model is None else {id(p): (p, path) for path, p in unwrapped(model).named_parameters()}
    for record in {id(record): record for record in graph.records.values() if record is not None}.values():
        found |= {key: known for key, known in record.parameters.items() if key not in found}
    return found


def _absent(graph: Graph, model: torch.nn.Module | None) -> Iterator[Absent]:
    """The parameters of the models that the loss was not computed from, and those that require no gradient."""
    reached = {id(leaf.variable) for leaf in graph.leaves}
    for key, (parameter, path) in _parameters(graph, model).items():
        if key not in reached:
            yield Absent(path, parameter.numel(), frozen=not parameter.requires_grad)


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


def _relative(path: str, scope: tuple[str, ...]) -> str | None:
    """A parameter's path, without the modules that it is shown in."""
    return path.removeprefix(".".join(scope) + ".") or None


def _names_of(names: Mapping[str, Any]) -> dict[Any, str]:
    """The name of each tensor found in `names`."""
    found: dict[Any, str] = {}
    for path, value in named(names):
        if isinstance(value, torch.Tensor):
            found.setdefault(_key(value), path)
    return found


def _key(tensor: torch.Tensor) -> Any:
    """What tells a tensor from others: the node that made it, or the `id` of a leaf."""
    return id(tensor) if tensor.grad_fn is None else tensor.grad_fn


def _is_embedding(node: Any) -> bool:
    """Whether a node holds one vector for each position of a text."""
    return node.name() == "EmbeddingBackward0" and len(outputs(node)[0][0]) > 1


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
    """The bytes that each node keeps; memory that several keep counts for the oldest, that of parameters not at all."""
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

"""A loss of PyTorch: one backward pass, watched by hooks on its nodes.

A hook on a node is called after the node ran, with the gradients it received and those it sends on. The latter are the
contributions along its edges. A gradient is settled when as many contributions have arrived as routes lead to it.

Read next: `viz/sources/torch_values.py`, what else is known of a value.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import compress
from threading import Lock
from typing import Any

import torch
from torch.autograd.graph import get_gradient_edge

from viz.checks import NothingToTrace
from viz.sources import torch_measures
from viz.sources.assemble import assembled
from viz.sources.records import Recording, Sent
from viz.sources.torch_derivative import local_derivative
from viz.sources.torch_graph import Graph, Kinds
from viz.sources.torch_measures import Slotted
from viz.sources.torch_private import has_hook, is_leaf, is_whole
from viz.sources.torch_values import absent, is_embedding, key_of, names_of, values_of
from viz.sources.watch import Watcher


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
    kinds: Kinds = {start.node: {start.output_nr: (tuple(loss.shape), loss.dtype)}}
    alive = _living_tensors()
    hooked = {key_of(tensor) for tensor in alive if tensor.requires_grad and has_hook(tensor)}
    with _hooks(graph, watcher, kinds), _unchanged_gradients(alive):
        _run(loss, [leaf.variable for leaf in graph.leaves])
    watcher.finish()
    watcher.edges = [_with_derivative(sent, graph, kinds) for sent in watcher.edges]
    ordered = [node for node in graph.ordered if node in watcher.gradients]
    embedded = next((node for node in ordered if is_embedding(node, kinds)), None)
    values = values_of(ordered, graph, watcher, loss, kinds, names_of(names), model, hooked)
    return assembled(
        loss.item(),
        values,
        watcher,
        embedded,
        unknown_line="compute the loss under viz.scopes(model, lines=True)",
        absent=list(absent(graph, model)),
    )


def _with_derivative(sent: Sent[Any], graph: Graph, kinds: Kinds) -> Sent[Any]:
    assert sent.argument is not None
    route = graph.routes[sent.source][sent.argument]
    return sent._replace(local=local_derivative(sent.source, sent.argument, route, kinds))


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


def _of_equal_elements(gradient: torch.Tensor) -> torch.Tensor:
    """A tensor of the same kind and shape that keeps a single element; a sparse one stays as it is."""
    return gradient if gradient.layout is not torch.strided else gradient.new_zeros(()).expand_as(gradient)


@contextmanager
def _hooks(graph: Graph, watcher: Watcher[Any, Slotted], kinds: Kinds) -> Iterator[None]:
    """Hooks on all nodes that tell the watcher of every contribution, and note its kind; removed at the end.

    The pass returns the gradients of all leaves, which were measured on the way. So hooks on the leaves replace each by
    a number in the same shape, and its memory serves the next one.
    """
    missing = dict(graph.incoming)
    lock = Lock()  # PyTorch runs the nodes of each device on a thread of its own

    def deliver(node: Any, argument: int, contribution: torch.Tensor | None) -> None:
        target, result, _ = graph.routes[node][argument]
        with lock:
            if contribution is not None:
                watcher.arrive(Sent(node, target, argument, node.name(), ""), (result, contribution))
                kinds.setdefault(target, {})[result] = tuple(contribution.shape), contribution.dtype
            missing[target] -= 1
            if not missing[target]:
                watcher.settle(target, by_row=is_embedding(target, kinds))

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
        for leaf in graph.leaves:
            handles.append(leaf.variable.register_hook(_of_equal_elements))
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
    return list(filter(is_whole, compress(things, map(kinds.__contains__, map(type, things)))))  # there may be millions


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

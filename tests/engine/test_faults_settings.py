"""Faults found in other engines: a tensor that requires a gradient is read by value where an op takes a setting.

Every function of the engine, every method of `Tensor` and every layer of nn is called with such a tensor in place of
each of its arguments in turn, as `inspect.signature` lists them: it is differentiated or refused. A new function whose
arguments are not in the tables below fails until they are.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import engine
import nn
from engine import Tensor
from engine.graph import reachable
from tests.engine.traps import leaf

X = np.array([[0.3, 0.6], [0.2, 0.7]])
ROW = X[0]

# What each argument may be, by its name in all functions, and in a single one.
# fmt: off
GIVEN: dict[str, Any] = {
    **dict.fromkeys("x y query key value logits predictions probabilities targets".split(), X),
    "weight": ROW, "bias": ROW, "min": 0.1, "max": 0.5, "labels": np.array([0, 1]), "tensors": [ROW, ROW],
    "axis": 0, "axis1": 0, "axis2": 1, "axes": (1, 0), "keepdims": False, "descending": False, "shape": (2, 2),
    "dtype": np.float64, "requires_grad": False, "correction": 0.5, "eps": 0.1, "k": 0, "p": 0.5, "rng": None,
    "reduction": "mean", "ignore_index": -100, "label_smoothing": 0.1, "approximate": "none", "shift": 1,
    "widths": 1, "sections": 2, "mask": None, "causal": False, "scale": 0.5, "index": 0, "indices": np.array([[0]]),
    "n": 2, "m": 2, "start": 0.0, "stop": 2.0, "step": 1.0, "std": 1.0, "low": 0.0, "high": 1.0, "number": 0,
    "channels": 2, "heads": 1, "hidden": 2, "block": 2, "size": 2, "inputs": 2, "outputs": 2, "base": 10.0,
    "self": Tensor(X), "dropout": 0.5, "norm": "pre", "activation": "gelu", "rotary": None, "name": "a",
}
# fmt: on
OWN: dict[str, dict[str, Any]] = {
    "broadcast_to": {"x": ROW},
    "einsum": {"subscripts": "ij,jk", "operands": (X, X)},
    "embedding": {"ids": np.array([0, 1]), "weight": X},
    "full": {"value": 1.0},
    "full_like": {"value": 1.0},
    "Linear": {"bias": True},
    "LayerNorm": {"bias": True},
    "FeedForward": {"bias": True},
    "MultiHeadAttention": {"bias": True, "kv_heads": None},
    "TransformerBlock": {"bias": True, "kv_heads": None, "norm_kind": "layer"},
    "linear": {"weight": X},
    "pad": {"value": 1.0},
    "Tensor.reshape": {"shape": ((2, 2),)},
    "rotary": {"phases": np.ones((2, 1), complex)},
    "squeeze": {"x": X[:1]},
    "Tensor.squeeze": {"self": Tensor(X[:1])},
    "take": {"indices": np.array([0])},
    "tensordot": {"axes": 1},
    "transpose": {"axes": (1, 0)},
    "where": {"condition": X > 0.5},
}
NO_GRADIENT = {  # only its shape or dtype is read, or what is returned is no tensor
    **dict.fromkeys("equal not_equal less less_equal greater greater_equal".split(), ("x", "y")),
    **dict.fromkeys("argmax argmin argsort zeros_like ones_like full_like".split(), ("x",)),
    **dict.fromkeys(["Tensor.argmax", "Tensor.argmin", "Tensor.argsort"], ("self",)),
    **dict.fromkeys(["Tensor.detach", "Tensor.item", "Tensor.numpy", "Tensor.zero_grad"], ("self",)),  # the ways out
    "set_default_dtype": ("dtype",),
}
# The parts of an op; decorators and transforms, which are given functions; contexts; what has its own tests.
OTHERS = {
    *("kernels", "tune"),
    *("LINEAR", "Joint", "Node", "Primitive", "Tensor", "primitive", "random"),
    *("checkpoint", "explain", "grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"),
}
METHODS_OF_GRAPHS = {"assign", "backward", "register_hook", "retain_grad"}  # they are tested with the traps


def of_engine() -> Iterator[tuple[str, Callable[..., Any]]]:
    yield from ((name, getattr(engine, name)) for name in engine.__all__ if name not in OTHERS)
    yield from ((name, getattr(engine.random, name)) for name in ("normal", "uniform", "seed"))


def of_tensor() -> Iterator[tuple[str, Callable[..., Any]]]:
    for name in dir(Tensor):
        method = inspect.getattr_static(Tensor, name)
        if inspect.isfunction(method) and not name.startswith("_") and name not in METHODS_OF_GRAPHS:
            yield f"Tensor.{name}", method


def of_nn() -> Iterator[tuple[str, Callable[..., Any]]]:
    for name in nn.__all__:
        layer = getattr(nn, name)
        if inspect.isclass(layer) and layer not in (nn.Module, nn.ModuleList, nn.Sequential):
            yield name, layer
    yield from ((name, getattr(nn.losses, name)) for name in nn.losses.__all__ if name != "cross_entropy")


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    if inspect.isclass(function) and vars(function).get("__init__") is None:
        return []  # a layer without settings
    return [*inspect.signature(function).parameters.values()]


def bound(parameters: list[inspect.Parameter], given: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    args: list[Any] = []
    for one in parameters:
        if one.kind is one.VAR_POSITIONAL:
            args += given[one.name]
        elif one.kind is not one.KEYWORD_ONLY:
            args.append(given[one.name])
    return args, {one.name: given[one.name] for one in parameters if one.kind is one.KEYWORD_ONLY}


def replaced(value: Any) -> Iterator[tuple[Any, Tensor]]:
    """The value with a tensor that requires a gradient in its place, and in that of its first entry."""
    if isinstance(value, Tensor):
        value = value.numpy()
    is_array = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    x = leaf(value if is_array or isinstance(value, float) else 1.0)
    if isinstance(value, tuple | list):
        first = leaf(value[0] if isinstance(value[0], int | float | np.ndarray) else 1.0)
        yield type(value)([first, *value[1:]]), first
        yield (x,) if isinstance(value, tuple) else x, x
    else:
        yield x, x


def outcome(call: Callable[[], Any]) -> tuple[str, Any]:
    """The message of the error that refuses a call, or its result."""
    try:
        return "", call()
    except (TypeError, ValueError, IndexError) as error:
        return str(error), None


def depends(out: Any, x: Tensor) -> bool:
    """Whether a tensor of the result has x in its graph."""
    parts = out if isinstance(out, tuple | list) else [out]
    return any(isinstance(one, Tensor) and one.node is not None and x.node in reachable(one.node) for one in parts)


FUNCTIONS = [*of_engine(), *of_tensor(), *of_nn()]


@pytest.mark.parametrize(("name", "function"), FUNCTIONS, ids=[name for name, _ in FUNCTIONS])
def test_02_a_tensor_that_requires_a_gradient_is_differentiated_or_refused(name: str, function: Any) -> None:
    parameters = parameters_of(function)
    given = {**GIVEN, **OWN.get(name.removeprefix("Tensor."), {}), **OWN.get(name, {})}
    unknown = [one.name for one in parameters if one.name not in given]
    assert not unknown, f"say in GIVEN or OWN what these arguments of {name} may be: {unknown}"
    for one in parameters:
        if one.name in NO_GRADIENT.get(name, ()):
            continue
        for value, x in replaced(given[one.name]):
            args, keywords = bound(parameters, {**given, one.name: value})
            message, out = outcome(lambda: function(*args, **keywords))  # noqa: B023 (called at once)
            assert message or depends(out, x), f"{name} reads {one.name} by value"
            assert "\n" not in message

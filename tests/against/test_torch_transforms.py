"""Transforms against torch.func: one small network, and functions of several arguments and results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor, trees
from tests.against.agreement import normal, same, torch

func = torch.func


def network(library: Any) -> Any:
    """A loss of a dictionary of parameters and a batch, written once for both libraries."""

    def loss(parameters: Any, x: Any) -> Any:
        first, second = parameters["layers"]
        hidden = library.tanh(x @ first["weight"] + first["bias"])
        out = hidden @ second["weight"] + parameters["shift"] * library.sigmoid(second["bias"])
        return (out * out).mean() + library.logsumexp(out, -1).sum() * 0.1

    return loss


PARAMETERS = {
    "layers": [{"weight": normal(3, 4), "bias": normal(4)}, {"weight": normal(4, 2), "bias": normal(2)}],
    "shift": normal(),
}
DIRECTION = trees.same_form(PARAMETERS, [normal(*leaf.value.shape) for leaf in trees.leaves(PARAMETERS)])
BATCH = normal(5, 3)


def theirs_of(tree: Any) -> Any:
    """The same tree of PyTorch's tensors."""
    return trees.same_form(tree, [torch.tensor(leaf.value) for leaf in trees.leaves(tree)])


def same_trees(what: str, found: Any, expected: Any) -> None:
    """Two trees of one form agree leaf by leaf."""
    ours, theirs = trees.leaves(found), trees.leaves(expected)
    assert [leaf.path for leaf in ours] == [leaf.path for leaf in theirs]
    for one, other in zip(ours, theirs, strict=True):
        same(f"{what}{one.path}", one.value, other.value)


def test_grad_of_a_network() -> None:
    for argnums in (0, 1, (0, 1)):
        found = engine.grad(network(engine), argnums)(PARAMETERS, BATCH)
        expected = func.grad(network(torch), argnums)(theirs_of(PARAMETERS), torch.tensor(BATCH))
        same_trees("grad", found, expected)
    value, _ = engine.value_and_grad(network(engine))(PARAMETERS, BATCH)
    same("value", value, network(torch)(theirs_of(PARAMETERS), torch.tensor(BATCH)))


def test_jvp_of_a_network() -> None:
    tangent = normal(5, 3)
    found = engine.jvp(network(engine), (PARAMETERS, BATCH), (DIRECTION, tangent))
    inputs, tangents = (theirs_of(PARAMETERS), torch.tensor(BATCH)), (theirs_of(DIRECTION), torch.tensor(tangent))
    same_trees("jvp", found, func.jvp(network(torch), inputs, tangents))


def test_hvp_of_a_network() -> None:
    found = engine.hvp(lambda p: network(engine)(p, BATCH), PARAMETERS, DIRECTION)
    gradient = func.grad(lambda p: network(torch)(p, torch.tensor(BATCH)))
    same_trees("hvp", found, func.jvp(gradient, (theirs_of(PARAMETERS),), (theirs_of(DIRECTION),))[1])


def mixed(library: Any) -> Any:
    """Two arguments that broadcast to a matrix."""
    return lambda x, y: library.sin(x) * library.exp(y) + (x @ x) * y


X, Y = normal(3), normal(2, 1)


@pytest.mark.parametrize("argnums", [0, 1, (0, 1), (1, 0)], ids=str)
@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_jacobian(argnums: Any, mode: str) -> None:
    found = engine.jacobian(mixed(engine), argnums, mode=mode)(X, Y)
    expected = func.jacrev(mixed(torch), argnums)(torch.tensor(X), torch.tensor(Y))
    same_trees("jacobian", found, expected)


@pytest.mark.parametrize("argnums", [0, 1, (0, 1)], ids=str)
def test_hessian(argnums: Any) -> None:
    found = engine.hessian(lambda x, y: mixed(engine)(x, y).sum(), argnums)(X, Y)
    expected = func.hessian(lambda x, y: mixed(torch)(x, y).sum(), argnums)(torch.tensor(X), torch.tensor(Y))
    same_trees("hessian", found, expected)


def test_vjp_of_several_results() -> None:
    def several(library: Any) -> Any:
        return lambda x, y: {"product": x * y, "pair": [library.tanh(x), (x @ x) * library.cos(y)]}

    out, pullback = engine.vjp(several(engine), X, Y)
    expected, pullback_theirs = func.vjp(several(torch), torch.tensor(X), torch.tensor(Y))
    same_trees("value", out, expected)
    for _ in range(2):  # a pullback may be called again
        gs = trees.same_form(out, [normal(*leaf.value.shape) for leaf in trees.leaves(out)])
        same_trees("vjp", pullback(gs), pullback_theirs(theirs_of(gs)))


def test_vjp_of_a_constant() -> None:
    gs = normal(3), normal(3)
    _, pullback = engine.vjp(lambda x: (x * x, engine.sign(x).detach()), X)
    _, pullback_theirs = func.vjp(lambda x: (x * x, torch.sign(x).detach()), torch.tensor(X))
    same_trees("vjp", pullback(gs), pullback_theirs(theirs_of(gs)))


def test_nested_transforms() -> None:
    def outer(library: Any, grad: Any) -> Any:
        inner = grad(lambda y, x: (library.sin(x * y) * y).sum())
        return lambda x: (x * inner(x * x, x)).sum() + (grad(lambda y: (y**3 * x).sum())(library.tanh(x)) ** 2).sum()

    x = normal(3)
    ours, theirs = outer(engine, engine.grad), outer(torch, func.grad)
    for _ in range(3):
        same("nested", ours(x), theirs(torch.tensor(x)))
        ours, theirs = (lambda x, f=ours: engine.grad(f)(x).sum()), (lambda x, f=theirs: func.grad(f)(x).sum())


def test_backward_accumulates_alike() -> None:
    x, other = Tensor(X, requires_grad=True), torch.tensor(X, requires_grad=True)
    for _ in range(2):
        (x * x[0] + engine.flip(x) * x).sum().backward()
        (other * other[0] + other.flip(0) * other).sum().backward()
    same("accumulated", x.grad, other.grad)
    loss, loss_theirs = (x**4).sum(), (other**4).sum()
    loss.backward(create_graph=True)
    loss_theirs.backward(create_graph=True)
    same("with the recorded one", x.grad, other.grad)
    assert x.grad is not None
    first, theirs_first = x.grad, other.grad
    x.grad, other.grad = None, None
    (first * first).sum().backward()
    (theirs_first * theirs_first).sum().backward()
    same("second", x.grad, other.grad)


def test_parts_of_a_jacobian_that_are_zero() -> None:
    found = engine.jacobian(lambda x, y: x * 2.0, (0, 1))(X, Y)
    expected = func.jacrev(lambda x, y: x * 2.0, (0, 1))(torch.tensor(X), torch.tensor(Y))
    same_trees("jacobian", found, expected)
    assert np.asarray(found[1].numpy()).shape == (3, 2, 1)

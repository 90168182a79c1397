"""Transforms: values against closed forms, modes and orders against each other, trees, and what they refuse."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

import engine
import nn
from engine import Tensor, grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

rng = np.random.default_rng(0)
x3 = rng.normal(size=3)


def cubic(x: Any) -> Any:
    return engine.sum(engine.tanh(x) * x * x)


def mixed(x: Any, y: Any) -> Any:
    """Softmax, a product and a fused op: something for references to do."""
    return engine.logsumexp(engine.softmax(x * y) @ y) + engine.sum(engine.gelu(x))


def test_derivatives_of_a_power_to_the_fourth_order() -> None:
    f: Any = lambda x: x**4  # noqa: E731
    for expected in (32.0, 48.0, 48.0, 24.0):
        f = grad(f)
        assert f(2.0).item() == expected


@pytest.mark.parametrize("outer", ["grad", "jvp"])
@pytest.mark.parametrize("inner", ["grad", "jvp"])
def test_modes_nest_either_way(outer: str, inner: str) -> None:
    ways: Any = {"grad": lambda f: grad(f), "jvp": lambda f: lambda x: jvp(f, x, 1.0)[1]}
    third = ways[outer](ways[inner](ways[outer](lambda x: engine.sin(x) * x)))
    x = np.array(0.7)
    np.testing.assert_allclose(third(x).item(), -3 * np.sin(0.7) - 0.7 * np.cos(0.7), rtol=1e-12)


def test_several_arguments_by_argnums() -> None:
    f = lambda x, y, k=1.0: engine.sum(x * x * y) * k  # noqa: E731
    y3 = np.arange(3.0)
    np.testing.assert_allclose(grad(f, -1)(x3, y3).numpy(), x3**2)
    by_x, by_y = grad(f, (0, 1))(x3, y3, k=2.0)
    np.testing.assert_allclose(by_x.numpy(), 4 * x3 * y3)
    np.testing.assert_allclose(by_y.numpy(), 2 * x3**2)


class Pair(NamedTuple):
    left: Any
    right: Any


def test_trees_in_and_trees_out() -> None:
    def f(parameters: dict[str, Any]) -> Any:
        w, (b, _) = parameters["w"], parameters["rest"]
        return engine.sum(w.left * w.right) + b[0] * 3.0

    tree = {"w": Pair(x3, 2 * x3), "rest": ([np.array(1.0)], None)}
    value, gradients = value_and_grad(f)(tree)
    assert isinstance(gradients["w"], Pair)
    np.testing.assert_allclose(gradients["w"].left.numpy(), 2 * x3)
    assert gradients["rest"][0][0].item() == 3
    assert gradients["rest"][1] is None
    np.testing.assert_allclose(value.item(), 2 * (x3 @ x3) + 3)


def test_a_module_as_argument_gives_gradients_by_name_and_leaves_grad_alone() -> None:
    engine.random.seed(0)
    layer = nn.Linear(3, 2)
    batch = rng.normal(size=(4, 3)).astype(np.float32)

    def loss(model: Any, batch: Any) -> Any:
        return engine.mean(model(batch) ** 2)

    value, gradients = value_and_grad(loss)(layer, Tensor(batch))
    reference = loss(layer, Tensor(batch))
    reference.backward()
    assert value.item() == reference.item()
    assert gradients.keys() == dict(layer.named_parameters()).keys()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None
        np.testing.assert_allclose(gradients[name].numpy(), parameter.grad.numpy(), rtol=1e-5, atol=1e-7)
        parameter.grad = None
    grad(loss)(layer, Tensor(batch))
    assert all(p.grad is None for p in layer.parameters())
    with engine.no_grad():
        assert not grad(loss)(layer, Tensor(batch))["weight"].requires_grad


def test_what_a_module_was_used_for_before_is_a_constant_to_grad() -> None:
    layer = nn.Linear(1, 1, bias=False)
    before = layer(Tensor([[2.0]]))
    gradient = grad(lambda model: (model(Tensor([[1.0]])) * before).sum())(layer)["weight"]
    assert gradient.item() == before.item()
    before.sum().backward()  # and the graph it came from is whole


def test_vjp_returns_the_value_and_a_pullback_that_can_be_used_again() -> None:
    y, pullback = vjp(lambda a, b: a * engine.sin(b), x3, 2 * x3)
    np.testing.assert_allclose(y.numpy(), x3 * np.sin(2 * x3))
    for g in (np.ones(3), x3):
        by_a, by_b = pullback(g)
        np.testing.assert_allclose(by_a.numpy(), g * np.sin(2 * x3))
        np.testing.assert_allclose(by_b.numpy(), g * x3 * np.cos(2 * x3))
    with pytest.raises(ValueError, match=r"vjp: .*\(2,\).*\(3,\)"):
        pullback(np.ones(2))


def test_vjp_and_jvp_of_a_function_with_a_tree_as_result() -> None:
    f = lambda x: {"square": x * x, "both": (engine.sum(x), 1.0)}  # noqa: E731
    y, pullback = vjp(f, x3)
    (gradient,) = pullback({"square": np.ones(3), "both": (np.array(2.0), np.array(0.0, np.float32))})
    np.testing.assert_allclose(gradient.numpy(), 2 * x3 + 2)
    _, tangent = jvp(f, x3, np.ones(3))
    np.testing.assert_allclose(tangent["square"].numpy(), 2 * x3)
    assert tangent["both"][0].item() == 3
    assert tangent["both"][1].item() == 0
    np.testing.assert_allclose(y["square"].numpy(), x3**2)


def test_a_pushed_tangent_is_the_transpose_of_a_pulled_cotangent() -> None:
    matrix = rng.normal(size=(3, 3))
    u, v = rng.normal(size=3), rng.normal(size=3)
    f = lambda x: engine.softmax(engine.tanh(matrix @ x) * x)  # noqa: E731
    _, pushed = jvp(f, (x3,), (v,))
    (pulled,) = vjp(f, x3)[1](u)
    np.testing.assert_allclose(u @ pushed.numpy(), v @ pulled.numpy(), rtol=1e-12)


def test_jacobians_by_rows_and_by_columns_agree_and_have_their_shapes() -> None:
    f = lambda a, b: engine.softmax(a @ b)  # noqa: E731
    a, b = rng.normal(size=(2, 3)), rng.normal(size=(3, 4))
    rows, columns = (jacobian(f, (0, 1), mode=mode)(a, b) for mode in ("reverse", "forward"))
    for row, column, x in zip(rows, columns, (a, b), strict=True):
        assert row.shape == (2, 4, *x.shape)
        np.testing.assert_allclose(row.numpy(), column.numpy(), rtol=1e-12, atol=1e-15)
    with pytest.raises(ValueError, match="sideways"):
        jacobian(f, mode="sideways")


def test_jacobian_of_a_function_that_ignores_its_argument_is_zero() -> None:
    for mode in ("reverse", "forward"):
        found = jacobian(lambda x, y: y * 1.0, mode=mode)(x3, Tensor(np.ones(2)))
        np.testing.assert_array_equal(found.numpy(), np.zeros((2, 3)))
    assert jacobian(lambda x: x * 1.0)(np.zeros((0, 2))).shape == (0, 2, 0, 2)


def test_hessians_are_symmetric_and_agree_with_products() -> None:
    y3 = rng.normal(size=3)
    whole = hessian(mixed)(x3, y3).numpy()
    np.testing.assert_allclose(whole, whole.T, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(whole, jacobian(grad(mixed))(x3, y3).numpy(), rtol=1e-10, atol=1e-12)
    v = rng.normal(size=3)
    product = hvp(lambda x: mixed(x, y3), x3, v)
    np.testing.assert_allclose(product.numpy(), whole @ v, rtol=1e-10)
    blocks = hessian(mixed, (0, 1))(x3, y3)
    np.testing.assert_allclose(blocks[0][1].numpy(), blocks[1][0].numpy().T, rtol=1e-10, atol=1e-12)
    by_x, by_y = hvp(mixed, (x3, y3), (v, 0 * v))
    np.testing.assert_allclose(by_x.numpy(), whole @ v, rtol=1e-10)
    np.testing.assert_allclose(by_y.numpy(), blocks[1][0].numpy() @ v, rtol=1e-10, atol=1e-12)


def test_the_hessian_of_a_linear_function_is_zero() -> None:
    np.testing.assert_array_equal(hessian(lambda x: engine.sum(3.0 * x))(x3).numpy(), np.zeros((3, 3)))
    np.testing.assert_array_equal(hvp(lambda x: engine.sum(3.0 * x), x3, x3).numpy(), np.zeros(3))


def test_results_can_be_differentiated_with_backward_too() -> None:
    w = Tensor(x3, requires_grad=True)
    penalty = engine.sum(grad(cubic)(w) ** 2)
    penalty.backward()
    assert w.grad is not None
    expected = 2 * hessian(cubic)(x3).numpy() @ grad(cubic)(x3).numpy()
    np.testing.assert_allclose(w.grad.numpy(), expected, rtol=1e-10)
    scale = Tensor(2.0, requires_grad=True)
    _, tangent = jvp(lambda x: scale * engine.sum(x * x), x3, x3)
    tangent.backward()
    assert scale.grad is not None
    np.testing.assert_allclose(scale.grad.item(), 2 * x3 @ x3, rtol=1e-6)


def test_results_are_constants_where_nothing_outside_could_be_differentiated() -> None:
    value, gradient = value_and_grad(cubic)(x3)
    assert value.node is None
    assert gradient.node is None
    with engine.no_grad():
        assert grad(cubic)(Tensor(x3, requires_grad=True)).node is None


def test_grad_leaves_the_graph_outside_whole() -> None:
    w = Tensor(x3, requires_grad=True)
    outside = w * w
    with engine.no_grad():
        grad(lambda x: engine.sum(x * outside))(x3)
    outside.sum().backward()
    assert w.grad is not None
    np.testing.assert_allclose(w.grad.numpy(), 2 * x3)


def test_what_transforms_refuse() -> None:
    with pytest.raises(RuntimeError, match=r"must return one number, not \(3,\)"):
        grad(lambda x: x * x)(x3)
    with pytest.raises(TypeError, match="int64"):
        grad(cubic)(np.arange(3))
    with pytest.raises(TypeError, match="argnums 2"):
        grad(cubic, 2)(x3)
    with pytest.raises(TypeError, match="str"):
        grad(cubic)("abc")
    with pytest.raises(TypeError, match="result is a str"):
        grad(lambda x: "abc")(x3)
    with pytest.raises(ValueError, match="1 tangents given for 2 inputs"):
        jvp(mixed, (x3, x3), (x3,))


# ---- checkpoint ----------------------------------------------------------------------------------------------------


def blocks(depth: int) -> nn.Sequential:
    return nn.Sequential(*[nn.Linear(4, 4) for _ in range(depth)])


def test_checkpoint_gives_the_same_gradients_to_arguments_and_to_what_is_closed_over() -> None:
    model, data = blocks(2), rng.normal(size=(5, 4)).astype(np.float32)
    found = []
    for run in (model, engine.checkpoint(model)):
        x = Tensor(data, requires_grad=True)
        model.zero_grad()
        engine.sum(engine.tanh(run(x))).backward()
        found.append([t.grad.numpy() for t in (x, *model.parameters()) if t.grad is not None])
    for plain, again in zip(*found, strict=True):
        np.testing.assert_array_equal(plain, again)


def test_checkpoint_draws_the_same_random_numbers_again() -> None:
    engine.random.seed(0)
    x = Tensor(np.ones(100), requires_grad=True)
    out = engine.checkpoint(lambda x: engine.dropout(x, p=0.5))(x)
    following = engine.random.normal((2,)).numpy()
    out.sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), out.numpy())
    engine.random.seed(0)
    engine.dropout(x, p=0.5)
    np.testing.assert_array_equal(engine.random.normal((2,)).numpy(), following)


def test_checkpoint_keeps_nothing_of_the_inside() -> None:
    import weakref

    kept: list[Any] = []

    def layer(x: Tensor) -> Tensor:
        inner = engine.exp(x)
        kept.append(weakref.ref(inner.array))
        return engine.sin(inner)

    x = Tensor([1.0], requires_grad=True)
    out = engine.checkpoint(layer)(x)
    assert kept[0]() is None
    out.sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.item(), np.cos(np.e) * np.e, rtol=1e-6)


def test_checkpoint_differentiates_to_any_order_and_forward() -> None:
    f = engine.checkpoint(lambda x: engine.exp(x) * engine.sin(x))
    x = np.array(0.5)
    second = 2 * np.exp(0.5) * np.cos(0.5)
    np.testing.assert_allclose(grad(grad(f))(x).item(), second, rtol=1e-12)
    np.testing.assert_allclose(jvp(grad(f), x, 1.0)[1].item(), second, rtol=1e-12)


def test_checkpoint_refuses_what_it_cannot_repeat() -> None:
    calls = iter([1.0, 2.0])
    x = Tensor(1.0, requires_grad=True)
    with pytest.raises(RuntimeError, match="another result the second time"):
        engine.checkpoint(lambda x: x * next(calls))(x).backward()
    w = Tensor(3.0, requires_grad=True)
    out = engine.checkpoint(lambda x: x * w)(x)
    w.assign(3.0)
    with pytest.raises(RuntimeError, match=r"checkpoint: a value it saved .* version 0, now version 1"):
        out.backward()
    out = engine.checkpoint(lambda x: x * w)(x)
    out.backward()
    with pytest.raises(RuntimeError, match="freed"):
        out.backward()

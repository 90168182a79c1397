"""The flow of blame of PyTorch models: held against PyTorch's own gradients."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import pytest

import viz
from tests.viz.pytorch.models import MODELS, Pair, tells_all, torch
from viz.sources.torch_values import op_name

nn: Any = torch.nn


@pytest.fixture(params=MODELS, ids=lambda make: make.__name__)
def made(request: pytest.FixtureRequest) -> tuple[Any, Any, viz.BlameFlow]:
    """A model, its loss and its flow."""
    torch.manual_seed(0)
    model, compute = request.param()
    with viz.scopes(model):
        loss = compute()
    return model, loss, viz.trace(loss)


def gradients(model: Any) -> dict[str, Any]:
    """The gradient of each parameter that has one, in float64."""
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {name: (grad.to_dense() if grad.is_sparse else grad).double() for name, grad in found.items()}


def test_shares_add_up_and_stages_agree_with_grad(made: Any) -> None:
    model, loss, flow = made
    into: dict[str, float] = defaultdict(float)
    for edge in flow.edges:
        into[edge.target] += edge.share
    assert all(share == pytest.approx(1, abs=1e-13) for share in into.values() if not math.isnan(share))
    assert all(parameter.grad is None for parameter in model.parameters())
    loss.backward()
    truth = {name: float(grad.square().sum()) for name, grad in gradients(model).items()}
    assert len(flow.parameters) == len(truth)
    for parameter in flow.parameters:
        path = ".".join((*parameter.scope, parameter.name or ""))
        assert any(
            path == name or path.endswith(f".{name}") for name in truth
        )  # a tied one is in the module that uses it
    tolerance = 2e-2 if "bfloat16" in {node.dtype for node in flow.nodes} else 1e-6
    assert sorted(p.squared for p in flow.parameters) == pytest.approx(sorted(truth.values()), rel=tolerance)
    assert sum(stage.share for stage in flow.stages()) == pytest.approx(1)


def test_it_can_be_looked_at(made: Any) -> None:
    _, _, flow = made
    assert flow.fold(2).svg().startswith("<")
    assert "<html" in flow.html()[:200]
    assert "100.00%" in flow.text()


def test_gradients_of_all_values_agree_with_those_that_torch_retains() -> None:
    torch.manual_seed(1)
    w, b = torch.randn(4, 3, requires_grad=True), torch.randn(3, requires_grad=True)
    h = torch.randn(5, 4) @ w + b
    t = h.tanh()
    s = t * h
    loss = (s.softmax(-1) * t).sum() + h.mean()
    flow = viz.trace(loss, names={"w": w, "b": b, "h": h, "t": t, "s": s})
    for value in (h, t, s):
        value.retain_grad()
    loss.backward()
    for name, value in (("w", w), ("b", b), ("h", h), ("t", t), ("s", s)):
        assert [node.norm for node in flow.nodes if node.name == name] == pytest.approx([value.grad.norm().item()])


def test_grad_is_as_before_also_of_tensors_that_retain_it() -> None:
    w: Any = torch.tensor([1.0, 2.0], requires_grad=True)
    h: Any = w * 3
    h.retain_grad()
    loss = (h * h).sum()
    viz.trace(loss)
    before = h.grad
    assert before is None
    assert w.grad is None
    loss.backward(retain_graph=True)
    kept: Any = h.grad
    copied = kept.clone()
    viz.trace(loss)
    assert h.grad is kept
    assert torch.equal(kept, copied)
    assert torch.equal(w.grad, torch.tensor([18.0, 36.0]))


def test_hooks_of_the_user_run_as_in_a_backward_pass_and_are_shown() -> None:
    calls: list[str] = []
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    h = w * 3

    def tenfold(g: Any) -> Any:
        calls.append("h")
        return g * 10

    h.register_hook(tenfold)
    w.register_hook(lambda g: calls.append("w"))
    w.register_post_accumulate_grad_hook(lambda p: calls.append("accumulated"))
    flow = viz.trace((h * h).sum(), names={"w": w, "h": h})
    assert calls == ["h", "w"]  # nothing was accumulated
    assert {node.name: node.hooked for node in flow.nodes} == {None: False, "h": True, "w": True} | {None: False}
    assert flow.nodes[-1].norm == pytest.approx((10 * 2 * 9 * w.detach()).norm().item())


def test_views_are_joined_to_what_they_are_views_of() -> None:
    w = torch.randn(2, 6, requires_grad=True)
    flow = viz.trace((w.reshape(3, 4).t().contiguous().view(12) * 2.0).sum())
    assert [node.op for node in flow.nodes] == ["sum", "multiply", "leaf"]
    twice = w.t()
    flow = viz.trace((twice * twice.exp()).sum())  # read twice, so it is a value of its own
    assert [node.op for node in flow.nodes] == ["sum", "multiply", "exp", "t", "leaf"]
    assert sum(edge.share for edge in flow.edges if edge.target == flow.nodes[3].id) == pytest.approx(1)


@tells_all
def test_small_graphs_show_their_values() -> None:
    a, b = torch.tensor(2.0, requires_grad=True), torch.tensor(-3.0, requires_grad=True)
    c = a * b
    flow = viz.trace((c + a) * c, names={"a": a, "b": b, "c": c})
    values = {node.name: node.value and node.value.mean for node in flow.nodes if node.name}
    assert values == {"a": 2.0, "b": -3.0, "c": -6.0}
    assert flow.nodes[0].value is not None
    assert flow.nodes[0].value.each == (24.0,)
    assert {node.name: node.gradient and node.gradient.each for node in flow.nodes if node.name == "a"} == {
        "a": (24.0,)
    }


def test_a_value_that_was_changed_in_place_since_is_told() -> None:
    a = torch.tensor([1.0, 2.0], requires_grad=True)
    b = a.exp()
    loss = b.sum() + (b.detach() * a).sum()
    with torch.no_grad():
        b.add_(1.0)
    with pytest.raises(RuntimeError, match=r"^trace: a value that the backward pass needs was changed in place since"):
        viz.trace(loss)


@tells_all
def test_local_derivatives_of_small_operations() -> None:
    a, b = torch.tensor(2.0, requires_grad=True), torch.tensor(-3.0, requires_grad=True)
    flow = viz.trace((a * b).sin(), names={"a": a, "b": b})
    name = {node.id: node.name or node.op for node in flow.nodes}
    assert {name[edge.target]: (edge.local, edge.rule) for edge in flow.edges} == {
        "multiply": (f"{math.cos(-6):.4g}", "SinBackward0"),
        "a": ("-3", "MulBackward0"),
        "b": ("2", "MulBackward0"),
    }
    w = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True)
    edge = viz.trace(w.t().reshape(6) @ torch.arange(6.0)).edges[0]
    assert edge.local == "[[0], [2], [4], [1], [3], [5]]".replace("], [", "] [")  # through transpose and reshape
    assert [edge.local for edge in viz.trace(Pair.apply(a)[0]).edges] == [""]  # a function of the user is not run


def test_several_results_count_as_one_gradient() -> None:
    w = torch.tensor([[3.0, 1.0], [2.0, 4.0]], requires_grad=True)
    first, second = w.unbind(0)
    flow = viz.trace((first * second).sum())
    (node,) = [node for node in flow.nodes if node.op == "unbind"]
    assert node.norm == pytest.approx(math.sqrt(9 + 1 + 4 + 16))
    assert node.gradient is not None
    assert node.gradient.mean == pytest.approx(2.5)
    shares = [edge.share for edge in flow.edges if edge.target == node.id]
    assert sorted(shares) == pytest.approx([10 / 30, 20 / 30])


def test_complex_numbers_on_the_way() -> None:
    w = torch.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    loss = (w * w).abs().sum()
    flow = viz.trace(loss)
    loss.backward()
    assert flow.nodes[-1].norm == pytest.approx(float(torch.view_as_real(w.grad).norm()))
    with pytest.raises(TypeError, match=r"^trace: a complex number is no loss"):
        viz.trace((w * w).sum())


def test_gradients_that_leave_the_range_of_floats() -> None:
    w = torch.zeros(3, requires_grad=True)
    norms = {node.op: node.norm for node in viz.trace(w.norm() / w.sum()).nodes}
    assert norms["linalg_vector_norm"] == math.inf
    assert math.isnan(norms["leaf"])
    tiny = torch.ones(3, dtype=torch.float64, requires_grad=True)
    assert viz.trace((tiny * 1e-200).sum()).nodes[-1].norm == pytest.approx(math.sqrt(3) * 1e-200)
    assert viz.trace((tiny * 1e200).sum()).nodes[-1].norm == pytest.approx(math.sqrt(3) * 1e200)


def test_an_empty_tensor_has_no_gradient_to_speak_of() -> None:
    flow = viz.trace((torch.zeros(0, 3, requires_grad=True) * 2).sum())
    assert [(node.norm, node.gradient) for node in flow.nodes[1:]] == [(0.0, None), (0.0, None)]


def test_a_derivative_can_be_traced_too() -> None:
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    (g,) = torch.autograd.grad((w**3).sum(), w, create_graph=True)
    assert viz.trace((g * g).sum()).nodes[-1].norm == pytest.approx((36 * w.detach() ** 3).norm().item())


@tells_all
def test_the_bytes_that_are_kept() -> None:
    model, x = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.randn(16, 4)
    saved = {node.op: node.saved for node in viz.trace(model(x).sum()).nodes}
    assert saved["relu"] == 16 * 8 * 4  # what the second layer reads is the same memory
    flow = viz.trace(model(x).sum())
    assert sum(node.saved or 0 for node in flow.nodes) == (16 * 8 + 16 * 4) * 4


@tells_all
def test_a_checkpoint_keeps_its_input_only() -> None:
    from torch.utils.checkpoint import checkpoint

    runs = []

    def layers(x: Any) -> Any:
        runs.append(1)
        return x.exp().sin().exp()

    x = torch.randn(100, requires_grad=True)
    loss = checkpoint(layers, x, use_reentrant=False).sum()
    flow = viz.trace(loss)
    assert runs == [1, 1]  # once more, as in any backward pass
    assert sum(node.saved or 0 for node in flow.nodes) == 0  # x is a leaf
    assert (
        sum(node.saved or 0 for node in viz.trace(layers(x).sum()).nodes) == 2 * 400
    )  # the sine keeps what the first exp keeps


def test_it_works_inside_no_grad_and_inference_mode() -> None:
    w = torch.tensor(2.0, requires_grad=True)
    loss = w * w
    with torch.no_grad():
        assert viz.trace(loss).nodes[-1].norm == 4
    with torch.inference_mode():
        assert viz.trace(loss).nodes[-1].norm == 4
    assert viz.trace(w).nodes[0].op == "leaf"
    loss.backward()
    assert w.grad == 4


def reentrant() -> Any:
    from torch.utils.checkpoint import checkpoint

    return checkpoint(torch.exp, torch.randn(3, requires_grad=True), use_reentrant=True).sum()


def freed() -> Any:
    loss = (torch.ones(3, requires_grad=True) ** 2).sum()
    loss.backward()
    return loss


def inferred() -> Any:
    with torch.inference_mode():
        return nn.Linear(2, 1)(torch.ones(2)).sum()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: torch.tensor(1.0), "trace: no blame can flow: no input requires a gradient"),
        (inferred, "trace: no blame can flow: no input requires a gradient, or the loss was made under no_grad, infer"),
        (lambda: torch.ones(3, requires_grad=True) * 2, "trace: a tensor of shape (3,) is no loss; reduce it"),
        (freed, "trace: the graph was freed by an earlier backward; call that one with retain_graph=True"),
        (reentrant, "trace: a reentrant checkpoint cannot be watched; give torch.utils.checkpoint use_reentrant=False"),
        (lambda: torch.ones(3, device="meta", requires_grad=True).sum(), "trace: a loss on the meta device has no num"),
        (
            lambda: [torch.ones((), requires_grad=True)] * 2,
            "trace: give the loss as a Tensor, not list: trace one loss",
        ),
    ],
)
def test_what_cannot_be_traced_is_refused_in_one_line(make: Any, message: str) -> None:
    loss = make()
    with pytest.raises((TypeError, ValueError, RuntimeError)) as caught:
        viz.trace(loss)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_operations_have_the_names_of_their_functions() -> None:
    names = ["NativeLayerNormBackward0", "MulBackward0", "MyFunctionBackward", "torch::autograd::CopySlices"]
    assert [op_name(name) for name in names] == ["native_layer_norm", "multiply", "MyFunction", "copy_slices"]
    assert op_name("LinalgVectorNormBackward0") == "linalg_vector_norm"

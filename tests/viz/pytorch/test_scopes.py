"""viz.scopes: which call of which module made which node, and what stays of it when the block has ended."""

from __future__ import annotations

import gc
import threading
import warnings
import weakref
from typing import Any

import pytest

import viz
from tests.viz.pytorch.models import Steps, Tied, torch

nn: Any = torch.nn
X = torch.randn(5, 3)


def small() -> Any:
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))


def scopes(flow: viz.BlameFlow) -> list[tuple[str, ...]]:
    return [node.scope for node in flow.nodes]


def global_hooks() -> int:
    hooks = torch.nn.modules.module
    return len(hooks._global_forward_hooks) + len(hooks._global_forward_pre_hooks)


def test_nested_modules_and_names_of_parameters() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    with viz.scopes(model):
        loss = model(torch.randn(1, 3, 8)).sum()
    flow = viz.trace(loss)
    assert ("layers.1", "self_attn") in scopes(flow)
    assert {(p.scope, p.name) for p in flow.parameters} >= {
        (("layers.0", "linear1"), "weight"),
        (("layers.1", "self_attn"), "in_proj_weight"),
    }
    assert flow.fold(1).nodes[1].label == "layers.0-1"
    assert flow.fold(1).nodes[1].count == 2


def test_a_module_under_several_names_has_its_first_one() -> None:
    model = Tied()
    with viz.scopes(model):
        loss = model(torch.tensor([[1, 2]])).sum()
    flow = viz.trace(loss)
    assert set(scopes(flow)) == {(), ("embedding",), ("head",), ("layer",)}
    assert {node.calls for node in flow.nodes if node.scope == ("layer",) and node.op != "leaf"} == {(0,), (1,)}


def test_calls_in_a_loop_fold_to_one() -> None:
    model = Steps()
    with viz.scopes(model):
        loss = model(torch.randn(2, 7, 4)).sum()
    (cell,) = [node for node in viz.trace(loss).fold().nodes if node.label == "cell"]
    assert cell.count == 7


def test_several_models_are_told_apart() -> None:
    encoder, first, second = nn.Linear(3, 3), small(), small()
    with viz.scopes(encoder, first, second):
        loss = (first(encoder(X)) * second(X)).sum()
    assert {scope[0] for scope in scopes(viz.trace(loss)) if scope} == {"linear", "sequential0", "sequential1"}


def test_two_passes_keep_their_own_scopes() -> None:
    model = small()
    with viz.scopes(model):
        first = model(X).sum()
        second = model(2 * X).sum()
    with viz.scopes(model):
        third = model(3 * X).sum()
    flows = [viz.trace(loss) for loss in (first, second, third)]
    assert scopes(flows[0]) == scopes(flows[1]) == scopes(flows[2])
    both = viz.trace(first * third)
    assert [len([n for n in both.nodes if n.scope == ("1",)]), len(both.parameters)] == [2, 4]
    assert {node.calls for node in both.nodes if node.scope == ("1",)} == {(0,), (1,)}


def test_what_runs_between_modules_is_outside() -> None:
    model = small()
    with viz.scopes(model):
        loss = (model[2](model[0](X).exp()) * 2).sum()
    found = {node.op: node.scope for node in viz.trace(loss).nodes if node.op != "leaf"}
    assert found == {"sum": (), "multiply": (), "addmm": ("0",), "exp": ()}


def test_hooks_leave_when_the_block_ends_by_an_exception_too() -> None:
    class Failing(nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            raise ValueError("planned")

    inner = small()
    model = nn.Sequential(inner, Failing())
    before = global_hooks()
    with pytest.raises(ValueError, match="planned"), viz.scopes(model):
        model(X)
    assert global_hooks() == before
    with viz.scopes(model):
        with pytest.raises(ValueError, match="planned"):
            model(X)
        loss = inner(X).sum()
    assert set(scopes(viz.trace(loss))) == {(), ("0", "0"), ("0", "1"), ("0", "2")}


def test_a_block_may_be_inside_another_and_be_entered_again() -> None:
    model, again = small(), small()
    block = viz.scopes(model)
    with block, viz.scopes(again):
        loss = model(X).sum() + again(X).sum()
    with block:
        later = model(X).sum()
    assert len([scope for scope in scopes(viz.trace(loss)) if scope]) == 14
    assert len([scope for scope in scopes(viz.trace(later)) if scope]) == 7


def test_each_thread_has_its_own_calls() -> None:
    model, losses = small(), []

    def run() -> None:
        losses.append(model(X).sum())

    with viz.scopes(model):
        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    expected = scopes(viz.trace(losses[0]))
    assert [scopes(viz.trace(loss)) for loss in losses] == [expected] * 4
    assert len([scope for scope in expected if scope]) == 7
    assert sorted(filter(None, scopes(viz.trace(sum(losses))))) == sorted([("0",)] * 6 + [("1",)] * 4 + [("2",)] * 6)


def test_nothing_of_a_pass_stays_when_its_graph_is_gone() -> None:
    model = small()
    with viz.scopes(model):
        loss = model(X).sum()
        record = weakref.ref(viz.sources.torch_scopes.record_of(loss.grad_fn.next_functions[0][0]))
        assert record() is not None
        del loss
        gc.collect()
        assert record() is None


def test_a_graph_recorded_before_gets_names_and_stages_from_the_parameters() -> None:
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)
    flow = viz.trace(model(torch.randn(1, 3, 8)).sum(), model=model)
    assert {stage.name for stage in flow.stages()} == {"layers.0", "layers.1"}
    assert {(p.scope, p.name) for p in flow.parameters} >= {(("layers.0", "self_attn", "out_proj"), "weight")}
    with pytest.raises(TypeError, match=r"^trace: model must be a torch\.nn\.Module, not int$"):
        viz.trace(model(torch.randn(1, 3, 8)).sum(), model=3)


def test_lines_of_source_are_noted_if_asked_for() -> None:
    model = small()
    with viz.scopes(model, lines=True):
        loss = model(X).sum()
    assert not torch.is_anomaly_enabled()
    line = viz.trace(loss).nodes[0].line
    assert line is not None
    assert __file__.endswith(line.file)
    assert line.text == "loss = model(X).sum()"
    assert viz.trace(model(X).sum()).nodes[0].line is None
    with pytest.raises(
        ValueError, match=r"^trace: lines=True, and no line .*; compute the loss under viz\.scopes\(mod"
    ):
        viz.trace(model(X).sum(), lines=True)


def test_wrapped_models_have_the_names_of_what_they_wrap() -> None:
    model = small()
    with viz.scopes(nn.DataParallel(model)):
        loss = nn.DataParallel(model)(X).sum()
    assert {scope for scope in scopes(viz.trace(loss)) if scope} == {("0",), ("1",), ("2",)}


def test_a_compiled_part_is_one_box() -> None:
    model = small()
    model[0] = torch.compile(nn.Sequential(nn.Linear(3, 4), nn.Tanh()), backend="aot_eager")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own, about how it compiles
        with viz.scopes(model):
            loss = model(X).sum()
    flow = viz.trace(loss)
    assert [(node.op, node.scope) for node in flow.nodes if node.op != "leaf"][-1] == ("compiled", ("0",))
    loss.backward()
    assert sum(p.squared for p in flow.parameters) == pytest.approx(
        sum(float(p.grad.square().sum()) for p in model.parameters()), rel=1e-6
    )


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^scopes: give modules of PyTorch, not int$"):
        viz.scopes(3)
    with pytest.raises(TypeError, match=r"^scopes: give the model whose calls are to be noted"):
        viz.scopes()

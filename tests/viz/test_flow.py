"""The flow of blame: shares add up, folding conserves them, and they predict what a step does."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import engine
import viz
from engine import Tensor
from engine.testing.programs import Program, calls
from gpt.data import calculator
from gpt.model import GPT, GPTConfig
from gpt.training.trainer import new_model


def shares_into(flow: viz.BlameFlow) -> dict[str, float]:
    totals: dict[str, float] = defaultdict(float)
    for edge in flow.edges:
        totals[edge.target] += edge.share
    return totals


def a_gpt_and_its_loss() -> tuple[GPT, Tensor]:
    tokenizer = calculator.tokenizer()
    shape = GPTConfig(len(tokenizer), 64, n_layer=2, n_head=2, n_embd=16, positions="rotary", tie=False)
    model = new_model(lambda: GPT(shape), seed=1)
    data = calculator.encode(calculator.all_problems()[::2000], tokenizer)
    return model, engine.cross_entropy(model(data.ids), data.labels)


@given(calls())
def test_shares_into_a_node_add_up_to_one(call: tuple[Program, tuple[Any, ...]]) -> None:
    program, arrays = call
    loss = engine.sum(program(*[Tensor(a, requires_grad=True) for a in arrays]))
    flow = viz.trace(loss)
    norms = {node.id: node.norm for node in flow.nodes}
    for target, total in shares_into(flow).items():
        if norms[target] > 0:
            assert total == pytest.approx(1, abs=1e-9)
        else:
            assert math.isnan(total)


def test_a_cancelled_share_is_negative() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = engine.exp(x)  # so that x itself has one edge in
    flow = viz.trace((y * 3.0 - y).sum())
    shares = sorted(edge.share for edge in flow.edges if edge.target == "n1")
    assert shares == pytest.approx([-0.5, 1.5])


def test_gradients_in_the_flow_are_those_of_backward_which_still_works_after() -> None:
    model, loss = a_gpt_and_its_loss()
    flow = viz.trace(loss)
    assert all(p.grad is None for p in model.parameters())
    loss.backward()
    named = {name.rsplit(".", 1)[-1] for name, _ in model.named_parameters()}
    leaves = [node for node in flow.nodes if node.op == "leaf"]
    assert {node.name for node in leaves} == named
    norms = sorted(float(np.linalg.norm(p.grad.numpy())) for p in model.parameters() if p.grad is not None)
    assert sorted(node.norm for node in leaves) == pytest.approx(norms, rel=1e-5)


def test_ids_are_the_same_from_run_to_run() -> None:
    first, second = (viz.trace(a_gpt_and_its_loss()[1]) for _ in range(2))
    assert first == second
    assert first.fold(2) == second.fold(2)


def test_a_stages_share_predicts_how_much_the_loss_falls() -> None:
    model, loss = a_gpt_and_its_loss()
    tokenizer = calculator.tokenizer()
    data = calculator.encode(calculator.all_problems()[::2000], tokenizer)
    for _, module in model.named_modules():  # float64, so that a small fall can be measured
        for name, value in list(module.tensors()):
            setattr(module, name, Tensor(value.numpy().astype(np.float64), requires_grad=True, name=value.name))
    loss = model.loss(data.ids, data.labels)
    stages = viz.trace(loss).stages(depth=2)
    loss.backward()
    gradients = {name: p.grad.numpy() for name, p in model.named_parameters() if p.grad is not None}
    total = sum(float(np.vdot(g, g)) for g in gradients.values())
    assert sum(stage.share for stage in stages) == pytest.approx(1)
    rate = 1e-5 / total
    for stage in stages:
        before = model.state_dict()
        for name, parameter in model.named_parameters():
            if name.startswith(stage.name + "."):
                parameter.assign(parameter.numpy() - rate * gradients[name])
        with engine.no_grad():
            fall = loss.item() - model.loss(data.ids, data.labels).item()
        assert fall == pytest.approx(rate * stage.share * total, rel=1e-3), stage.name
        model.load_state_dict(before)


def test_tracing_where_nothing_can_flow_says_so() -> None:
    with pytest.raises(viz.NothingToTrace, match="no blame can flow"):
        viz.trace(Tensor(1.0))
    with pytest.raises(RuntimeError, match=r"\(2,\) is no loss"):
        viz.trace(Tensor([1.0, 2.0], requires_grad=True) * 2.0)
    with pytest.raises(ValueError, match="depth"):
        viz.trace(Tensor(1.0, requires_grad=True) * 2.0).fold(0)


def test_the_table_has_a_line_per_stage_and_adds_up() -> None:
    _, loss = a_gpt_and_its_loss()
    lines = viz.trace(loss).text(depth=1).splitlines()
    stages = ["embedding", "blocks.0", "blocks.1", "norm", "head"]
    assert [line.split("  ")[0] for line in lines] == ["stage", *stages, "(no module)", "all"]  # the loss is no module
    assert "100.00%" in lines[-1]

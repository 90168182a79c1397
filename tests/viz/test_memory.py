"""Memory kept for the backward pass: the same sum in nodes, boxes, scopes, stages and the table."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import engine
import nn
import viz
from engine import Tensor
from tests.viz.modules import Step, bodies, loss_of
from viz.digits import memory


def total(nodes: tuple[viz.Node, ...]) -> int:
    return sum(node.saved or 0 for node in nodes)


@given(bodies)
def test_folding_and_pruning_lose_no_byte(body: tuple[Step, ...]) -> None:
    flow = viz.trace(loss_of(body))
    whole = total(flow.nodes)
    assert sum(kept.saved for kept in flow.memory) == whole
    for view in (flow.fold(1), flow.fold(2), flow.fold(1, repeats=False), flow.prune(0.5), flow.fold(1).prune(0.5)):
        assert total(view.nodes) == whole
        assert view.memory == flow.memory


def model_and_flow() -> tuple[nn.Module, viz.BlameFlow]:
    engine.random.seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 1))
    return model, viz.trace(model(np.ones((16, 4), np.float32)).square().mean())


def test_a_stage_has_the_bytes_of_its_module_also_when_the_flow_is_folded() -> None:
    _, flow = model_and_flow()
    expected = {"0": 16 * 4 * 4, "2": 0}  # the input of each linear layer; that of the second counts for the gelu
    for view in (flow, flow.fold(1), flow.prune(0.5)):
        assert {stage.name: stage.saved for stage in view.stages()} == expected
        assert view.text(1) == flow.text(1)


def test_the_column_of_the_table_adds_up_with_a_row_for_what_has_no_parameters() -> None:
    _, flow = model_and_flow()
    rows = {line.split()[0]: line.split("  ")[-1].strip() for line in flow.text(1).splitlines()}
    assert rows == {
        "stage": "kept",
        "0": "256 B",
        "1": "1.54 kB",  # gelu, which has no parameters: its input, its result and a gate
        "2": "0 B",
        "(no": "64 B",  # the square of the loss
        "all": "1.86 kB",
    }
    assert re.search(r"^1 +0 +1.54 kB$", flow.text(1), re.MULTILINE)  # and no share


def test_a_module_with_inner_modules_has_a_row_for_what_it_keeps_itself() -> None:
    parameters = (viz.Parameter((), "w", 1, 1.0), viz.Parameter(("a", "c"), "w", 2, 1.0))
    memory = tuple(
        viz.Kept(tuple(scope), size) for scope, size in (("ab", 5), ("ac", 0), ("a", 20), ("", 100), ("d", 0))
    )
    text = viz.BlameFlow(1.0, (), (), parameters, memory=memory).text()
    assert [re.split(" {2,}", line)[0] for line in text.splitlines()] == [
        "stage",
        "w",  # used first, as far as is known
        "a",
        "├─ b",
        "├─ c",
        "└─ (its own)",
        "(no module)",  # and no row for d, which neither keeps nor learns anything
        "all",
    ]
    assert [line.rsplit("  ", 1)[1].strip() for line in text.splitlines()[1:]] == [
        *("0 B", "25 B", "5 B", "0 B", "20 B", "100 B", "125 B")
    ]


def test_without_knowledge_there_is_no_column_and_no_number() -> None:
    parameter = viz.Parameter(("a",), "w", 3, 1.0)
    flow = viz.BlameFlow(1.0, (), (), (parameter,))
    assert "kept" not in flow.text()
    assert flow.stages()[0].saved is None
    node = viz.Node("n0", "exp", None, ("a",), (3,), "float32", 1.0, 1.0)
    assert viz.BlameFlow(1.0, (node,), (), ()).fold(1).nodes[0].saved is None


def test_the_page_and_the_tooltips_say_what_is_kept() -> None:
    x = Tensor(np.ones(1000), requires_grad=True, name="x")
    flow = viz.trace(engine.exp(x).sum())
    assert "8 kB kept for the backward pass" in flow.html()
    assert "8 kB kept for the backward pass" in flow.dot()


def test_a_checkpoint_saves_what_its_box_keeps_but_for_its_input_and_its_result() -> None:
    inner = nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 64))
    data = np.ones((128, 64), np.float32)

    def traced(run: Any) -> viz.BlameFlow:
        x = Tensor(data, requires_grad=True) * 1.0
        return viz.trace(run(x).sum())

    def named(x: Any) -> Any:
        with engine.scope("inner"):
            return inner(x)

    (box,) = [node for node in traced(named).fold(1).nodes if node.op == "module"]
    saved = total(traced(named).nodes) - total(traced(engine.checkpoint(named)).nodes)
    assert box.saved is not None
    assert saved == box.saved - 2 * data.nbytes


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (999_999, "1000 kB"), (3 * 10**16, "30 PB")]
)
def test_bytes_have_units(count: int, text: str) -> None:
    assert memory(count) == text

"""Findings: each planted trouble is found, with its numbers and its place; healthy models have none."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import engine
import nn
import viz
from engine import Tensor
from gpt.model import GPT, GPTConfig
from viz.depth import largest_fall, largest_rise

WIDTH = 32
DATA = np.random.default_rng(1).normal(size=(64, WIDTH)).astype(np.float32)
HE, XAVIER = math.sqrt(2), 1.0


class Act(nn.Module):
    """An activation by its function."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x)


class Residual(nn.Module):
    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.first, self.second, self.function = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH), function

    def forward(self, x: Any) -> Any:
        return x + self.second(self.function(self.first(x)))


def network(depth: int, function: Callable[[Any], Any], gain: float | None = None, residual: bool = False) -> nn.Module:
    """A plain or residual network; `gain` / sqrt(width) is the deviation of its weights, if it is given."""
    engine.random.seed(0)
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [Residual(function)] if residual else [nn.Linear(WIDTH, WIDTH), Act(function)]
    model = nn.Sequential(*layers, nn.Linear(WIDTH, 1))
    if gain is not None:
        rng = np.random.default_rng(0)
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.assign(rng.normal(size=parameter.shape) * gain / math.sqrt(WIDTH))
    return model


def loss_of(model: nn.Module, scale: float = 1.0) -> Tensor:
    loss: Tensor = (model(DATA) - 1.0).square().mean() * scale
    return loss


def gpt(**settings: Any) -> Tensor:
    engine.random.seed(0)
    config = {"vocab_size": 32, "block_size": 32, "n_layer": 4, "n_head": 4, "n_embd": 32, "dropout": 0.1, **settings}
    model = GPT(GPTConfig(**config))
    ids = np.random.default_rng(0).integers(0, 32, (2, 32))
    return model.loss(ids, np.roll(ids, -1, axis=1))


def finding(loss: Tensor, names: dict[str, Any] | None = None) -> viz.Finding:
    """The only finding."""
    (found,) = viz.trace(loss, names=names).diagnose()
    assert str(found) == f"{found.kind}: {found.text}"
    assert "\n" not in found.text
    return found


HEALTHY: dict[str, Callable[[], Tensor]] = {
    "GPT": gpt,
    "GPT of 12 layers": lambda: gpt(n_layer=12),
    "GPT, norm behind": lambda: gpt(norm="post"),
    "GPT, rotary positions, untied": lambda: gpt(positions="rotary", tie=False),
    "GPT, sinusoidal positions": lambda: gpt(positions="sinusoidal", n_embd=64),
    "relu, 3 layers as PyTorch makes them": lambda: loss_of(network(3, engine.relu)),
    "relu, 24 layers": lambda: loss_of(network(24, engine.relu, HE)),
    "tanh, 24 layers": lambda: loss_of(network(24, engine.tanh, XAVIER)),
    "sigmoid, 3 layers": lambda: loss_of(network(3, engine.sigmoid, XAVIER)),
    "residual, 24 blocks": lambda: loss_of(network(24, engine.relu, residual=True)),
    "a sum for a mean": lambda: loss_of(network(3, engine.relu, HE), scale=1e4),
    "one number": lambda: (Tensor(-2.0, requires_grad=True) * 3.0).tanh(),
    "a relu that happens to pass nothing": lambda: (
        engine.relu(Tensor([-1.0, -2.0], requires_grad=True)).sum() + (Tensor(1.0, requires_grad=True) * 2.0)
    ),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_wrong_with_healthy_models(name: str) -> None:
    assert viz.trace(HEALTHY[name]()).diagnose() == []


@pytest.mark.parametrize("name", [name for name in HEALTHY if "layers" in name or "GPT" in name])
def test_healthy_models_are_far_from_the_limits(name: str) -> None:
    """The limit of a change by 1000 has room on both sides: see the planted cases."""
    flow = viz.trace(HEALTHY[name]())
    for change in (largest_fall(flow.nodes, flow.edges), largest_rise(flow.nodes, flow.edges)):
        assert change is None or 1 / 250 < change.ratio < 250


def test_a_chain_of_saturated_sigmoids_vanishes() -> None:
    model = network(6, engine.sigmoid)
    for parameter in model.parameters():
        if parameter.shape == (WIDTH,):
            parameter.assign(np.full(WIDTH, 8.0))
    with engine.keep_lines():
        loss = loss_of(model)
    found = finding(loss)
    assert found.kind == "vanishing"
    assert found.numbers["layers"] == 6
    assert found.numbers["factor"] > 1e15
    assert "at 12.linear (" in found.text  # from the last layer, with its line,
    assert "at 0.linear (" in found.text  # to the first
    assert "loss: Tensor = (model(DATA) - 1.0).square().mean()" in found.text
    flow = viz.trace(loss)
    nodes = {node.id: node for node in flow.nodes}
    first, last = nodes[found.nodes[0]], nodes[found.nodes[-1]]
    assert first.norm / last.norm == pytest.approx(found.numbers["factor"])
    assert (last.norm / first.norm) ** (1 / 6) == pytest.approx(found.numbers["rate"])


def test_without_residuals_24_layers_vanish_and_with_them_they_do_not() -> None:
    found = finding(loss_of(network(24, engine.relu)))
    assert found.kind == "vanishing"
    assert found.numbers["layers"] == 24
    assert found.numbers["factor"] > 1e6
    assert viz.trace(loss_of(network(24, engine.relu, residual=True))).diagnose() == []


@pytest.mark.parametrize(("gain", "kind"), [(math.sqrt(WIDTH), "exploding"), (0.05, "vanishing")])
def test_a_bad_initialisation_is_seen_and_which_way_it_is_bad(gain: float, kind: str) -> None:
    found = finding(loss_of(network(8, engine.relu, gain)))
    assert found.kind == kind
    assert found.numbers["layers"] == 8
    assert (found.numbers["rate"] > 3) == (kind == "exploding")
    scaled = finding(loss_of(network(8, engine.relu, gain), scale=0.125))
    assert scaled.numbers == pytest.approx(found.numbers, rel=1e-3)  # the size of the loss plays no part


def test_the_worst_layer_is_named() -> None:
    model = network(4, engine.tanh, XAVIER)
    weight = dict(model.named_parameters())["4.weight"]
    weight.assign(weight.numpy() * 1e-5)
    found = finding(loss_of(model))
    assert found.kind == "vanishing"
    assert "most on the way to 2.linear" in found.text  # whose result layer 4 reads


def test_a_recurrent_net_vanishes_over_its_steps() -> None:
    rng = np.random.default_rng(3)
    u = Tensor(rng.normal(size=(16, 16)) * 0.1, requires_grad=True, name="u")
    h: Any = engine.zeros((4, 16), dtype=np.float64)
    for _ in range(20):
        h = engine.tanh(rng.normal(size=(4, 16)) + engine.matmul(h, u))
    found = finding(h.square().mean())
    assert found.kind == "vanishing"
    assert found.numbers["layers"] >= 18


def test_a_branch_that_blame_can_pass_beside_is_no_layer() -> None:
    """Its last layer is nearly zero, as where a block is to do nothing at first: the gradient inside is small."""
    model = network(6, engine.relu, residual=True)
    for name, parameter in model.named_parameters():
        if name.endswith("second.weight"):
            parameter.assign(parameter.numpy() * 1e-6)
    stem = nn.Linear(WIDTH, WIDTH)  # without it, nothing is beside the first branch that blame could reach
    assert viz.trace((model(stem(DATA)) - 1.0).square().mean()).diagnose() == []


@pytest.mark.parametrize("small_first", [True, False])
def test_of_two_branches_side_by_side_neither_is_a_layer(small_first: bool) -> None:
    first, left, right = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
    left.weight.assign(left.weight.numpy() * 1e-6)
    x = first(DATA)
    branches = (left, right) if small_first else (right, left)
    made = [engine.tanh(branch(engine.tanh(branch(x)))) for branch in branches]  # twice, so that blame has to fall
    assert viz.trace((nn.Linear(WIDTH, 1)(made[0] + made[1]) - 1.0).square().mean()).diagnose() == []


def test_a_regulariser_beside_the_network_hides_nothing() -> None:
    model = network(24, engine.relu)
    penalty = sum((parameter.square().sum() for parameter in model.parameters()), Tensor(0.0))
    assert finding(loss_of(model) + 1e-4 * penalty).kind == "vanishing"


def test_a_dead_layer_is_found_and_which() -> None:
    model = network(2, engine.relu, HE)
    dict(model.named_parameters())["2.bias"].assign(np.full(WIDTH, -100.0))
    loss = loss_of(model)
    found = finding(loss)
    assert found.kind == "dead"
    assert found.numbers["passing"] == 0
    assert found.numbers["arriving"] == DATA.size
    assert found.text.startswith("3.relu lets 0% of its gradient pass")
    assert {node.op for node in viz.trace(loss).nodes if node.id in found.nodes} == {"relu", "linear"}


def test_one_living_unit_of_thirty_two_keeps_a_layer_alive_and_a_stray_element_does_not() -> None:
    for alive, kinds in ((1, []), (0, ["dead"])):
        model = network(1, engine.relu)
        bias = np.full(WIDTH, -100.0)
        bias[:alive] = 100.0
        dict(model.named_parameters())["0.bias"].assign(bias)
        assert [found.kind for found in viz.trace(loss_of(model)).diagnose()] == kinds


class Two(nn.Module):
    """Two branches, of which one is detached."""

    def __init__(self) -> None:
        self.used, self.lost = nn.Linear(WIDTH, 1), nn.Linear(WIDTH, 1)

    def forward(self, x: Any) -> Any:
        return self.used(x) + self.lost(x).detach()


def test_a_detached_branch_is_found_through_the_names() -> None:
    model, another = Two(), nn.Linear(3, 3)
    stray = Tensor(1.0, requires_grad=True)
    loss = loss_of(model)
    found = finding(loss, {"model": model, "another": another, "stray": stray})  # these belong to something else
    assert found.kind == "detached"
    assert found.text.startswith("model.lost.weight, model.lost.bias (33 elements) require a gradient")
    assert found.numbers == {"tensors": 2, "elements": WIDTH + 1}
    assert viz.trace(loss).diagnose() == []  # the graph alone does not know of it
    flow = viz.trace(loss, names={"again": [model.lost], "model": model})
    assert (
        flow.absent
        == flow.fold().absent
        == (
            viz.Absent("model.lost.weight", WIDTH, False),
            viz.Absent("model.lost.bias", 1, False),
        )
    )


def test_without_a_model_single_tensors_are_found() -> None:
    w, lost = (Tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    found = finding((w + lost.detach()).sum(), {"w": w, "lost": lost, "constant": Tensor(1.0)})
    assert found.text.startswith("lost (2 elements) require")


def test_a_frozen_stage_is_found_and_a_constant_table_is_none() -> None:
    model = network(2, engine.relu, HE)
    (frozen,) = (module for name, module in model.named_modules() if name == "2")
    assert isinstance(frozen, nn.Linear)
    assert frozen.bias is not None
    frozen.weight, frozen.bias = frozen.weight.detach(), frozen.bias.detach()
    found = finding(loss_of(model), {"model": model})
    assert found.kind == "frozen"
    assert found.text.startswith(f"model.2.weight, model.2.bias ({WIDTH * WIDTH + WIDTH:,} elements)")
    engine.random.seed(0)
    healthy = GPT(GPTConfig(vocab_size=8, block_size=8, n_layer=1, n_head=2, n_embd=16, positions="sinusoidal"))
    ids = np.arange(8)[None]
    assert viz.trace(healthy.loss(ids, ids), names={"healthy": healthy}).diagnose() == []


@pytest.mark.parametrize(("scale", "word"), [(1e-12, "below 1e-8"), (1e10, "above 10000")])
def test_a_loss_scaled_wrongly_is_seen_at_every_leaf(scale: float, word: str) -> None:
    found = finding(loss_of(network(3, engine.relu, HE), scale))
    assert found.kind == "scale"
    assert word in found.text
    better = float(found.text.rpartition(" ")[2])
    assert viz.trace(loss_of(network(3, engine.relu, HE), scale * better)).diagnose() == []


def test_float16_needs_larger_gradients() -> None:
    x = Tensor(np.ones(4), requires_grad=True, dtype=np.float16)
    assert finding((x * 1e-5).sum()).kind == "scale"
    assert viz.trace((Tensor(np.ones(4), requires_grad=True, dtype=np.float32) * 1e-5).sum()).diagnose() == []


def test_a_gradient_of_exactly_zero_everywhere_is_said_to_be_one() -> None:
    x = Tensor([0.0, 0.0], requires_grad=True)
    assert finding((x * x).sum()).kind == "no gradient"


def test_the_first_number_that_is_not_finite_has_its_op_its_rule_and_its_line() -> None:
    x = Tensor([0.0, 4.0], requires_grad=True, name="x")
    with engine.keep_lines():
        scaled = x * 1.0
        root = engine.sqrt(scaled)
        loss = (root + x).sum()
    flow = viz.trace(loss)
    first = flow.first_nonfinite
    assert first is not None
    assert first.op == "multiply"
    assert first.line is not None
    assert first.line.text == "scaled = x * 1.0"
    found = finding(loss)
    assert found.kind == "not finite"
    assert found.text.startswith("gradient infinite, first, going backward, at multiply (")
    assert "from sqrt (" in found.text
    assert "root = engine.sqrt(scaled)), by the rule g / (2 * sqrt(x))" in found.text
    assert found.nodes == (first.id, next(node.id for node in flow.nodes if node.op == "sqrt"))
    assert flow.text().splitlines()[-1].startswith("first infinite number of the sweep: in the gradient of multiply (")
    assert flow.fold(1).first_nonfinite == first  # no modules here


def test_a_nan_loss_names_the_oldest_value_that_is_nan() -> None:
    x = Tensor([-1.0, 4.0], requires_grad=True, name="x")
    with engine.keep_values(), np.errstate(invalid="ignore"):
        loss = engine.log(x * 1.0).sum()
    found = viz.trace(loss).diagnose()[0]
    assert found.text == "the loss is nan; the oldest value known to hold a nan is log"


def test_the_first_trouble_is_marked_in_the_picture_and_on_the_page_and_a_box_holds_it() -> None:
    with engine.scope("inner"):
        x = Tensor([0.0, 4.0], requires_grad=True, name="x")
        root = engine.sqrt(x * 1.0) + 1.0
    flow = viz.trace((root * 2.0).sum())
    legend = "thick frame: where a nan or an infinite number first appears, going backward"
    assert flow.dot().count("first infinite number of the sweep") == 1
    assert legend in flow.dot()
    page = flow.html()
    assert page.count("first infinite number of the sweep") == page.count('"trouble":true') - 1 == 1
    assert page.count("first nan or infinite number inside") == 1  # at the call, while it is closed
    assert legend in page
    folded = flow.fold(1)
    box = folded.first_nonfinite
    assert box is not None
    assert math.isfinite(box.norm)  # the gradient that arrives is; inside it breaks
    assert box.label == "inner"
    assert folded.dot().count("first nan or infinite number inside") == 1
    assert folded.text().endswith("\nfirst nan or infinite number inside: in inner")
    assert folded.prune(0.5).first_nonfinite is not None
    healthy = viz.trace((engine.exp(x) * 2.0).sum())
    assert healthy.first_nonfinite is None
    assert "thick frame" not in healthy.dot() + healthy.html()


def test_a_view_cannot_be_diagnosed() -> None:
    flow = viz.trace(gpt())
    for view in (flow.fold(1), flow.prune(0.5)):
        with pytest.raises(ValueError, match="diagnose: this flow is folded or pruned; diagnose the flow it was made"):
            view.diagnose()

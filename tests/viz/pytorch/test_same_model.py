"""One GPT in this project's engine and in PyTorch, with equal weights: equal blame on every edge that both have."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

import engine
import viz
from gpt.model import GPT, GPTConfig
from tests.viz.pytorch.models import torch

CONFIG = GPTConfig(vocab_size=13, block_size=8, n_layer=3, n_head=2, n_embd=8)
OPS = {"addmm": "linear", "matmul": "linear", "native_layer_norm": "layer_norm", "slice": "getitem"}
IN_THE_BLOCK = ("scaled_dot_product_attention", "gelu")  # PyTorch's model calls these in the block itself
VIEWS = ("reshape", "swapaxes")  # joined to their neighbours in a flow of PyTorch
OTHER_LOSS = {"cross_entropy", "nll_loss", "log_softmax"}  # one fused op here, two there

Name = tuple[str, str, int]


@pytest.fixture(scope="module")
def flows() -> tuple[viz.BlameFlow, viz.BlameFlow]:
    """The flow of the same loss, in the engine and in PyTorch."""
    from benchmarks.torch_gpt import TorchGPT

    engine.random.seed(0)
    model, twin = GPT(CONFIG), TorchGPT(CONFIG)
    ids = np.random.default_rng(0).integers(0, 13, (2, 8))
    labels = np.roll(ids, -1, 1)
    twin.load_state_dict({name: torch.tensor(p.numpy()) for name, p in model.named_parameters()}, strict=False)
    with viz.scopes(twin):
        loss = twin.loss(torch.tensor(ids), torch.tensor(labels))
    return viz.trace(model.loss(ids, labels)), viz.trace(loss)


def names(flow: viz.BlameFlow) -> dict[str, Name]:
    """What each node is called in both models, by its id: its module, its op, and how many of these came before."""
    seen = Counter[tuple[str, str]]()
    found = {}
    for node in flow.nodes:
        op = "scaled_dot_product_attention" if node.op.startswith("scaled_dot") else OPS.get(node.op, node.op)
        where = ".".join(node.scope[:1] if op in IN_THE_BLOCK else node.scope)
        if op == "leaf":
            op = (node.name or "").rpartition(".")[2]
        where = "" if where == "positions" else where  # PyTorch's model adds them outside of any module
        found[node.id] = where, op, seen[where, op]
        seen[where, op] += 1
    return found


def edges(flow: viz.BlameFlow) -> dict[tuple[Name, Name], tuple[float, float]]:
    """The norm and share of every edge, those into views led on to what the view is of; the loss's own left out."""
    name_of = names(flow)
    views = {node.id for node in flow.nodes if node.op in VIEWS}
    onward = {edge.source: edge for edge in flow.edges if edge.source in views}
    found = {}
    for edge in flow.edges:
        end = edge
        while end.target in views:
            end = onward[end.target]
        ends = name_of[edge.source], name_of[end.target]
        if edge.source not in views and not OTHER_LOSS & {name[1] for name in ends}:
            found[ends] = end.norm, end.share
    return found


def test_equal_blame_on_every_edge(flows: Any) -> None:
    ours, theirs = map(edges, flows)
    assert ours.keys() == theirs.keys()
    assert len(ours) == 105
    for ends, (norm, share) in ours.items():
        # the gradient of a key's bias is 0 but for rounding: it raises all scores of a query alike
        assert theirs[ends] == (pytest.approx(norm, rel=1e-5, abs=1e-7), pytest.approx(share, abs=1e-6)), ends


def test_equal_stages(flows: Any) -> None:
    ours, theirs = ({stage.name: stage.share for stage in flow.stages()} for flow in flows)
    ours["positions.weight"] = ours.pop("positions")
    assert theirs == pytest.approx(ours, rel=1e-5)

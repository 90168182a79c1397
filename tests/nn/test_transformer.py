"""The transformer: attention is causal, and rotary scores depend on relative positions only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import engine
import nn
import viz
from engine import Tensor
from engine.testing import gradcheck


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("rotary", [True, False])
def test_a_position_depends_on_nothing_after_it(norm: str, rotary: bool) -> None:
    engine.random.seed(0)
    block = nn.TransformerBlock(8, 2, norm=norm, rotary=nn.RotaryPositions(16, 4) if rotary else None)
    x = engine.random.normal((1, 6, 8)).numpy()
    changed = x.copy()
    changed[:, 4:] += 1.0
    before, after = block(Tensor(x)).numpy(), block(Tensor(changed)).numpy()
    np.testing.assert_allclose(before[:, :4], after[:, :4], rtol=1e-5, atol=1e-6)
    assert not np.allclose(before[:, 4:], after[:, 4:])


def test_rotated_vectors_have_inner_products_that_see_only_the_distance() -> None:
    rng = np.random.default_rng(0)
    q, k = rng.normal(size=8), rng.normal(size=8)
    rotary = nn.RotaryPositions(16, 8)
    turned_q = rotary(Tensor(np.tile(q, (16, 1)))).numpy()
    turned_k = rotary(Tensor(np.tile(k, (16, 1)))).numpy()
    scores = turned_q @ turned_k.T
    for distance in range(-15, 16):
        diagonal = np.diagonal(scores, distance)
        np.testing.assert_allclose(diagonal, diagonal[0], rtol=1e-10)


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("norm_kind", ["layer", "rms"])
def test_attention_weights_of_a_block_are_those_of_its_attention(norm: str, norm_kind: str) -> None:
    engine.random.seed(0)
    block = nn.TransformerBlock(8, 2, norm=norm, norm_kind=norm_kind)
    x = engine.random.normal((1, 4, 8))
    read = block.attention_norm(x) if norm == "pre" else x
    np.testing.assert_array_equal(block.attention_weights(x).numpy(), block.attention.weights(read).numpy())


@pytest.fixture
def double() -> Iterator[None]:
    """Parameters in float64."""
    engine.set_default_dtype(np.float64)
    yield
    engine.set_default_dtype(np.float32)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("activation", ["gelu", "relu", "relu2", "swiglu"])
@pytest.mark.parametrize(
    ("norm", "kv_heads", "norm_kind", "causal"),
    [("pre", 2, "rms", True), ("post", 1, "layer", True), ("pre", 1, "layer", False), ("post", 1, "rms", False)],
)
def test_gradients_are_right_with_every_option(
    activation: str, norm: str, kv_heads: int, norm_kind: str, causal: bool
) -> None:
    engine.random.seed(0)
    options: dict[str, Any] = {"activation": activation, "norm": norm, "norm_kind": norm_kind, "causal": causal}
    block = nn.TransformerBlock(4, 2, kv_heads=kv_heads, rotary=nn.RotaryPositions(4, 2), **options)
    places = [(module, name) for _, module in block.named_modules() for name, _ in module.tensors()]

    def run(x: Any, *parameters: Any) -> Any:
        for (module, name), parameter in zip(places, parameters, strict=True):
            setattr(module, name, parameter)
        return block(x)

    gradcheck(run, engine.random.normal((1, 3, 4)).numpy(), *block.state_dict().values())


@pytest.mark.parametrize("activation", ["gelu", "swiglu"])
def test_a_block_names_its_parts_in_the_scopes_of_its_nodes(activation: str) -> None:
    block = nn.TransformerBlock(8, 4, kv_heads=2, norm_kind="rms", activation=activation)
    names = {stage.name for stage in viz.trace(block(engine.random.normal((2, 3, 8))).sum()).stages(depth=2)}
    assert {"attention.query", "attention.key", "attention.value", "attention.output"} < names
    assert ("feed_forward.gate" in names) == (activation == "swiglu")
    assert {"attention_norm", "feed_forward_norm", "feed_forward.expand", "feed_forward.contract"} < names


def test_mistakes_in_the_shape_are_named() -> None:
    with pytest.raises(ValueError, match="even number per head, not 3"):
        nn.RotaryPositions(16, 3)
    with pytest.raises(ValueError, match='"pre" or "post"'):
        nn.TransformerBlock(8, 2, norm="middle")

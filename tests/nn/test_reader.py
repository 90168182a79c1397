"""A reader computes what its module computes, on plain arrays, and sees what is assigned to the parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import engine
import nn
from gpt import GPT, GPTConfig

IDS = np.random.default_rng(0).integers(0, 7, (2, 5))


@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rotary"])
@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("activation", ["gelu", "relu2"])
def test_a_reader_computes_the_same_bits_and_records_nothing(positions: str, norm: str, activation: str) -> None:
    model = GPT(GPTConfig(7, 8, 2, 2, 8, positions=positions, norm=norm, activation=activation))
    reader = nn.reader(model)
    for record in (engine.enable_grad, engine.no_grad):
        with record():
            found: Any = reader(IDS)
        assert type(found) is np.ndarray
        np.testing.assert_array_equal(found, model(IDS).numpy())


def test_a_reader_sees_what_is_assigned_and_assigns_nothing() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    reader, x = nn.reader(model), np.ones((1, 2), np.float32)
    model.load_state_dict({name: np.ones_like(value) for name, value in model.state_dict().items()})
    assert reader(x).tolist() == model(x).numpy().tolist() == [[10.0]]
    assert reader.parameters() == []
    first: Any = next(iter(reader.children()))[1]
    with pytest.raises(ValueError, match="read-only"):
        first.weight[0] = 2.0


def test_what_is_shared_stays_shared_in_lists_and_dicts_too() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            self.one = nn.Linear(2, 2)
            self.again = {"one": [self.one, (self.one, 3)], "weight": self.one.weight}

    reader: Any = nn.reader(Both())
    inner, (tupled, three) = reader.again["one"]
    assert reader.one is inner is tupled
    assert three == 3
    assert isinstance(reader.again["weight"], np.ndarray)

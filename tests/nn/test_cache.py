"""Reading a text piece by piece, with what attention keeps of it: the same as reading it all at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import engine
import nn
from engine import Tensor
from gpt import GPT, GPTConfig
from gpt.generation.scores import next_logits

IDS = np.random.default_rng(0).integers(0, 7, (2, 12))


def model(**settings: Any) -> GPT:
    config = {"vocab_size": 7, "block_size": 12, "n_layer": 2, "n_head": 2, "n_embd": 8, **settings}
    engine.random.seed(0)
    made = GPT(GPTConfig(**config))
    made.eval()
    return made


def read(made: Any, pieces: list[int]) -> Any:
    """The outputs for pieces of these lengths, one after the other."""
    cache, start, found = nn.Cache(), 0, []
    for size in pieces:
        found.append(made(IDS[:, start : start + size], cache=cache).numpy())
        start += size
    assert cache.length == start
    return np.concatenate(found, axis=1)


@pytest.mark.parametrize("pieces", [[12], [1] * 12, [5, 1, 1, 1, 1, 3], [2, 4, 6]])
@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rotary"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"norm": "post"},
        {"kv_heads": 1, "norm_kind": "rms", "activation": "swiglu"},
        {"n_head": 4, "kv_heads": 2, "norm": "post", "norm_kind": "rms"},
    ],
)
def test_pieces_give_what_the_whole_gives(pieces: list[int], positions: str, options: dict[str, Any]) -> None:
    made = model(positions=positions, **options)
    with engine.no_grad():
        whole = made(IDS).numpy()
        np.testing.assert_allclose(read(made, pieces), whole, rtol=1e-5, atol=1e-6)


def test_the_scores_of_the_next_character_are_the_same_also_beyond_the_block() -> None:
    made, cache = model(positions="rotary"), nn.Cache()
    text = np.concatenate([IDS, IDS], axis=1)
    for end in range(1, text.shape[1] + 1):
        expected = next_logits(made, text[:, :end])
        np.testing.assert_allclose(next_logits(made, text[:, :end], cache), expected, rtol=1e-5, atol=1e-6)


def test_a_cache_reads_each_position_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made, cache, seen = model(), nn.Cache(), []
    forward = nn.Embedding.forward

    def spy(self: Any, ids: Any) -> Any:
        seen.append(ids.shape[1])
        return forward(self, ids)

    monkeypatch.setattr(nn.Embedding, "forward", spy)
    for end in (3, 4, 9):
        next_logits(made, IDS[:, :end], cache)
    assert seen == [3, 1, 5]


def test_a_gradient_is_not_lost_silently() -> None:
    with pytest.raises(RuntimeError, match=r"^Cache: a cache keeps no graph; call the model under engine.no_grad"):
        model()(IDS, cache=nn.Cache())


def test_what_cannot_follow_is_refused() -> None:
    made, cache = model(), nn.Cache()
    with engine.no_grad():
        made(IDS[:, :8], cache=cache)
        with pytest.raises(
            ValueError, match=r"^GPT: ids must be .* time up to 12, 8 of them read before, not \(2, 5\)"
        ):
            made(IDS[:, :5], cache=cache)
        with pytest.raises(ValueError, match=r"^Cache: 1 texts follow on 2; make a new cache"):
            made(IDS[:1, :2], cache=cache)
        np.testing.assert_allclose(  # and the cache is as before
            made(IDS[:, 8:], cache=cache).numpy(), made(IDS).numpy()[:, 8:], rtol=1e-5, atol=1e-6
        )
        attention = nn.MultiHeadAttention(4, 2, causal=False)
        with pytest.raises(ValueError, match=r"^MultiHeadAttention: a cache needs causal=True"):
            attention(Tensor(np.ones((1, 2, 4))), nn.Cache())
        with pytest.raises(ValueError, match=r"^MultiHeadAttention: a cache needs causal=True"):
            model(causal=False)(IDS, cache=nn.Cache())

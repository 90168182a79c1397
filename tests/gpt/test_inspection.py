"""What an inspection says of a model: each parameter once, the FLOPs of its products, neighbours that are known."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import engine
from engine.arrays import Array
from gpt import runs
from gpt.__main__ import main
from gpt.data import calculator
from gpt.data.config import DataConfig
from gpt.errors import TokenError
from gpt.inspection.memory import memory
from gpt.inspection.neighbours import analogy, near
from gpt.inspection.numbers import kept_order, numbers, spearman, states
from gpt.inspection.parts import parts
from gpt.inspection.vectors import cosines, nearest, principal_plane
from gpt.model import GPT, GPTConfig
from gpt.tokenizers import Tokenizer, WordTokenizer
from gpt.training.trainer import new_model
from nn import Cache
from viz.charts import short

SHAPES: list[dict[str, Any]] = [
    {},
    {"tie": False, "activation": "swiglu", "bias": False},
    {"kv_heads": 1, "positions": "rotary", "norm_kind": "rms"},
    {"causal": False, "positions": "sinusoidal", "norm": "post"},
]


def shaped(changes: dict[str, Any]) -> GPT:
    return GPT(GPTConfig(**({"vocab_size": 11, "block_size": 6, "n_layer": 2, "n_head": 4, "n_embd": 8} | changes)))


def saved(path: Path, tokenizer: Tokenizer, model: GPT, data: str = "calculator") -> Path:
    runs.save(path, model, tokenizer, {"training": {"seed": 3}, "data": asdict(DataConfig(data))})
    return path


# ---- parts, FLOPs and bytes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", SHAPES)
def test_every_parameter_is_in_one_part(changes: dict[str, Any]) -> None:
    model = shaped(changes)
    assert sum(part.values for part in parts(model)) == sum(value.size for value in model.parameters())
    by = {part.name: part.values for part in parts(model)}
    bias = changes.get("bias", True)
    assert by["query"] == 2 * (8 * 8 + 8 * bias)
    assert by["key"] == by["value"] == by["query"] * changes.get("kv_heads", 4) // 4
    assert by["embedding"] == 11 * 8
    assert by["head"] == (0 if changes.get("tie", True) else 11 * 8)
    assert by.get("positions", 0) == (6 * 8 if "positions" not in changes else 0)


@pytest.mark.parametrize("changes", SHAPES)
def test_the_flops_are_those_of_the_products_that_a_forward_pass_makes(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def product(x: Array, y: Array) -> Array:
        out: Array = x @ y
        made.append(2 * out.size * x.shape[-1])
        return out

    def linear(x: Any, weight: Any, bias: Any) -> Any:
        out = product(np.asarray(x.numpy()), weight.numpy().T)
        return engine.Tensor(out if bias is None else out + bias.numpy())

    def attention(
        query: Any, key: Any, value: Any, *, mask: Any = None, causal: bool = False, scale: Any = None
    ) -> Any:
        scores = product(query.numpy(), key.numpy().swapaxes(-1, -2)) * (scale or 1 / math.sqrt(query.shape[-1]))
        if causal:
            scores = np.where(np.tri(scores.shape[-1], dtype=bool), scores, -np.inf)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return engine.Tensor(product(weights / weights.sum(axis=-1, keepdims=True), value.numpy()))

    model, ids = shaped(changes), np.arange(12).reshape(2, 6) % 11
    expected = model(ids).numpy()
    monkeypatch.setattr(engine, "linear", linear)
    monkeypatch.setattr(engine, "scaled_dot_product_attention", attention)
    assert model(ids).numpy() == pytest.approx(expected, abs=1e-4), "the products are those of the model"
    assert sum(made) == ids.size * sum(part.flops for part in parts(model))


@pytest.mark.parametrize("changes", [shape for shape in SHAPES if shape.get("causal", True)])
def test_the_bytes_of_a_cache_are_those_of_its_arrays(changes: dict[str, Any]) -> None:
    model, cache, bytes_read = shaped(changes), Cache(), 0
    extended = cache.extended

    def watched(module: Any, *new: Any) -> list[Array]:
        nonlocal bytes_read
        arrays = extended(module, *new)
        bytes_read += sum(array.nbytes for array in arrays)
        return arrays

    cache.extended = watched  # type: ignore[method-assign]
    with engine.no_grad():
        model(np.zeros((1, 5), int), cache=cache)
    taken = memory(model)
    assert 5 * taken.cached == bytes_read
    assert taken.parameters == sum(array.nbytes for array in model.state_dict().values())
    assert taken.training == 4 * taken.parameters


# ---- vectors -----------------------------------------------------------------------------------------------------

WORDS = ["king", "man", "queen", "woman", "apple"]
GENDER, ROYAL, OTHER = np.eye(8)[:3]
MEANING = {
    "king": ROYAL - GENDER,
    "queen": ROYAL + GENDER,
    "man": -GENDER,
    "woman": GENDER,
    "apple": OTHER,
}


@pytest.fixture
def royal(tmp_path: Path) -> Path:
    tokenizer = WordTokenizer(WORDS)
    model = GPT(GPTConfig(len(tokenizer) + 1, 4, n_layer=1, n_head=1, n_embd=8, tie=False))
    rows = [5 * MEANING[word] for word in tokenizer.words]
    model.embedding.weight.assign(np.array([*rows, ROYAL], np.float32))  # [MASK] comes last, and is no word
    return saved(tmp_path / "royal", tokenizer, model, "words.txt")


def test_neighbours_are_those_of_the_embeddings(royal: Path) -> None:
    run = runs.load(royal)
    assert [one.token for one in near(run, "king", 9)] == ["man", "apple", "queen", "woman"], "equally near ones by id"
    assert [one.cosine for one in near(run, "king", 4)] == pytest.approx([math.sqrt(0.5), 0, 0, -math.sqrt(0.5)])
    (best,) = analogy(run, "king", "man", "woman", 1)
    assert best.token == "queen"
    point = (ROYAL - GENDER) / math.sqrt(2) + 2 * GENDER
    cosine = point @ (ROYAL + GENDER) / math.sqrt(2) / np.linalg.norm(point)
    assert best.cosine == pytest.approx(float(cosine))
    assert {one.token for one in analogy(run, "king", "man", "woman", 9)} == {"queen", "apple"}, (
        "the given ones excluded"
    )


def test_what_is_not_one_token_is_refused(tmp_path: Path, royal: Path) -> None:
    tokenizer = WordTokenizer([*WORDS, " "])
    model = GPT(GPTConfig(len(tokenizer), 4, n_layer=1, n_head=1, n_embd=8))
    run = runs.load(saved(tmp_path / "words", tokenizer, model))
    with pytest.raises(TokenError, match=r"'king man' is 3 tokens, king\|␣\|man; give a text that is one"):
        near(run, "king man", 3)
    with pytest.raises(TokenError, match="'' is 0 tokens; give"):
        near(run, "", 3)
    broken = runs.load(royal)
    broken.model.embedding.weight.assign(np.full(broken.model.embedding.weight.shape, np.nan, np.float32))
    with pytest.raises(FloatingPointError, match="not finite"):
        near(broken, "king", 3)


def test_the_plane_holds_most_of_the_variance() -> None:
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(9, 2)) @ rng.normal(size=(2, 5)) + rng.normal(size=5)
    places, explained = principal_plane(flat)
    assert explained == pytest.approx(1)
    for a in range(9):
        for b in range(a):
            assert math.dist(places[a], places[b]) == pytest.approx(float(np.linalg.norm(flat[a] - flat[b])))
    assert principal_plane(flat @ np.diag([1, 1, 1, 1, -1]))[0] == pytest.approx(places)  # signs are settled
    for few in (np.ones((1, 4)), np.ones((3, 1)), np.zeros((2, 2))):
        assert principal_plane(few)[0] == pytest.approx(np.zeros((len(few), 2)))
    assert [other for other, _ in nearest(np.array([[1.0, 0], [0, 1.0], [2.0, 1.0], [0.0, 0.0]]))] == [2, 2, 0, 0]
    assert nearest(np.ones((1, 2))) == []
    assert cosines(np.array([[3.0, 0], [0, 0], [-1, 1]]))[0] == pytest.approx([1, 0, -math.sqrt(0.5)])


# ---- numbers -----------------------------------------------------------------------------------------------------


def test_rank_correlation_of_known_cases() -> None:
    assert spearman(np.array([1, 5, 9]), np.array([2.0, 3.0, 100.0])) == pytest.approx(1)
    assert spearman(np.array([1, 5, 9]), np.array([3.0, 2.0, -7.0])) == pytest.approx(-1)
    assert spearman(np.array([1, 2, 3, 4]), np.array([1, 3, 2, 4])) == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert spearman(np.array([1, 1, 2]), np.array([1, 2, 2])) == pytest.approx(0.5), "ranks 1.5 1.5 3 and 1 2.5 2.5"
    assert math.isnan(spearman(np.ones(3), np.arange(3)))


@given(st.lists(st.integers(-5, 5), min_size=2, max_size=8), st.randoms(use_true_random=False))
def test_rank_correlation_depends_on_the_order_alone(values: list[int], random: Any) -> None:
    other = [random.randint(-5, 5) for _ in values]
    found = spearman(np.array(values), np.array(other))
    stretched = spearman(np.exp(np.array(values)), 3.0 * np.array(other) ** 3)
    assert found == pytest.approx(stretched, nan_ok=True)
    assert math.isnan(found) or -1 - 1e-9 <= found <= 1 + 1e-9


def test_numbers_in_a_row_keep_their_order_and_shuffled_ones_do_not() -> None:
    turn = np.linspace(0, math.pi, 100)
    row = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    assert kept_order(row) == pytest.approx(1, abs=1e-3), "not 1, for equal distances are equal up to rounding"
    assert abs(kept_order(np.random.default_rng(0).permutation(row))) < 0.05


def test_a_state_is_that_of_the_last_token_of_the_number() -> None:
    tokenizer = calculator.tokenizer()
    model = GPT(GPTConfig(len(tokenizer), 64, n_layer=2, n_head=2, n_embd=8))
    (_, last) = model.states(tokenizer.encode("twenty one plus")[None])
    logits = model.head(model.norm(last)).numpy()  # type: ignore[misc]
    assert logits == pytest.approx(model(tokenizer.encode("twenty one plus")[None]).numpy(), abs=1e-5)
    found = states(model, tokenizer)
    assert [of_block.shape for of_block in found] == [(100, 8), (100, 8)]
    two = model.states(tokenizer.encode("two")[None])[1].numpy()[0, -1]
    here = last.numpy()[0, len("twenty one") - 1]
    assert found[1][21] - found[1][2] == pytest.approx(here - two, abs=1e-5)


def test_an_untrained_run_is_its_own_comparison(tmp_path: Path) -> None:
    tokenizer = calculator.tokenizer()
    config = GPTConfig(len(tokenizer), 64, n_layer=2, n_head=2, n_embd=8)
    run = runs.load(saved(tmp_path / "run", tokenizer, new_model(lambda: GPT(config), seed=3)))
    found = numbers(run)
    assert found.order == found.untrained
    assert found.similarity.diagonal() == pytest.approx(np.ones(100))
    run.model.head.weight.assign(np.full(run.model.head.weight.shape, np.nan, np.float32))
    with pytest.raises(FloatingPointError, match="its training diverged"):
        numbers(run)


# ---- the command -------------------------------------------------------------------------------------------------


def test_inspect_prints_tables_and_draws_a_picture(
    tmp_path: Path, royal: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gpt.__main__.prepare", lambda: None)
    tokenizer = calculator.tokenizer()
    model = GPT(GPTConfig(len(tokenizer), 64, n_layer=2, n_head=2, n_embd=8))
    run = saved(tmp_path / "run", tokenizer, model)
    assert main(["inspect", str(run)]) == 0
    said = capsys.readouterr().out
    assert f"{sum(value.size for value in model.parameters()):,}" in said
    assert "rank correlation" in said
    assert "the state after 'two'" in said
    titles = {title.text for title in ET.parse(run / "inspect.svg").iter("{http://www.w3.org/2000/svg}title")}
    assert "ninety and ninety: 1" in titles
    similar = numbers(runs.load(run)).similarity[2, 3]
    assert (f"two and three: {short(float(similar))}" in titles) == (similar > 0)
    assert main(["inspect", str(royal)]) == 0
    said = capsys.readouterr().out
    assert "rank correlation" not in said
    assert "--near TOKEN" in said
    (royal / "inspect.svg").unlink()
    assert main(["inspect", str(royal), "--near", "king", "--analogy", "king", "man", "woman", "--count", "1"]) == 0
    said = capsys.readouterr().out
    assert "man" in said
    assert "queen" in said
    assert not (royal / "inspect.svg").exists()

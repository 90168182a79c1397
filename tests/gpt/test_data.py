"""What a model is trained on: texts and their parts, what is hidden, and orders that go on where they stood."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt.data import text as texts
from gpt.data.batches import Batches, split
from gpt.data.calculator import tokenizer
from gpt.data.config import DataConfig
from gpt.data.exercise import REPEAT_TIMES, Exercise, divided
from gpt.data.objective import HIDDEN, Lines, masked
from gpt.data.opening import opened
from gpt.data.order import Draws, Epochs
from gpt.data.text import Text
from gpt.model import IGNORED

LETTERS = "".join(f"{k}: {k * k}\n" for k in range(400))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "squares.txt"
    file.write_text(LETTERS)
    return file


def text_of(path: Path, **settings: Any) -> Text:
    data = opened(DataConfig(str(path), **settings), block=16)
    assert isinstance(data, Text)
    return data


def test_the_first_nine_tenths_are_learned_and_the_rest_is_for_validation(path: Path) -> None:
    data = text_of(path)
    learned, validation = (data.tokenizer.decode(part) for part in (data.learned, data.validation))
    assert learned + validation == LETTERS
    assert len(validation) == len(LETTERS) // 10
    assert data.learned.dtype == np.uint8


def test_each_label_is_the_token_after(path: Path) -> None:
    data = text_of(path)
    ids, labels = Batches(data, size=5, seed=0).next()
    assert ids.shape == labels.shape == (5, 16)
    np.testing.assert_array_equal(ids[:, 1:], labels[:, :-1])
    for row in ids:
        assert data.tokenizer.decode(row) in LETTERS


def test_a_large_text_is_kept_in_a_file_and_gives_the_same(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = text_of(path)
    monkeypatch.setenv("BLAMEFLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(texts, "LARGE", 100)
    monkeypatch.setattr("gpt.data.reading._CHUNK", 64)
    for _ in range(2):  # written, and then found
        large = text_of(path)
        assert isinstance(large.learned, np.memmap)
        np.testing.assert_array_equal(large.learned, small.learned)
        np.testing.assert_array_equal(large.validation, small.validation)
    path.write_text(LETTERS.replace("9", "8"))
    assert (np.asarray(text_of(path).learned) != np.asarray(small.learned)).any()  # another text, another file


def test_the_parts_of_the_calculator_are_fixed_and_apart() -> None:
    parts = divided()
    assert [len(part) for part in parts] == [9295, 400, 1077]
    assert len(set().union(*map(set, parts))) == 10772
    assert divided() == parts


def test_a_problem_asks_for_its_answer() -> None:
    data = Exercise(DataConfig(), tokenizer())
    batches = Batches(data, size=8, seed=1)
    for ids, labels in (batches.next() for _ in range(20)):
        for row, wanted in zip(ids, labels, strict=True):
            counted = wanted != IGNORED
            question = data.tokenizer.decode(row[: int(np.flatnonzero(counted)[0]) + 1])
            answer = data.tokenizer.decode(wanted[counted])
            assert any(p.question == question and p.answer + "\n" == answer for p in data.learned)


def test_an_epoch_has_every_problem_once_and_each_product_more_often() -> None:
    data = Exercise(DataConfig(), tokenizer())
    order = data.order(32, np.random.default_rng(0))
    products = sum(problem.operation == "times" for problem in data.learned)
    rows: list[int] = []
    while len(rows) < len(data.learned) + (REPEAT_TIMES - 1) * products:
        rows += order.next().tolist()
    counts = np.bincount(rows)
    assert [counts[k] for k, p in enumerate(data.learned) if p.operation == "times"] == [REPEAT_TIMES] * products
    assert (counts[[p.operation != "times" for p in data.learned]] == 1).all()


# ---- orders ----------------------------------------------------------------------------------------------------------


def orders(seed: int) -> list[Any]:
    lengths = np.arange(50) % 7
    return [Epochs(np.arange(50), lengths, 8, np.random.default_rng(seed)), Draws(50, 8, np.random.default_rng(seed))]


@given(st.integers(0, 40), st.integers(0, 9))
def test_an_order_goes_on_where_another_stood(taken: int, seed: int) -> None:
    for one, other in zip(orders(seed), orders(seed + 1), strict=True):
        for _ in range(taken):
            one.next()
        other.restore(json.loads(json.dumps(one.state())))
        for _ in range(20):
            np.testing.assert_array_equal(other.next(), one.next())


@pytest.mark.parametrize("objective", ["next", "masked"])
def test_batches_go_on_where_others_stood(objective: str, path: Path) -> None:
    for data in (text_of(path, objective=objective), Exercise(DataConfig(objective=objective), tokenizer())):
        one, other = Batches(data, 4, seed=3), Batches(data, 4, seed=3)
        for _ in range(5):
            one.next()
        other.restore(json.loads(json.dumps(one.state())))
        for _ in range(5):
            for left, right in zip(one.next(), other.next(), strict=True):
                np.testing.assert_array_equal(left, right)


def test_the_pieces_of_a_batch_are_its_rows(path: Path) -> None:
    batch = Batches(text_of(path), 5, seed=0).next()
    pieces = split(batch, 3)
    for k, whole in enumerate(batch):
        np.testing.assert_array_equal(np.concatenate([piece[k] for piece in pieces]), whole)
    assert len(split((batch[0][:1], batch[1][:1]), 3)) == 1


# ---- hidden tokens ---------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(0, 1000))
def test_hidden_tokens_are_asked_for_and_no_padding_is(lengths: list[int], seed: int) -> None:
    real = np.arange(max(lengths)) < np.array(lengths)[:, None]
    ids = np.where(real, 1 + np.arange(real.shape[1]) % 5, 0)
    read, labels = masked(Lines(ids, real, real), 7, np.random.default_rng(seed))
    hidden = labels != IGNORED
    assert not hidden[~real].any()
    np.testing.assert_array_equal(labels[hidden], ids[hidden])
    np.testing.assert_array_equal(read[~hidden], ids[~hidden])
    np.testing.assert_array_equal(hidden.sum(axis=1), [max(1, round(HIDDEN * n)) for n in lengths])
    assert read.max() <= 7


def test_of_the_hidden_tokens_most_read_the_mask() -> None:
    ids = np.random.default_rng(0).integers(50, size=(400, 100))
    read, labels = masked(Lines(ids, ids >= 0, ids >= 0), 50, np.random.default_rng(1))
    hidden = labels != IGNORED
    assert (read[hidden] == 50).mean() == pytest.approx(0.8, abs=0.02)
    assert (read[hidden] == ids[hidden]).mean() == pytest.approx(0.1 + 0.1 / 50, abs=0.02)

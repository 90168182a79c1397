"""Filling gaps: the right fill of a model that is certain, and what its probabilities mean."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from gpt import runs
from gpt.__main__ import main
from gpt.data.calculator import Problem
from gpt.data.config import DataConfig
from gpt.data.exercise import Exercise, Parts, text
from gpt.errors import DataError
from gpt.filling import LONGEST, fill, most_certain_first
from gpt.model import GPT, GPTConfig
from gpt.runs import Run
from gpt.tokenizers import CharTokenizer, Tokenizer, WordTokenizer, train_bpe
from gpt.training.config import TrainingConfig
from gpt.training.trainer import Trainer, new_model

PROBLEMS = [
    Problem("two plus three equals ", "five", "plus"),
    Problem("nine minus three equals ", "six", "minus"),
    Problem("two times four equals ", "eight", "times"),
]
MASKED = DataConfig(objective="masked")


def shaped(tokenizer: Tokenizer, width: int = 32) -> GPT:
    size = len(tokenizer) + 1
    model = new_model(lambda: GPT(GPTConfig(size, 64, n_layer=2, n_head=2, n_embd=width, causal=False)), seed=1)
    model.eval()
    return model


def run_of(tokenizer: Tokenizer, model: GPT, config: DataConfig = MASKED) -> Run:
    return Run(Path("RUN"), model, tokenizer, {"data": asdict(config)})


@pytest.fixture(scope="module")
def certain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of characters that knows three lines by heart."""
    tokenizer = CharTokenizer(text(PROBLEMS))
    data = Exercise(MASKED, tokenizer, Parts(PROBLEMS, PROBLEMS, PROBLEMS))
    settings = TrainingConfig(steps=500, batch_size=6, learning_rate=5e-3, warmup=10, parts=1, weight_decay=0.0)
    out = tmp_path_factory.mktemp("runs") / "certain"
    out.mkdir()
    model = shaped(tokenizer)
    for _ in Trainer(model, settings, data, out / "metrics.jsonl").all_steps():
        pass
    runs.save(out, model, tokenizer, {"data": asdict(MASKED)})
    return out


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_model_that_is_certain_fills_right(certain: Path, problem: Problem) -> None:
    line, run = problem.question + problem.answer, runs.load(certain)
    for word in (problem.operation, problem.answer):
        (found,) = fill(run, line.replace(word, "[MASK]"), [len(word)])
        assert found.text == line
        assert found.fills == (word,)
        assert found.score > math.log(0.8)


def test_a_gap_of_unknown_length_is_tried_with_each(certain: Path) -> None:
    found = fill(runs.load(certain), "two [MASK] three equals five")
    assert sorted(len(one.choices) for one in found) == [*range(1, LONGEST + 1)]
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert "two plus three equals five" in [one.text for one in found]
    (fixed,) = fill(runs.load(certain), "two [MASK] three equals five", [3])
    assert fixed.text in [one.text for one in found]


def test_several_gaps_have_a_token_each_or_the_lengths_given(certain: Path) -> None:
    run = runs.load(certain)
    (found,) = fill(run, "t[MASK]o plus three equals fi[MASK]e")
    assert (found.text, found.fills) == ("two plus three equals five", ("w", "v"))
    (found,) = fill(run, "[MASK] plus three equals f[MASK]", [3, 3])
    assert (found.text, found.fills) == ("two plus three equals five", ("two", "ive"))
    assert [choice.place for choice in found.choices] == [0, 1, 2, 23, 24, 25]


def test_the_probabilities_of_a_place_add_up_to_1_and_are_of_tokens_alone() -> None:
    tokenizer = CharTokenizer("abc\n")
    run = run_of(tokenizer, shaped(tokenizer, 8))
    for one in fill(run, "ab[MASK]c"):
        for choice in one.choices:
            assert choice.log_probabilities.shape == (4,)
            assert np.exp(choice.log_probabilities).sum() == pytest.approx(1)
            assert choice.token == choice.log_probabilities.argmax()
        assert one.score == pytest.approx(np.mean([c.log_probabilities[c.token] for c in one.choices]))


def test_one_gap_of_one_token_is_the_best_of_all_tokens() -> None:
    tokenizer = CharTokenizer("abcdefgh\n")
    run = run_of(tokenizer, shaped(tokenizer, 8))
    ids = tokenizer.encode("abcdeh\n")
    hidden = ids.copy()
    hidden[4] = len(tokenizer)
    logits = run.model(hidden[None]).numpy()[0, 4].astype(np.float64)
    weights = [math.exp(logits[id]) for id in range(len(tokenizer))]
    (found,) = fill(run, "abcd[MASK]h", [1])
    (choice,) = found.choices
    assert choice.place == 4
    assert choice.token == max(range(len(tokenizer)), key=lambda id: weights[id])
    for id, weight in enumerate(weights):
        assert math.exp(choice.log_probabilities[id]) == pytest.approx(weight / sum(weights), rel=1e-4)


def test_the_most_certain_place_comes_first_and_is_read_by_the_others() -> None:
    tokenizer = CharTokenizer("abcdefgh\n")
    model, mask = shaped(tokenizer, 8), len(tokenizer)
    ids = np.array([1, mask, 2, mask, mask, 3])
    expected = {}
    while mask in ids:
        logits = model(ids[None]).numpy()[0, :, :mask].astype(np.float64)
        logs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        place, token = max(
            ((place, token) for place in range(6) if ids[place] == mask for token in range(mask)), key=lambda k: logs[k]
        )
        expected[place] = (token, logs[place, token])
        ids[place] = token
    found = most_certain_first(model, np.array([1, mask, 2, mask, mask, 3]), [1, 3, 4], mask)
    assert [choice.place for choice in found] == [1, 3, 4]
    for choice in found:
        token, log = expected[choice.place]
        assert choice.token == token
        assert choice.log_probabilities[token] == pytest.approx(log, abs=1e-5)


def test_a_model_of_words_fills_one_and_one_of_byte_pairs_takes_the_space_before() -> None:
    line = "two plus three equals five\n"
    words = WordTokenizer.from_text(line)
    assert len(fill(run_of(words, shaped(words, 8)), "two [MASK] three equals five")) == 1
    pairs = train_bpe(line * 4, 290)
    with_space = fill(run_of(pairs, shaped(pairs, 8)), "two [MASK] three", [1])
    without = fill(run_of(pairs, shaped(pairs, 8)), "two[MASK] three", [1])
    assert with_space[0].choices[0].place == without[0].choices[0].place == len(pairs.encode("two"))


def test_what_cannot_be_filled_is_refused(certain: Path) -> None:
    run = runs.load(certain)
    with pytest.raises(
        DataError, match=r"RUN learned to continue a text; train .* with `blameflow train --objective masked`"
    ):
        fill(run_of(run.tokenizer, run.model, DataConfig()), "two [MASK]")
    with pytest.raises(DataError, match=r"there is no \[MASK\] in the text"):
        fill(run, "two plus three")
    with pytest.raises(DataError, match=r"the text has 2 \[MASK\], so give 2 lengths, not 1"):
        fill(run, "[MASK] plus [MASK]", [3])
    with pytest.raises(DataError, match="the text has 65 tokens, the model reads at most 64"):
        fill(run, "[MASK]" + "two " * 15, [4])
    assert max(len(one.choices) for one in fill(run, "[MASK]" + "two " * 15)) == 3, "longer ones do not fit"
    run.model.head.weight.assign(np.full(run.model.head.weight.shape, np.nan, np.float32))
    with pytest.raises(FloatingPointError, match="its training diverged"):
        fill(run, "two [MASK]")


def test_the_command_says_the_text_and_what_else_could_stand_there(
    certain: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gpt.__main__.prepare", lambda: None)
    assert main(["fill", str(certain), "two [MASK] three equals five"]) == 0
    said = capsys.readouterr().out
    best = fill(runs.load(certain), "two [MASK] three equals five")[0]
    assert said.startswith(f"{best.text}\n")
    assert "log probability per token" in said
    assert main(["fill", str(certain), "two [MASK]us three equals five", "--length", "2", "--count", "1"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("two plus three equals five\n")
    assert "log probability per token" not in said
    assert main(["fill", str(certain), "two plus"]) == 2
    assert capsys.readouterr().err.count("\n") == 1

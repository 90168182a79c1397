"""The report of a run that learned a text: made from its folder, true to the run, and not about a calculator."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpt
from gpt import report
from gpt.__main__ import main
from gpt.blame import blame, trace_tokens
from gpt.data import calculator
from gpt.data.calculator import Problem
from gpt.errors import DataError
from gpt.model import GPT, GPTConfig
from gpt.report.examples import Example, positions
from gpt.runs import Run
from gpt.tokenizers import WordTokenizer, train_bpe
from tests.gpt.test_report import Page
from viz.charts import short
from viz.digits import percent

LINE = "the cat sat on the mat, & the dog said: <b>\"sit\"</b> 'again' \\u2028\u202e\n"
KINDS = {"char": "character", "word": "token", "bpe": "token"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where runs are trained in this process, whose settings they leave alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gpt.__main__.prepare", lambda: None)
        out = tmp_path_factory.mktemp("texts")
        (out / "cat.txt").write_text(LINE * 40, encoding="utf-8")
        yield out


def trained(folder: Path, kind: str, *more: str) -> Path:
    out = folder / "-".join([kind, *more])
    if not out.exists():
        shape = "--layers 2 --width 16 --heads 2 --block 24 --steps 8 --evaluate-every 4 --parts 1 --batch-size 4"
        names = ["--tokenizer", kind, "--vocabulary", "270", *shape.split(), *more]
        assert main(["train", "--data", str(folder / "cat.txt"), "--out", str(out), *names]) == 0
    return out


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("kind", [*KINDS])
def test_the_page_is_about_the_text_and_tells_what_the_run_holds(folder: Path, kind: str) -> None:
    run, unit = trained(folder, kind), KINDS[kind]
    page = Page((run / "report.html").read_text(encoding="utf-8"))
    said = " ".join(page.said.split())
    assert "calculator" not in page.said
    assert "problem" not in page.said
    assert "How cat.txt was learned" in said
    if unit == "token":
        assert "character" not in page.said
    last = lines(run)[-1]["final"]
    assert f"{last['loss']:.2f} validation loss on {last['tokens']:,} tokens" in said
    assert "It took 8 steps of 4 texts." in said
    loaded = gpt.load(run)
    for passage in lines(run)[0]["passages"]:
        assert passage in LINE * 40
        ids = loaded.tokenizer.encode(passage)
        flow = trace_tokens(loaded, ids, len(ids) - 8)
        for stage in flow.stages(2):
            assert any(title.startswith(f"{stage.name}: gradient norm ") for title in page.titles)
        for number, norm in enumerate(flow.positions[0]):
            assert (
                f"{loaded.tokenizer.show(ids[number])}, {unit} {number + 1}: gradient norm {short(norm)}" in page.titles
            )
    weights = [
        layer.numpy()[0, :, -1]
        for layer in loaded.model.attention_weights(loaded.tokenizer.encode(lines(run)[0]["passages"][0])[None, :-8])
    ]
    for layer in weights:
        for head, row in enumerate(layer.tolist()):
            largest = int(np.argmax(row))
            assert any(
                title.startswith(f"head {head + 1} looks at ") and title.endswith(f": {percent(row[largest])}")
                for title in page.titles
            )


def test_samples_are_shown_with_their_prompt_and_step(folder: Path) -> None:
    run = trained(folder, "char")
    samples = [line for line in lines(run) if "sample" in line]
    assert [line["step"] for line in samples] == [4, 8]
    page = Page(report.report(run))
    for line in samples:
        assert f"step {line['step']}" in page.said
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 9, "prompt": "a\nb", "sample": "</code><script>alert(1)</script>\x1b\n"}) + "\n")
    page = Page(report.report(run))
    assert "a⏎\nb</code><script>alert(1)</script>\\x1b⏎\n" in page.said
    for step in range(10, 60):
        with (run / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({"step": step, "sample": "?"}) + "\n")
    said = Page(report.report(run)).said
    assert "12 of 53 samples are shown." in said
    assert "step 4" in said
    assert "step 59" in said


def test_a_model_that_fills_gaps_has_a_page_too(folder: Path) -> None:
    run = trained(folder, "bpe", "--objective", "masked")
    page = Page((run / "report.html").read_text(encoding="utf-8"))
    assert "learned to fill gaps in the text cat.txt from both sides" in " ".join(page.said.split())
    assert "validation loss on " in page.said
    assert "The flow of blame" not in page.said
    samples = [line for line in lines(run) if "sample" in line]
    assert [line["step"] for line in samples] == [4, 8]
    for line in samples:
        assert line["prompt"].count("[MASK]") == 3
        assert line["prompt"] in page.said
        assert "[MASK]" not in line["sample"]
    with pytest.raises(DataError, match="learned to fill gaps"):
        blame(gpt.load(run), "the ")


def test_a_run_without_passages_says_so(folder: Path, tmp_path: Path) -> None:
    run = trained(folder, "word")
    kept = (run / "metrics.jsonl").read_text()
    try:
        (run / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines(run) if "loss" in one))
        page = Page(report.report(run))
        assert page.said.count("holds no passage of the text") == 2
        assert "metrics.jsonl holds no sample" in page.said
        (run / "metrics.jsonl").write_text(json.dumps({"step": 0, "passages": ["unknown words", "", 3]}) + "\n[]\n")
        assert "holds no passage of the text" in Page(report.report(run)).said
    finally:
        (run / "metrics.jsonl").write_text(kept)


PROBLEMS = [
    Problem("two plus three equals ", "five", "plus"),
    Problem("ninety minus one equals ", "eighty nine", "minus"),
]


@pytest.mark.parametrize("kind", ["word", "bpe"])
def test_a_calculator_of_words_or_byte_pairs_is_blamed_token_by_token(kind: str) -> None:
    text = "".join(f"{problem.question}{problem.answer}\n" for problem in calculator.all_problems()[:400])
    text += "".join(f"{problem.question}{problem.answer}\n" for problem in PROBLEMS)
    tokenizer = WordTokenizer.from_text(text) if kind == "word" else train_bpe(text, 300)
    model = GPT(GPTConfig(len(tokenizer), 64, n_layer=1, n_head=1, n_embd=8))
    run = Run(Path("run"), model, tokenizer, {})
    for problem in PROBLEMS:
        traced = blame(run, problem.question, problem.answer)
        question, answer = tokenizer.encode(problem.question), tokenizer.encode(problem.answer + "\n")
        line = np.concatenate([question, answer])
        logits = model(line[None, :-1]).numpy()[0].astype(np.float64)
        logs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        asked = range(len(question) - 1, len(line) - 1)
        assert traced.flow.loss == pytest.approx(-sum(logs[at, line[at + 1]] for at in asked), rel=1e-4)
        assert traced.probability == pytest.approx(math.exp(-traced.flow.loss))
        page = Page(f"<body>{positions(run, [Example('A sum', problem, '', traced)]).markup()}</body>")
        titles = [title for title in page.titles if "gradient norm" in title]
        tokens = [*tokenizer.pieces(problem.question), *tokenizer.pieces(problem.answer)]
        assert [re.sub(", token .*", "", title) for title in titles] == tokens
        assert "The tokens the loss blames" in page.said


def test_blame_for_a_text_is_for_the_target_alone(folder: Path) -> None:
    run = gpt.load(trained(folder, "word"))
    traced = blame(run, "the cat ", "sat on")
    ids = run.tokenizer.encode("the cat sat on")
    assert traced.flow.loss == pytest.approx(trace_tokens(run, ids, len(ids) - 3).loss)
    own = blame(run, "the cat ")
    assert len(own.flow.positions[0]) == 4 + 16 - 1, "words next to each other, which are no text of the tokenizer"
    with pytest.raises(DataError, match="the target is empty"):
        blame(run, "the cat ", "")
    with pytest.raises(DataError, match="prompt and target have 26 tokens, the model reads at most 24"):
        blame(run, "the cat " * 6, "the cat")

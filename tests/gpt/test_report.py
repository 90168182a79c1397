"""The report of a run: one page that reaches nothing outside, whose numbers are those of the run."""

from __future__ import annotations

import html
import json
import math
import re
import shutil
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpt
from engine import Tensor, scope
from gpt import report, runs
from gpt.blame import blame
from gpt.data import calculator
from gpt.data.config import DataConfig
from gpt.data.exercise import Exercise, divided
from gpt.model import GPT, GPTConfig
from gpt.report import metrics, overview
from gpt.report.gradients import History, exploding, history, vanishing
from gpt.report.pictures import inline
from gpt.tokenizers import CharTokenizer
from gpt.training.config import TrainingConfig
from gpt.training.metrics import append
from gpt.training.stages import stage_of
from gpt.training.trainer import Trainer, new_model
from viz import digits, trace
from viz.charts import short
from viz.digits import percent, percents

VOID = {"meta"}
TAGS = set(
    """html head meta title style body nav ol li a main header section h1 h2 h3 p b code details summary div
    figure figcaption table thead tbody tfoot tr th td script
    svg g text rect line circle polyline polygon path ellipse""".split()
)


class Page(HTMLParser):
    """Reads a page, and holds it to what every page must be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.titles: list[str] = []
        self.said = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        assert tag != "html" or not self.open
        for name, value in attrs:
            assert name not in {"style", "src", "xlink:href", "xmlns"}
            assert not name.startswith("on")
            if name == "id":
                self.ids.append(value or "")
            if name == "href":
                self.links.append(value or "")
        if tag == "title":
            self.titles.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "title":
            self.titles[-1] += data
        elif self.open and self.open[-1] not in {"style", "script"}:
            self.said += data


def train(out: Path, steps: int = 120, **changes: Any) -> Path:
    """A short training of a tiny model, with all that the command line leaves."""
    tokenizer = calculator.tokenizer()
    parts = divided()
    data = Exercise(DataConfig(), tokenizer, parts._replace(held_out=parts.held_out[:200]))
    shape = GPTConfig(len(tokenizer), 64, n_layer=2, n_head=2, n_embd=16, positions="rotary", tie=False)
    settings = TrainingConfig(steps=steps, batch_size=8, learning_rate=1e-2, warmup=5, parts=1, evaluate_every=100)
    out.mkdir(parents=True)
    model = new_model(lambda: GPT(shape), seed=0)
    trainer = Trainer(model, settings, data, out / "metrics.jsonl")
    for _ in trainer.all_steps():
        pass
    runs.save(out, model, tokenizer, {"training": asdict(settings), "data": asdict(data.config)})
    append(out / "metrics.jsonl", {"step": steps, "held_out": data.final(model), "problems": 200})
    return out


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture(scope="module")
def text(run: Path) -> str:
    return report.report(run)


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    """The run in another place, to be spoiled."""
    return Path(shutil.copytree(run, tmp_path / "copy"))


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def rewrite(run: Path, records: list[dict[str, Any]]) -> None:
    (run / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


# ---- the page ----------------------------------------------------------------------------------------------------


def test_it_is_one_whole_page_that_reaches_nothing_outside(text: str, page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))
    assert page.links == [f"#{anchor}" for anchor in page.ids if anchor != "data"]
    assert "//" not in re.sub(r"<(style|script).*?</\1>", "", text, flags=re.DOTALL)
    assert "http://" not in text
    assert "https://" not in text
    assert text.count("<svg") > 15


def test_the_same_run_gives_the_same_page_wherever_it_lies(text: str, copy: Path) -> None:
    assert report.report(copy) == text
    assert report.write(copy) == copy / "report.html"
    assert (copy / "report.html").read_text(encoding="utf-8") == text


def test_hostile_characters_are_shown_and_not_obeyed(copy: Path) -> None:
    tokenizer = CharTokenizer(calculator.tokenizer().characters + "<>&\"'\x1b\u202e{")
    model = GPT(GPTConfig(len(tokenizer), 64, n_layer=1, n_head=1, n_embd=8))
    runs.save(copy, model, tokenizer, {"training": {"batch_size": "</script><b>", "<i>": "]]>"}})
    page = Page(report.report(copy))
    for shown in ("<", ">", "&", "\\x1b", "\\u202e", "</script><b>", "<i>"):
        assert shown in page.said
    assert "\x1b" not in page.said


# ---- its numbers -------------------------------------------------------------------------------------------------


def test_squares_by_stage_add_up_to_the_square_of_the_norm(run: Path) -> None:
    measured = [line for line in lines(run) if "norm" in line]
    assert [line["step"] for line in measured] == [1, 50, 100, 120]
    for line in measured:
        assert list(line["squared"]) == [stage.name for stage in flow_of(run).stages(2)]
        assert sum(line["squared"].values()) == pytest.approx(line["norm"] ** 2, rel=1e-5)


def flow_of(run: Path) -> Any:
    return blame(gpt.load(run), "two plus three equals ", "five").flow


def test_the_heat_maps_say_the_rms_and_the_share_of_each_stage(run: Path, page: Page) -> None:
    sizes = {stage.name: stage.parameters for stage in flow_of(run).stages(2)}
    for line in lines(run)[:-1]:
        total = sum(line["squared"].values())
        for stage, squared in line["squared"].items():
            rms = math.sqrt(squared / sizes[stage])
            assert f"{stage}, step {line['step']:,}: rms {short(rms)}" in page.titles
            assert f"{stage}, step {line['step']:,}: share {percent(squared / total)}" in page.titles


def test_the_curves_and_the_head_say_what_was_measured(run: Path, page: Page) -> None:
    *measured, last = lines(run)
    for line in measured:
        measured_too = f", validation {short(line['validation']['loss'])}" if line["validation"] else ""
        assert f"{line['step']}: loss {short(line['loss'])}{measured_too}" in page.titles
        assert f"{line['step']}: norm {short(line['norm'])}" in page.titles
        if line["validation"]:
            assert f"{line['step']}: right, % {short(100 * line['validation']['accuracy'])}" in page.titles
    assert f"{last['held_out']['all']:.1%} of 200 problems it never saw" in page.said
    assert "It took 120 steps of 8 problems." in page.said


def test_the_examples_are_as_the_model_does_them(run: Path, page: Page) -> None:
    kind = "(An easy one|A subtraction|One it gets wrong)"
    headings = re.findall(rf"{kind}: (.* equals )([a-z ]+)\n(Right|Wrong)", page.said)
    kinds = [kind for kind, *_ in headings]
    assert kinds == ["An easy one", "A subtraction", "One it gets wrong"]
    loaded = gpt.load(run)
    for _, question, answer, outcome in headings:
        verdict = blame(loaded, question, answer)
        own = blame(loaded, question).target
        assert outcome == ("Right" if own == answer else "Wrong")
        assert (
            f"has probability {digits.short(verdict.probability)}, a loss of {digits.short(verdict.flow.loss)} nats"
            in page.said
        )
        for stage, share in zip(verdict.flow.stages(2), percents([s.share for s in verdict.flow.stages(2)])):
            assert f"{stage.name}: gradient norm {digits.short(stage.norm)}" in page.titles
            assert page.said.count(share) > 1, "beside the bar, and in the picture"
        (norms,) = verdict.flow.positions
        for number, norm in enumerate(norms):
            character = (question + answer)[number].replace(" ", "␣")
            assert f"{character}, character {number + 1}: gradient norm {short(norm)}" in page.titles
    assert headings[2][3] == "Wrong"


def test_attention_is_shown_as_it_is(run: Path, page: Page) -> None:
    loaded = gpt.load(run)
    (prompt,) = set(re.findall(r"The prompt is (.* equals )", page.said))
    weights = [layer.numpy()[0] for layer in loaded.model.attention_weights(loaded.tokenizer.encode(prompt)[None])]
    assert len(weights) == 2
    shown = 0
    for layer in weights:
        for head, rows in enumerate(layer):
            assert np.allclose(rows.sum(axis=-1), 1)
            for column, weight in enumerate(rows[-1].tolist()):
                if weight > 0.005:
                    name = f"{prompt[column].replace(' ', '␣')} ({place(column + 1)})"
                    assert f"head {head + 1} looks at {name}: {percent(weight)}" in page.titles
                    shown += 1
    assert shown > 20


def place(number: int) -> str:
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd', 21: 'st', 22: 'nd', 23: 'rd'}.get(number, 'th') }"


def test_the_table_tells_every_parameter(run: Path, text: str) -> None:
    for path, value in gpt.load(run).model.named_parameters():
        array = value.numpy().astype(np.float64)
        norm, rms = short(float(np.linalg.norm(array))), short(float(np.sqrt((array**2).mean())))
        (row,) = re.findall(f"<tr><td>{re.escape(path)}</td>(.*?)</tr>", text)
        cells = [html.unescape(cell) for cell in re.findall("<td>(.*?)</td>", row)]
        assert cells[0] == " × ".join(map(str, value.shape))
        assert cells[1] == f"{value.size:,}"
        assert cells[3:] == [norm, rms]


# ---- what may be missing -----------------------------------------------------------------------------------------


def test_a_run_without_metrics_says_so_and_shows_the_rest(copy: Path) -> None:
    (copy / "metrics.jsonl").unlink()
    page = Page(report.report(copy))
    assert page.said.count("metrics.jsonl holds no measurement") == 2
    assert "It has no metrics, so its training is unknown. There is no final accuracy." in " ".join(page.said.split())
    assert "The largest weight here" in page.said


def test_metrics_of_an_older_version_lack_the_stages_only(copy: Path) -> None:
    rewrite(copy, [{key: value for key, value in line.items() if key != "squared"} for line in lines(copy)])
    page = Page(report.report(copy))
    assert "metrics.jsonl has no squared" in page.said
    assert "gradient norm" in page.said


def test_damaged_lines_are_counted(copy: Path) -> None:
    with (copy / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 130, "loss"\n[]\n{"step": "x"}\n{"step": 1, "held_out": 3}\n\xff\n')
    page = Page(report.report(copy))
    assert "5 lines of metrics.jsonl could not be read" in page.said


def test_a_training_cut_short_says_where(copy: Path) -> None:
    def head(*more: dict[str, Any]) -> str:
        rewrite(copy, [*whole[:2], *more])
        return Page(overview.header(gpt.load(copy), metrics.read(copy / "metrics.jsonl"))).said

    whole = lines(copy)
    assert "Its metrics end at step 50 of 120, without a final measurement." in head()
    assert "The training was stopped by its user after 77 of 120 steps." in head({"step": 77, "stopped": "interrupted"})
    broke = "The training broke off after 77 of 120 steps: the <loss> is nan."
    assert broke in head({"step": 77, "stopped": "the <loss> is nan"})


def test_stages_that_were_not_measured_are_not_diagnosed(copy: Path) -> None:
    rewrite(copy, [{"step": 1, "squared": {}}, {"step": 2, "squared": {"head": "?"}}])
    said = Page(report.report(copy)).said
    assert "Vanishing gradients: not known. None was measured at the end." in said
    assert not re.search(r"\bnan (of|times)", said)


def test_numbers_that_are_not_finite_are_survived(copy: Path) -> None:
    broken = lines(copy)
    broken[1] |= {"loss": math.nan, "norm": math.inf, "squared": {**broken[1]["squared"], "head": math.inf}}
    broken[2] |= {"squared": {"head": None}}
    rewrite(copy, broken)
    loaded = gpt.load(copy)
    loaded.model.head.weight.assign(np.full(loaded.model.head.weight.shape, np.nan))
    runs.save(copy, loaded.model, loaded.tokenizer, loaded.config["training"])
    page = Page(report.report(copy))
    assert "Exploding gradients: head (not finite at step 50)" in page.said
    assert "1 of 4 values are not drawn" in page.said
    assert page.said.count("so no blame can be traced") == 6


def test_without_graphviz_the_pictures_are_replaced_by_what_to_install(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *args, **kwargs: None)
    page = Page(report.report(run))
    assert page.said.count("pip install graphviz-pure") == 3
    assert "blocks.0.attention: gradient norm" in " ".join(page.titles)


# ---- its parts ---------------------------------------------------------------------------------------------------


def past(squared: list[dict[str, float]]) -> History:
    model = new_model(lambda: GPT(GPTConfig(5, 8, n_layer=1, n_head=1, n_embd=4, tie=False)), seed=0)
    stages = dict.fromkeys(stage_of(path) for path, _ in model.named_parameters())
    measured = [
        metrics.Measured(50 * k, 1.0, 1.0, 1.0, 1.0, 1.0, dict.fromkeys(stages, 1.0) | changed)
        for k, changed in enumerate(squared)
    ]
    return history(model, measured)


def test_vanishing_is_small_beside_the_others_in_the_last_tenth() -> None:
    still = past([{}] * 20)
    assert (vanishing(still), exploding(still)) == ([], [])
    assert vanishing(past([{"head": 1e-12}] * 18 + [{}] * 2)) == []
    ((stage, ratio),) = vanishing(past([{}] * 18 + [{"head": 1e-12}] * 2))
    assert stage == "head"
    assert ratio < 1e-5
    assert vanishing(past([{"embedding": 0.0}] * 3)) == [("embedding", 0.0)]
    assert vanishing(past([{"embedding": 0.0, "head": math.nan}] * 3)) == [("embedding", 0.0)], "others count still"
    assert len(vanishing(past([dict.fromkeys(still.stages, 0.0)]))) == len(still.stages)


def test_exploding_is_large_beside_its_own_beginning() -> None:
    assert exploding(past([{}] * 10 + [{"norm": 0.9e6}] + [{}] * 9)) == []
    ((stage, growth, step),) = exploding(past([{}] * 10 + [{"norm": 1.1e6}] + [{}] * 9))
    assert (stage, step) == ("norm", 500)
    assert growth == pytest.approx(math.sqrt(1.1e6))
    assert exploding(past([{"norm": 0.0}] * 2 + [{}] * 18)) == []  # what starts at zero has nothing to be held against
    ((stage, growth, _),) = exploding(past([{}, {"head": math.inf}]))
    assert (stage, growth) == ("head", math.inf)


def test_columns_are_means_of_neighbours() -> None:
    columns = past([{"head": float(k)} for k in range(20)]).binned(5)
    assert columns.steps == ((0, 150), (200, 350), (400, 550), (600, 750), (800, 950))
    head = columns.stages.index("head")
    assert columns.squared[head].tolist() == [1.5, 5.5, 9.5, 13.5, 17.5]
    assert columns.shares.sum(axis=0) == pytest.approx(np.ones(5))
    assert columns.rms[head, 0] == pytest.approx(math.sqrt(1.5 / 20))


def test_a_stage_is_the_module_two_names_deep() -> None:
    assert stage_of("blocks.0.attention.query.weight") == "blocks.0.attention"
    assert stage_of("blocks.11.norm.bias") == "blocks.11.norm"
    assert stage_of("head.weight") == "head"


def test_a_picture_stands_in_a_page_without_ids_and_keeps_its_tooltips() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name='<b>"x" id="1"</b>')
    with scope("]]></svg>"):
        loss = (x * x).sum()
    drawn = inline(trace(loss).svg())
    page = Page(f"<body>{drawn}</body>")
    assert page.ids == []
    assert '<b>"x" id="1"</b>' in page.said
    assert any("shape: (2,) float32" in title for title in page.titles)
    assert not any(re.fullmatch(r"n\d+|cluster_\d+|n\d+->n\d+", title) for title in page.titles)
    assert drawn.startswith("<svg")
    assert "http" not in drawn

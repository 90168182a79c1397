"""The benchmarks' own arithmetic: what is counted, what is thrown away, what is written. Nothing here takes time."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engine
from benchmarks import contestants, cost
from benchmarks.__main__ import FOLDER, PAGE, PARTS
from benchmarks.contest import Contest, NotHereError, ratios
from benchmarks.cost import Cost, Point
from benchmarks.functional_gpt import Library, State, loss, updated
from benchmarks.quiet import FIRST, REPEATS, TOLERANCE, Watch
from benchmarks.tables import between, table
from benchmarks.workload import CLIP, SETTINGS, WORKLOADS, Workload
from nn import clip_grad_norm
from nn.optim import AdamW

TINY = Workload({"vocab_size": 5, "block_size": 3, "n_layer": 2, "n_head": 2, "n_embd": 4}, batch=7)
QUIET, BUSY = 1.0, 1.01 * TOLERANCE


def watch(calibrations: Iterable[float], limit: int = 200) -> Watch:
    """A watch whose calibrations, after the first ones, are these."""
    made = iter([QUIET] * FIRST + [*calibrations])
    return Watch(limit, lambda: next(made))


# ---- the arithmetic of a step --------------------------------------------------------------------------------------


def test_the_products_of_a_step_counted_by_hand() -> None:
    tokens = 7 * 3
    products = 2 * [  # of each of 2 layers, forward: rows, inner length, columns
        *4 * [(tokens, 4, 4)],  # query, key, value, output
        *7 * 2 * [(3, 2, 3), (3, 3, 2)],  # for each text and head: scores, weighted values
        (tokens, 4, 16),
        (tokens, 16, 4),
    ] + [(tokens, 4, 5)]
    forward = sum(2 * rows * inner * columns for rows, inner, columns in products)
    assert TINY.flops() == 3 * forward  # backward: one product for each argument of a product


# ---- what is thrown away -------------------------------------------------------------------------------------------


def test_a_measurement_on_a_quiet_machine_counts() -> None:
    watched = watch([QUIET, QUIET])
    assert watched.quietly(iter("ab").__next__) == "a"
    assert (watched.repeated, watched.disturbed) == (0, 0)


@pytest.mark.parametrize("around", [(BUSY, QUIET), (QUIET, BUSY)])
def test_a_measurement_on_a_busy_machine_is_thrown_away(around: tuple[float, float]) -> None:
    watched = watch([*around, *around, QUIET, QUIET])
    assert watched.quietly(iter("abc").__next__) == "c"
    assert (watched.repeated, watched.disturbed) == (2, 0)
    assert str(watched).startswith("2 of 3 measurements were thrown away")


def test_where_the_machine_stays_busy_the_least_disturbed_measurement_counts() -> None:
    levels = [2.0 + number for number in range(REPEATS + 1)]
    levels[2] = BUSY
    watched = watch([level for level in levels for _ in range(2)])
    assert watched.quietly(iter(range(99)).__next__) == 2
    assert (watched.repeated, watched.disturbed) == (REPEATS, 1)


def test_the_limit_of_all_repeats() -> None:
    watched = watch([BUSY] * 99, limit=1)
    assert [watched.quietly(iter("ab").__next__) for _ in range(3)] == ["a", "a", "a"]
    assert (watched.repeated, watched.disturbed) == (1, 3)


def test_a_better_calibration_shows_that_earlier_measurements_were_disturbed() -> None:
    watched = watch([QUIET, QUIET, QUIET / 2, QUIET / 2])
    for _ in range(2):
        watched.quietly(lambda: 0)
    assert watched.disturbed == 1


def test_a_slow_turn_of_a_contest_is_repeated_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calm = [QUIET, QUIET]
    contest = Contest("", [], watch=watch([*calm, BUSY, BUSY, *calm, *calm, *calm]))
    contest.workers = {"a": None, "b": None}  # type: ignore[dict-item]
    taken = iter([("a", 1.0), ("b", 99.0), ("b", 2.0), ("a", 3.0), ("b", 4.0)])

    def ask(name: str, amount: int) -> float:
        expected, seconds = next(taken)
        assert (name, amount) == (expected, 5)
        return seconds

    monkeypatch.setattr(contest, "ask", ask)
    assert contest.rounds(2, 5) == {"a": [1.0, 3.0], "b": [2.0, 4.0]}


def test_turns_are_of_equal_length(monkeypatch: pytest.MonkeyPatch) -> None:
    contest = Contest("", [], watch=watch([QUIET] * 4))
    contest.workers = {"quick": None, "slow": None}  # type: ignore[dict-item]
    monkeypatch.setattr(contest, "ask", lambda name, amount: {"quick": 0.1, "slow": 3.0}[name])
    assert contest.amounts(1.0) == {"quick": 10, "slow": 1}


# ---- ratios, contestants -------------------------------------------------------------------------------------------


def test_ratios_are_taken_round_by_round_and_for_every_contestant() -> None:
    times = {"pytorch": [1.0, 10.0], "ours": [2.0, 5.0], "theirs": [3.0, 30.0]}
    assert ratios(times) == {"pytorch": [1, 1], "ours": [2, 0.5], "theirs": [3, 3]}
    assert ratios({"ours": [1.0]}) == {}


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        ("NotHereError('needs a compiler')", "needs a compiler"),
        ("ModuleNotFoundError(\"No module named 'peer'\")", "No module named 'peer'"),
        ("ImportError('kernels.use: Numba is not installed')", "kernels.use: Numba is not installed"),
    ],
)
def test_who_cannot_run_here_is_left_out_with_the_reason(tmp_path: Path, raised: str, reason: str) -> None:
    script = tmp_path / "contest.py"
    script.write_text(f"import sys\nsys.path.insert(0, {str(FOLDER.parent)!r})\n" + WORKER.format(raised=raised))
    contest = Contest(str(script), ["absent", "present"], watch=watch([]))
    assert list(contest.workers) == ["present"]
    assert contest.first == {"present": 7.0}
    assert contest.left_out == [f"absent is left out: {reason}"]
    contest.close()


WORKER = """
from benchmarks.contest import NotHereError, serve
if sys.argv[2] == "absent":
    raise {raised}
serve(lambda amount: 7 * amount)
"""


def test_pytorch_compiled_needs_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(NotHereError, match=r"torch.compile needs a C\+\+ compiler"):
        contestants.pytorch(WORKLOADS["w1"], compiled=True)


# ---- the models ----------------------------------------------------------------------------------------------------


@pytest.fixture
def same_kernels() -> Iterator[None]:
    """Afterwards the kernels that served before serve again."""
    before = engine.kernels.active()
    yield
    engine.kernels.use(before)


@pytest.mark.usefixtures("same_kernels")
def test_every_block_is_a_checkpoint_and_the_losses_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    wrapped = []
    checkpoint = engine.checkpoint

    def counted(f: Any) -> Any:
        wrapped.append(f)
        return checkpoint(f)

    monkeypatch.setattr(engine, "checkpoint", counted)
    plain, checkpointed = (
        contestants.ours(TINY, kernels="numpy", tuned=False, checkpointed=checkpointed)
        for checkpointed in (False, True)
    )
    losses = [plain() for _ in range(3)]
    assert losses[0] > losses[1] > losses[2]
    assert [checkpointed() for _ in range(3)] == pytest.approx(losses)
    assert len(wrapped) == TINY.config.n_layer


@pytest.mark.deep
def test_the_functional_model_is_ours() -> None:
    for workload in (WORKLOADS["calculator"], Workload({**WORKLOADS["w1"].shape, "bias": True}, 2)):
        model, (ids, labels) = workload.model(), workload.text()
        ours: Any = model.loss(ids, labels)
        state = State.of(model.state_dict())
        theirs = loss(state.parameters, ids, labels, workload.config, Library(np, lambda x: x))
        assert theirs.dtype == np.float32
        assert float(theirs) == pytest.approx(ours.item(), abs=1e-5)
        ours.backward()
        gradients = {name: p.grad.numpy() for name, p in model.named_parameters() if p.grad is not None}
        after = updated(state, gradients, np)
        optimizer = AdamW(model.parameters(), **SETTINGS)
        clip_grad_norm(model.parameters(), CLIP)
        optimizer.step()
        for name, p in model.named_parameters():
            assert after.parameters[name].dtype == np.float32
            np.testing.assert_allclose(after.parameters[name], p.numpy(), atol=2e-5)


# ---- tables and pictures -------------------------------------------------------------------------------------------


def test_only_what_is_between_the_marks_is_replaced() -> None:
    page = "# Title\n\n<!-- a -->\nold\n<!-- end a -->\n\nText.\n<!-- b -->\nkept\n<!-- end b -->\nEnd.\n"
    expected = page.replace("old\n", "\nnew | table\n\n")
    assert between(page, "a", "new | table\n") == expected
    assert between(expected, "a", "new | table\n") == expected


@pytest.mark.parametrize(
    "page", ["nothing", "<!-- a -->\n", "<!-- end a -->\n<!-- a -->\n", 2 * "<!-- a -->\n<!-- end a -->\n"]
)
def test_a_page_without_the_marks_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="<!-- a -->"):
        between(page, "a", "new")


def test_the_columns_of_a_table_are_aligned() -> None:
    assert table(["", "ms"], [["long name", "1"], ["b", "1,000"]]).splitlines() == [
        "|           |    ms |",
        "| :-------- | ----: |",
        "| long name |     1 |",
        "| b         | 1,000 |",
    ]


@pytest.mark.parametrize("name", [*PARTS, "machine"])
def test_every_part_has_its_script_and_its_place_in_the_page(name: str) -> None:
    assert name == "machine" or (FOLDER / PARTS[name].script).exists()
    between(PAGE.read_text(encoding="utf-8"), name, "")


def test_the_picture_of_costs_has_every_curve_in_every_panel() -> None:
    both = {name: Cost(0.1, 20.0) for name in cost.CONTESTANTS}
    found = {name: [Point(1, both), Point(10, both)] for name in cost.SWEEPS}
    root = ET.fromstring(cost.picture(found))
    curves = [element for element in root.iter() if element.tag.endswith("polyline")]
    assert len(curves) == 2 * 4 * 4  # time and memory, things that grow, contestants
    found["width"] = [Point(1, {"blameflow": Cost(0.1, 20.0)})]
    assert len(cost.rows(found)) == 7
    ET.fromstring(cost.picture(found))

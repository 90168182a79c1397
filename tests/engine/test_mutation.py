"""The checker checked, in small: wrong rules planted, found, gone again. All: `python -m engine.testing.mutation`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

import engine
from engine.primitive import registry
from engine.testing import check_op
from engine.testing.mutation import EQUIVALENT, Mutant, Verdict, judge, mutants, stale
from engine.testing.mutation.__main__ import main
from engine.testing.mutation.mutant import CONTROL
from engine.testing.mutation.run import judged
from engine.testing.mutation.sites import rebuilt

SAMPLE = ("sign", "zero", "a thousandth off", "ignores g", "rolled", "writes g", "wrong on tensors", "detached factor")
SAMPLED = [f"{rule}: {kind}" for rule in ("multiply.vjp(y)", "exp.vjp(x)", "prod.vjp(x)") for kind in SAMPLE]
SAMPLED += [f"layer_norm.vjp(weight): {kind}" for kind in ("doubled", "zero", "rolled")]
SAMPLED += [f"layer_norm.jvp(bias): {kind}" for kind in ("sign", "a thousandth off", "ignores g")]
SAMPLED += ["sum.vjp(x): wrong axis", "divide.vjp(x) and (y): exchanged"]
SAMPLED += ["softmax.vjp(x): wrong dtype", "matmul: does not broadcast", "gelu: reference doubled"]
SAMPLED += ["gelu: reference's gradient doubled"]

ONLY_AT_A_TIE = "choices._share: return np.where(tie, ⟦0.5 → 1.5⟧, as_operand(x) == as_operand(out)).astype(out.dtype)"


@pytest.fixture(autouse=True)
def _keep_the_profile() -> Iterator[None]:
    before = settings.default
    settings.register_profile("mutation", settings.get_profile("mutation"), max_examples=60)  # in the deep profile too
    yield
    assert before is not None
    settings.register_profile("before", before)
    settings.load_profile("before")


@pytest.mark.parametrize("name", SAMPLED)
def test_a_wrong_rule_is_found(name: str) -> None:
    assert judge(mutants()[name]).found_by == "check_op"


def test_a_wrong_rule_at_a_tie_is_found_by_the_traps() -> None:
    assert judge(mutants()[ONLY_AT_A_TIE]) == Verdict(ONLY_AT_A_TIE, "the traps")


@pytest.mark.parametrize(
    "op", ["concat", *(pytest.param(op, marks=pytest.mark.deep) for op in ("layer_norm", "multiply"))]
)
def test_a_right_rule_survives_the_planting(op: str) -> None:
    controls = [m for m in mutants().values() if m.kind == CONTROL and m.ops == (op,)]
    assert controls
    assert [judge(mutant).how for mutant in controls] == [""] * len(controls)


def test_every_op_and_every_kind_has_mutants() -> None:
    ops = {op for mutant in mutants().values() for op in mutant.ops}
    assert ops >= {name for name, op in registry.items() if op.__module__.startswith("engine.")}
    kinds = {mutant.kind for mutant in mutants().values()}
    assert kinds >= {"comparison", "axis", "keepdims", "constant", "arithmetic", "forgotten", "exchanged", "boolean"}
    assert "relu.vjp(x): lambda g, out: g * ⟦out > 0 → out >= 0⟧" in mutants()
    assert any(name.startswith("sweeps.reverse_sweep: collected[parent] = ⟦") for name in mutants())


@pytest.mark.parametrize("name", ["exp.vjp(x): sign", "relu.vjp(x): lambda g, out: ⟦g * (out > 0) → g⟧"])
def test_planting_leaves_nothing_behind(name: str) -> None:
    def state() -> Any:
        ops: list[Any] = [engine.exp, engine.relu]
        return [dict(vars(op)) for op in ops], [op.vjp[0].__code__ for op in ops]

    def fail() -> None:
        assert state() != before
        raise ZeroDivisionError

    before = state()
    with pytest.raises(ZeroDivisionError), mutants()[name].planted():
        fail()
    assert state() == before
    check_op(engine.exp)


def test_the_table_of_equivalents_is_held_to_its_word(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(stale(mutants(), [])) == []
    monkeypatch.setitem(EQUIVALENT, "exp.vjp(x): upside down", "there is no such mistake")
    monkeypatch.setitem(EQUIVALENT, "exp.vjp(x): sign", "it is one")
    assert list(stale(mutants(), [judge(mutants()["exp.vjp(x): sign"])])) == [
        "no such mutant: exp.vjp(x): upside down",
        "found by check_op: exp.vjp(x): sign",
    ]


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    some = ["sign", "--kind", "zero", "--kind", CONTROL]
    monkeypatch.setattr("engine.testing.mutation.run.judged", lambda names, jobs: [Verdict(name, "") for name in names])
    assert main(some) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["total", "2", "0", "0", "0", "0", "0", "2", "0"]
    monkeypatch.delitem(EQUIVALENT, "sign.jvp(x): zero")
    assert main(some) == 1
    assert capsys.readouterr().out.endswith("\nsurvived:\n  sign.jvp(x): zero\n")
    assert main(["exp", "--kind", "sign", "--list"]) == 0
    assert capsys.readouterr().out == "exp.vjp(x): sign\nexp.jvp(x): sign\n"
    with pytest.raises(SystemExit):
        main(["expp"])
    assert "no op named 'expp'" in capsys.readouterr().err


def test_another_process_judges_by_name() -> None:
    name = "exp.vjp(x): sign"
    assert list(judged([name], jobs=1)) == [judge(mutants()[name])]


@pytest.mark.deep
def test_the_command_judges_in_other_processes() -> None:
    assert main(["sign", "--kind", "zero", "--kind", CONTROL, "--jobs", "1"]) == 0


def test_a_rule_without_an_end_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.testing.mutation.trial.TIME_LIMIT", 0.5)
    (endless,) = [m for name, m in mutants().items() if name.startswith("scans._recurrence: ⟦by *= 2 → pass⟧")]
    assert isinstance(endless, Mutant)
    assert "no end" in judge(endless).how


def test_every_mutant_can_be_planted() -> None:
    for mutant in mutants().values():
        if not mutant.shared:  # those in what all ops use may break the tests themselves
            with mutant.planted():
                pass


def test_a_mutant_differs_from_the_op_in_nothing_else() -> None:
    for op in registry.values():
        again = rebuilt(op)
        assert all(
            value == vars(op)[name] or name.startswith(("_", "quick", "signature", "scalings"))
            for name, value in vars(again).items()
        ), op.name

"""The pytest plugin, in the test run of a stranger's project: a process of its own, in a folder of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.testing.profiles import Options, choosing, configured
from engine.testing.summary import summary
from engine.testing.tally import Tally

ROOT = Path(__file__).parents[2]

QUICK = ("--assert=plain", "-p", "no:cacheprovider")  # rewriting the asserts of hypothesis takes longest

CHECK = """
from hypothesis import given, settings, strategies as st
from engine.testing.profiles import configured
from engine.testing.tally import tally

drawn = []

def check(subject="cube"):
    @configured
    @given(st.floats(0, 1))
    def holds(x):
        drawn.append(x)
        tally.examples += 1
        tally.record(subject, "vjp = numeric", error=x * 1e-9, where="argument 0")
    drawn.clear()
    holds()
    return len(drawn)
"""


@pytest.fixture
def stranger(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project that has the plugin, whether or not this one is installed, and turns warnings into errors."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("CI", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    pytester.makeini("[pytest]\naddopts = -p blameflow_pytest --strict-markers\nfilterwarnings = error")
    pytester.makepyfile(checks=CHECK)
    return pytester


def run(project: pytest.Pytester, source: str, *options: str) -> pytest.RunResult:
    project.makepyfile(test_it=source)
    return project.runpytest_subprocess(*QUICK, "-p", "no:xdist", *options, timeout=60)


def printed(result: pytest.RunResult) -> str:
    """The section of the plugin, if there is one."""
    _, _, section = result.stdout.str().partition("= gradcheck =")
    return section


@pytest.mark.parametrize("other", [[], ["-p", "no:hypothesispytest"]], ids=["with hypothesis", "without"])
def test_a_project_that_checks_no_gradient_notices_nothing(stranger: pytest.Pytester, other: list[str]) -> None:
    stranger.makepyfile(engine="raise AssertionError('a package of the same name, loaded by nobody')")
    result = run(
        stranger,
        """
        import sys

        def test_nothing_was_loaded():
            assert not {"numpy", "hypothesis", "engine"} & set(sys.modules)
        """,
        *other,
    )
    result.assert_outcomes(passed=1)
    assert "gradcheck" not in result.stdout.str()
    assert not result.stderr.str()


def test_a_project_may_have_a_marker_and_a_fixture_of_the_same_name(stranger: pytest.Pytester) -> None:
    source = """
        import pytest, sys

        @pytest.fixture
        def gradcheck():
            return 7

        @pytest.mark.gradcheck
        @pytest.mark.gradcheck("slow", device="cuda")
        def test_f(gradcheck):
            assert gradcheck == 7 and "engine" not in sys.modules
        """
    run(stranger, source).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("--gradcheck-examples=many", "--gradcheck-examples takes a positive number, dev, ci or deep, not 'many'"),
        ("--gradcheck-examples=0", "--gradcheck-examples takes a positive number, dev, ci or deep, not '0'"),
        ("--gradcheck-seed=x", "--gradcheck-seed takes a whole number, not 'x'"),
    ],
)
def test_a_bad_option_is_one_line(stranger: pytest.Pytester, option: str, expected: str) -> None:
    result = run(stranger, "", option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.stderr.str().split("\n", 1)[0] == f"ERROR: {expected}"


def test_the_number_comes_from_the_marker_else_the_command_line_else_the_profile(stranger: pytest.Pytester) -> None:
    source = """
        import pytest
        from checks import check

        def test_plain():
            assert check() == {plain}

        class TestMarked:
            pytestmark = pytest.mark.gradcheck(examples=7)

            def test_of_class(self):
                assert check() == 7

            @pytest.mark.gradcheck(examples=9)
            def test_closer(self):
                assert check() == 9

        @pytest.fixture
        def checked():
            return check()

        @pytest.mark.gradcheck(examples=5)
        def test_fixtures_too(checked):
            assert checked == 5
        """
    for option, plain in ("12", 12), ("dev", 20):
        run(stranger, source.format(plain=plain), f"--gradcheck-examples={option}").assert_outcomes(passed=4)


def test_a_bad_marker_stops_its_test_alone(stranger: pytest.Pytester) -> None:
    source = """
        import pytest

        @pytest.mark.gradcheck(examples=-3)
        def test_f(): pass

        @pytest.mark.gradcheck(examples="many")
        def test_g(): pass

        def test_h(): pass
        """
    result = run(stranger, source)
    result.assert_outcomes(passed=1, errors=2)
    for examples in "-3", "'many'":
        message = f"@pytest.mark.gradcheck(examples=...) takes a positive number, not {examples}"
        assert message in result.outlines


def test_a_seed_draws_the_same_again(stranger: pytest.Pytester) -> None:
    source = """
        from checks import check, drawn
        from engine.testing.profiles import Options, choosing

        def test_f():
            check()
            first = list(drawn)
            for seed, same in (7, True), (8, False):
                with choosing(Options(examples=30, seed=seed)):
                    check()
                assert (drawn == first) is same
        """
    run(stranger, source, "--gradcheck-examples=30", "--gradcheck-seed=7").assert_outcomes(passed=1)


def test_deep_prints_the_seed_it_drew(stranger: pytest.Pytester) -> None:
    result = run(
        stranger, "from checks import check\ndef test_f(): assert check() == 1500", "--gradcheck-examples=deep"
    )
    result.assert_outcomes(passed=1)
    header = next(line for line in result.outlines if line.startswith("gradcheck: "))
    seed = header.removeprefix("gradcheck: examples deep, seed ")
    assert seed.isdecimal()
    assert f"rerun with --gradcheck-seed={seed}" in printed(result)
    assert "\na vjp = numeric " in printed(result)
    assert "\ncube " in printed(result)


def test_the_profiles_can_be_asked_of_hypothesis(stranger: pytest.Pytester) -> None:
    source = "from hypothesis import settings\ndef test_f(): assert settings().max_examples == 1500"
    run(stranger, source, "--hypothesis-profile=gradcheck-deep").assert_outcomes(passed=1)


def test_the_summary_is_short_unless_asked(stranger: pytest.Pytester) -> None:
    source = "from checks import check\ndef test_f():\n    check('cube'), check('square')"
    *counts, worst = printed(run(stranger, source)).splitlines()[1:5]
    assert counts == [
        "laws filled                     2   of 2 subjects x 1 laws",
        "examples                      200",
        "checks                        200   0.00 % inconclusive",
    ]
    assert re.fullmatch(r"worst relative error +\S+   (cube|square): vjp = numeric: argument 0", worst)


def test_the_fixture_counts_under_the_name_of_the_test_and_gets_on_with_hypothesis(stranger: pytest.Pytester) -> None:
    source = """
        import numpy as np
        from hypothesis import given, strategies as st

        def test_cube(gradcheck):
            gradcheck(lambda x: x * x * x, np.array([1.0, 2.0]))

        @given(st.floats(-1, 1))
        def test_square(gradcheck, a):
            gradcheck(lambda x: a * x * x, np.array([1.0, 2.0]))
        """
    result = run(stranger, source, "-v")
    result.assert_outcomes(passed=2)
    assert "\ntest_it.py::test_cube " in printed(result)
    assert "\ntest_it.py::test_square " in printed(result)


@pytest.mark.parametrize(
    ("framework", "source"),
    [
        ("torch", "check_torch_function(torch.sin, x), check_torch_module(torch.nn.Linear(2, 1).double(), x)"),
        ("jax", "check_jax(jax.numpy.sin, x)"),
    ],
)
def test_the_checks_of_other_frameworks_are_fixtures_too(
    stranger: pytest.Pytester, framework: str, source: str
) -> None:
    pytest.importorskip(framework, reason=f"{framework} is not installed; `make compare` installs it")
    fixtures = ", ".join(re.findall(r"check_\w+", source))
    result = run(
        stranger,
        f"""
        import {framework}
        import numpy as np

        def test_f({fixtures}):
            x = np.array([0.5, 1.0])
            {source}
        """,
        "-v",
        "-W",
        "default",
    )
    result.assert_outcomes(passed=1)
    assert "\ntest_it.py::test_f " in printed(result)


def test_workers_add_up_to_what_one_process_counts(stranger: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    source = """
        import pytest
        from checks import check

        @pytest.mark.parametrize("subject", "abcd")
        def test_f(subject):
            check(subject)
        """
    options = "--gradcheck-examples=40", "--gradcheck-seed=7"
    alone = run(stranger, source, "-v", *options)
    workers = stranger.runpytest_subprocess(*QUICK, "-v", "-n2", *options, timeout=60)
    workers.assert_outcomes(passed=4)
    assert workers.stdout.str().count("= gradcheck =") == 1
    assert printed(workers).rpartition("\n=")[0] == printed(alone).rpartition("\n=")[0]
    assert "examples                      160" in printed(workers)
    assert "rerun with --gradcheck-seed=7" in printed(workers)


def test_workers_draw_deep_from_the_seed_that_is_printed(stranger: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    stranger.makepyfile(
        test_it="""
        import pytest
        from checks import check, drawn

        @pytest.mark.gradcheck(examples=20)
        @pytest.mark.parametrize("name", "ab")
        def test_f(name):
            check()
            print("drawn:", drawn)
        """
    )
    result = stranger.runpytest_subprocess(*QUICK, "-n2", "-rP", "--gradcheck-examples=deep", timeout=60)
    result.assert_outcomes(passed=2)
    (seed,) = re.findall(r"^gradcheck: examples deep, seed (\d+)$", result.stdout.str(), re.MULTILINE)
    assert f"rerun with --gradcheck-seed={seed}" in printed(result)
    assert "\na vjp = numeric " in printed(result)
    of_a, of_b = (line for line in result.outlines if line.startswith("drawn: "))
    assert of_a == of_b


def test_a_check_runs_under_the_profile_in_force_but_without_a_clock() -> None:
    def drawn(options: Options) -> int:
        examples = []

        @given(st.integers(0, 10**9))
        def holds(x: int) -> None:
            assert settings().deadline is None
            examples.append(x)

        with choosing(options):
            configured(holds)()
        return len(examples)

    mine = settings(max_examples=31, deadline=1, database=None)
    settings.register_profile("mine", mine)
    assert drawn(Options(profile="mine")) == 31
    assert drawn(Options(profile="mine", examples=3)) == 3
    assert drawn(Options(profile="gradcheck-dev")) == 20
    assert drawn(Options()) == settings().max_examples


def test_a_summary_fits_into_80_columns() -> None:
    tally = Tally(examples=1_234_567)
    for subject in ("add", "a_function_with_a_name_longer_than_any_line_has_room_for_it", "x" * 90):
        for law in ("vjp = numeric", "jvp = numeric", "a law so long that nobody would ever think of stating it here"):
            tally.record(subject, law, error=1e-9, where="argument 0 at (1, 2, 3), " * 4)
            tally.record(subject, law, conclusive=False)
    lines = [line for text in summary(tally, seed=2**32, tables=True) for line in text.splitlines()]
    assert max(map(len, lines)) == 80
    assert lines[:3] == [
        "laws filled                     9   of 3 subjects x 3 laws",
        "examples                1,234,567",
        "checks                         18   50.00 % inconclusive",
    ]


def test_a_tally_counts_under_another_name_and_adds_up() -> None:
    tally, other = Tally(examples=1), Tally(examples=2)
    with tally.under("the test"):
        tally.record("f", "law", error=1.0, where="here")
    other.record("the test", "law", error=2.0, where="there")
    other.record("g", "law")
    tally.add(other)
    assert tally.examples == 3
    assert tally.subject == ""
    entry = tally.entries["the test", "law"]
    assert (entry.checks, entry.worst, entry.where) == (2, 2.0, "there")
    assert ("g", "law") in tally.entries

"""Whether a mutant is found: by `check_op` with its defaults, or else by tests of exact values, if they are installed.

The examples of an op avoid kinks and ties, where numerical derivatives are not reliable. Tests of the awkward cases
state a rule's exact values there, so these tests are part of the checker, as are those of the range, the tails and
float16. If the mutated function is part of a forward pass or of the sweeps too, the other tests of values may also find
it.

Every error counts as found, also one raised inside the rule, and a check that does not end. hypothesis draws the usual
number of examples but does not shrink. A mutant that the first examples miss is tried with others and counted
separately.

Read next: `engine/testing/mutation/equivalent.py`.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import signal
import sys
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import HealthCheck, Phase, settings

import engine
from engine.primitive import registry
from engine.testing import check_op
from engine.testing.mutation.mutant import CONTROL, Mutant
from engine.testing.profiles import Options, choosing

TIME_LIMIT = 20.0  # seconds of processor time for one check, which takes about one second
LIMIT_OF_TESTS = 60.0  # the same for tests, which take up to fifteen
ROOT = Path(engine.__file__).parent.parent


def _tests(names: str) -> tuple[Path, ...]:
    return tuple(ROOT / "tests" / "engine" / f"test_{name}.py" for name in names.split())


TRAPS = _tests("traps_values traps_shapes traps_between fused_empty zero_cotangent")
FAULTS = _tests("faults_values faults_half faults_tails")
OTHERS = _tests("primitive traps_graph sweeps backward transforms tensor elementwise reductions shapes linalg")
_OPTIONS = ["-x", "-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider"]
_OPTIONS += ["--assert=plain", "-p", "no:hypothesispytest"]  # these must be set up before modules are imported
_OPTIONS += ["-k", "not million and not thousand"]  # slow tests

settings.register_profile(
    "mutation",
    database=None,
    derandomize=True,
    deadline=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


class Verdict(NamedTuple):
    """The result for a mutant: the check that found it, or "", and the first line of its error."""

    mutant: str
    found_by: str
    how: str = ""


def judge(mutant: Mutant) -> Verdict:
    """Plant a mutant and try to find it."""
    for draws, judges in ((Options(), "check_op"), (Options(seed=1), "another seed")):
        error = _found_by_check(mutant, draws)
        if error is not None:
            return Verdict(mutant.name, judges, f"{type(error).__name__}: {error}".partition("\n")[0])
    for judges, files in (("the traps", TRAPS), ("the faults", FAULTS), ("other tests", OTHERS)):
        if mutant.kind == CONTROL or (files is OTHERS and not mutant.shared):
            break
        if available(files):
            with mutant.planted():
                if not _pass(files):
                    return Verdict(mutant.name, judges)
    return Verdict(mutant.name, "")


def _found_by_check(mutant: Mutant, draws: Options) -> Exception | None:
    """The error that `check_op` raises for the first of the mutant's ops that has one."""
    with mutant.planted(), choosing(draws):
        for name in mutant.ops:
            try:
                with time_limit(TIME_LIMIT), silenced():
                    settings.load_profile("mutation")
                    check_op(registry[name])
            except Exception as error:
                return error
    return None


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """A context that raises TimeoutError after so much processor time, and again every two seconds until it ends.

    On systems without the signal SIGVTALRM there is no limit.
    """
    if not hasattr(signal, "SIGVTALRM"):
        yield
        return

    def expire(*_: Any) -> None:
        raise TimeoutError(f"no end after {seconds:g} seconds")

    before = signal.signal(signal.SIGVTALRM, expire)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, 2.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, before)


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """A context in which nothing is printed and warnings are ignored, because wrong rules cause many."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


# ---- tests of exact values -------------------------------------------------------------------------------------------


@cache
def available(files: tuple[Path, ...]) -> bool:
    """Whether these tests are installed. Call it while no mutant is planted: raises RuntimeError if a test fails."""
    if not all(file.exists() for file in files):
        return False
    if not _pass(files):
        raise RuntimeError(f"mutation: without any mutant one of these fails: {', '.join(file.name for file in files)}")
    return True


def _pass(files: tuple[Path, ...]) -> bool:
    """Whether all of these tests pass, run in this process."""
    pytest = importlib.import_module("pytest")  # installed wherever the tests are
    try:
        with time_limit(LIMIT_OF_TESTS), silenced(), _reimported("tests"):
            status = pytest.ExitCode(pytest.main([*_OPTIONS, *map(str, files)]))
    except TimeoutError:
        return False
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
        raise RuntimeError(f"mutation: pytest could not run: {status.name}")
    return bool(status == pytest.ExitCode.OK)


@contextlib.contextmanager
def _reimported(package: str) -> Iterator[None]:
    """A context in which a package beside `engine` is imported again, so that its random numbers are the same too."""
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] == package}
    for name in before:
        del sys.modules[name]
    sys.path.insert(0, str(ROOT))
    try:
        yield
    finally:
        sys.path.remove(str(ROOT))
        sys.modules.update(before)

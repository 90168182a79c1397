"""Whether a mutant is found: by `check_op` as it is shipped, else by tests of exact values, if they are there.

The examples of an op stay away from kinks and ties, where no numerical derivative can be trusted. What a rule does
there is written down in the tests of the awkward cases, so these are part of the checker. Where more than a rule
is wrong, because a forward pass uses the mutated function too, the other tests of values have their say.

Any error counts as found, also one inside the rule, also that it does not come to an end. hypothesis draws as many
examples as ever but does not shrink what it finds. A mutant that the first draws miss gets others and is counted apart.

Read next: `engine/testing/mutation/run.py`.
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

PATIENCE = 20.0  # seconds of computing for one check, which takes about one
ROOT = Path(engine.__file__).parent.parent


def _tests(names: str) -> tuple[Path, ...]:
    return tuple(ROOT / "tests" / "engine" / f"test_{name}.py" for name in names.split())


TRAPS = _tests("traps_values traps_shapes traps_between fused_empty zero_cotangent")
OTHERS = _tests("primitive traps_graph sweeps backward transforms tensor elementwise reductions shapes linalg")
_OPTIONS = ["-x", "-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider"]
_OPTIONS += ["--assert=plain", "-p", "no:hypothesispytest"]  # which come too late to a process that runs already
_OPTIONS += ["-k", "not million and not thousand"]  # these take their time

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
    """What became of a mutant: who found it ("" for nobody), and the first line of how."""

    mutant: str
    found_by: str
    how: str = ""


def judge(mutant: Mutant) -> Verdict:
    """Plant a mutant and try to find it."""
    for draws, judges in ((Options(), "check_op"), (Options(seed=1), "another seed")):
        error = _found_by_check(mutant, draws)
        if error is not None:
            return Verdict(mutant.name, judges, f"{type(error).__name__}: {error}".partition("\n")[0])
    for judges, files in (("the traps", TRAPS), ("other tests", OTHERS)):
        if mutant.kind == CONTROL or (files is OTHERS and not mutant.beyond):
            break
        if can_tell(files):
            with mutant.planted():
                if not _pass(files):
                    return Verdict(mutant.name, judges)
    return Verdict(mutant.name, "")


def _found_by_check(mutant: Mutant, draws: Options) -> Exception | None:
    """What `check_op` raises at the first of the ops that should notice."""
    with mutant.planted(), choosing(draws):
        for name in mutant.ops:
            try:
                with limited(PATIENCE), quiet():
                    settings.load_profile("mutation")
                    check_op(registry[name])
            except Exception as error:
                return error
    return None


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """A context that raises TimeoutError when its computing takes longer, and again as long as it goes on.

    Where the system has no such signal, nothing is limited.
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
def quiet() -> Iterator[None]:
    """A context in which nothing is printed, and nothing warns: wrong rules have much to say."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


# ---- tests of exact values -------------------------------------------------------------------------------------------


@cache
def can_tell(files: tuple[Path, ...]) -> bool:
    """Whether these tests are there. To be asked while nothing is planted: RuntimeError if they fail even then."""
    if not all(file.exists() for file in files):
        return False
    if not _pass(files):
        raise RuntimeError(f"mutation: without any mutant one of these fails: {', '.join(file.name for file in files)}")
    return True


def _pass(files: tuple[Path, ...]) -> bool:
    """Whether all of these tests pass, run in this very process."""
    pytest = importlib.import_module("pytest")  # whoever has the tests has it
    try:
        with limited(PATIENCE), quiet(), _imported_anew("tests"):
            status = pytest.ExitCode(pytest.main([*_OPTIONS, *map(str, files)]))
    except TimeoutError:
        return False
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
        raise RuntimeError(f"mutation: pytest could not run: {status.name}")
    return bool(status == pytest.ExitCode.OK)


@contextlib.contextmanager
def _imported_anew(package: str) -> Iterator[None]:
    """A context in which a package beside the engine is imported as for the first time: its random numbers too."""
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] == package}
    for name in before:
        del sys.modules[name]
    sys.path.insert(0, str(ROOT))
    try:
        yield
    finally:
        sys.path.remove(str(ROOT))
        sys.modules.update(before)

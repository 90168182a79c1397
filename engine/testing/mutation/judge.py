"""Whether a mutant is found: by `check_op` as it is shipped, else by the tests of the awkward cases, if they are there.

The examples of an op stay away from kinks and ties, where no numerical derivative can be trusted. What a rule does
there is written down as exact values in `tests/engine/test_traps_*.py`, so these are part of the checker.

Any error counts as found, also one inside the rule, also that it does not come to an end. hypothesis draws as many
examples as ever but does not shrink what it finds.

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

PATIENCE = 20.0  # seconds of computing for one check, which takes about one
ROOT = Path(engine.__file__).parent.parent
TRAPS = [ROOT / "tests" / "engine" / name for name in ("test_traps_values.py", "test_traps_shapes.py")]
_OPTIONS = ["-x", "--assert=plain", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]

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
    """What became of a mutant: who found it ("check_op", "the traps", or "" for nobody), and the first line of how."""

    mutant: str
    found_by: str
    how: str = ""


def judge(mutant: Mutant) -> Verdict:
    """Plant a mutant and try to find it."""
    traps_stand()
    with mutant.planted():
        for name in mutant.ops:
            try:
                with limited(PATIENCE), quiet():
                    settings.load_profile("mutation")
                    check_op(registry[name])
            except Exception as error:
                how = f"{type(error).__name__}: {error}".partition("\n")[0]
                return Verdict(mutant.name, "check_op", how)
        if mutant.kind != CONTROL and traps_stand() and not _traps_pass():
            return Verdict(mutant.name, "the traps")
    return Verdict(mutant.name, "")


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


# ---- the traps -------------------------------------------------------------------------------------------------------


@cache
def traps_stand() -> bool:
    """Whether the tests of the awkward cases are there. To be asked first while nothing is planted.

    Raises RuntimeError if they fail then: they could tell nothing.
    """
    if not all(file.exists() for file in TRAPS):
        return False
    if not _traps_pass():
        raise RuntimeError("mutation: the tests of the awkward cases fail without any mutant")
    return True


def _traps_pass() -> bool:
    """Whether the tests of the awkward cases pass, run in this very process."""
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    pytest = importlib.import_module("pytest")  # whoever has the tests has it
    try:
        with limited(PATIENCE), quiet():
            return bool(pytest.main([*_OPTIONS, *map(str, TRAPS)]) == pytest.ExitCode.OK)
    except TimeoutError:
        return False

"""pytest plugin: gradient checks in any project's tests, how many examples they look at, and what they found.

    def test_gelu(gradcheck):                 the fixture is `engine.testing.gradcheck`; its checks count under
        gradcheck(gelu, x)                    the name of the test

    pytest --gradcheck-examples=200           examples each check draws: a number, dev, ci or deep
    pytest --gradcheck-examples=deep          1,500 random ones, with a seed that is printed
    pytest --gradcheck-seed=7                 the same random ones again

    @pytest.mark.gradcheck(examples=500)      for one test, class or module; its author knows what it needs and what
                                              it costs, so the marker wins over the command line, upwards and downwards

pytest imports this file in every test run where blameflow is installed, used or not. Therefore it stands alone, outside
`engine`: it loads neither NumPy nor hypothesis before a gradient is checked, and never a project's own `engine`.

Read next: `engine/testing/profiles.py`, what the choices mean, and `engine/testing/summary.py`, what is printed.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Generator
from functools import wraps
from typing import Any

import pytest

PROFILES = ("dev", "ci", "deep")
OUTPUT = "blameflow_gradcheck"  # the tally of a pytest-xdist worker, on its way to the process that prints


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("gradcheck", "property tests of gradients")
    group.addoption(
        "--gradcheck-examples", type=_examples, metavar="N|dev|ci|deep", help="how many examples each check draws"
    )
    group.addoption("--gradcheck-seed", type=_seed, metavar="N", help="draw the examples from this seed")


def _examples(text: str) -> int | str:
    if text in PROFILES:
        return text
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise pytest.UsageError(f"--gradcheck-examples wants a positive number, dev, ci or deep, not {text!r}")


def _seed(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise pytest.UsageError(f"--gradcheck-seed wants a whole number, not {text!r}") from None


@pytest.hookimpl(tryfirst=True)  # before hypothesis looks for the profile of --hypothesis-profile
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "gradcheck(examples=N): gradient checks of this test draw N examples.")
    if config.option.gradcheck_examples == "deep" and config.option.gradcheck_seed is None:
        config.option.gradcheck_seed = random.SystemRandom().getrandbits(32)  # pytest-xdist hands it to its workers
    if str(config.getoption("hypothesis_profile", None)).startswith("gradcheck-"):
        import engine.testing.profiles  # noqa: F401 (registers it)


def pytest_report_header(config: pytest.Config) -> str | None:
    chosen = {"examples": config.option.gradcheck_examples, "seed": config.option.gradcheck_seed}
    words = ", ".join(f"{name} {value}" for name, value in chosen.items() if value is not None)
    return f"gradcheck: {words}" if words else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    examples = _marked(item)
    if examples is not None and (not isinstance(examples, int) or examples < 1):
        pytest.fail(f"@pytest.mark.gradcheck(examples=...) wants a positive number, not {examples!r}", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run the test, its fixtures included, under what its marker and the command line chose."""
    general, marked, seed = item.config.option.gradcheck_examples, _marked(item), item.config.option.gradcheck_seed
    if general is None and marked is None and seed is None:
        return (yield)
    from engine.testing.profiles import Options, choosing

    profile, number = (f"gradcheck-{general}", None) if general in PROFILES else (None, general)
    with choosing(Options(profile, number if marked is None else marked, seed)):
        return (yield)


def _marked(item: pytest.Item) -> Any:
    """What the closest marker says; one of the same name that says nothing of examples is another project's."""
    marker = item.get_closest_marker("gradcheck")
    return None if marker is None else marker.kwargs.get("examples")


@pytest.fixture(scope="session")  # hypothesis objects to fixtures of function scope in its tests
def gradcheck() -> Callable[..., Any]:
    """Compare the gradients of a function with numerical truth; raises GradientError."""
    from engine.testing import gradcheck
    from engine.testing.tally import tally

    @wraps(gradcheck)
    def under_the_name_of_the_test(*args: Any, **options: Any) -> Any:
        __tracebackhide__ = True
        with tally.under(os.environ["PYTEST_CURRENT_TEST"].rpartition(" (")[0]):
            return gradcheck(*args, **options)

    return under_the_name_of_the_test


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if "engine.testing.tally" not in sys.modules:
        return
    from engine.testing.summary import summary
    from engine.testing.tally import tally

    if tally.entries or tally.examples:
        tables = config.option.verbose > 0 or config.option.gradcheck_examples == "deep"
        terminalreporter.write_sep("=", "gradcheck")
        for line in summary(tally, seed=config.option.gradcheck_seed, tables=tables):
            terminalreporter.write_line(line)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker of pytest-xdist: send the tally along."""
    if hasattr(session.config, "workeroutput") and "engine.testing.tally" in sys.modules:
        from dataclasses import asdict

        from engine.testing.tally import tally

        session.config.workeroutput[OUTPUT] = asdict(tally)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Where the workers of pytest-xdist report to: count what they counted."""
    counted = getattr(node, "workeroutput", {}).get(OUTPUT)
    if counted:
        from engine.testing.tally import Entry, Tally, tally

        entries = {key: Entry(**entry) for key, entry in counted["entries"].items()}
        tally.add(Tally(counted["examples"], counted["calls"], entries))

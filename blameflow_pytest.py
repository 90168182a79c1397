"""pytest plugin for gradient checks in any project: how many examples they draw, and a summary of the results.

    def test_gelu(gradcheck):                 the fixture is `engine.testing.gradcheck`; the summary counts its
        gradcheck(gelu, x)                    checks under the name of the test. So are the fixtures
                                              check_torch_function, check_torch_module and check_jax

    pytest --gradcheck-examples=200           examples each check draws: a number, dev, ci or deep
    pytest --gradcheck-examples=deep          1,500 random ones, from a seed that is printed
    pytest --gradcheck-seed=7                 draws the same random examples again

    @pytest.mark.gradcheck(examples=500)      for one test, class or module; the marker wins over the command line,
                                              with more examples or fewer, since its author knows the cost

pytest imports this file in every test run where blameflow is installed, whether or not a gradient is checked. Therefore
it stands outside `engine`, loads neither NumPy nor hypothesis before a gradient is checked, and never imports another
package that is called `engine`. Under pytest-xdist all workers draw from one seed, and one summary adds up the counts.

`engine/testing/profiles.py` defines the choices, `engine/testing/summary.py` writes the summary.
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
SEED, TALLY = "blameflow_gradcheck_seed", "blameflow_gradcheck_tally"  # what pytest-xdist carries to and from workers


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
    raise pytest.UsageError(f"--gradcheck-examples takes a positive number, dev, ci or deep, not {text!r}")


def _seed(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise pytest.UsageError(f"--gradcheck-seed takes a whole number, not {text!r}") from None


@pytest.hookimpl(tryfirst=True)  # before hypothesis looks for the profile of --hypothesis-profile
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "gradcheck(examples=N): gradient checks of this test draw N examples.")
    if hasattr(config, "workerinput"):
        config.option.gradcheck_seed = config.workerinput.get(SEED, config.option.gradcheck_seed)
    elif config.option.gradcheck_examples == "deep" and config.option.gradcheck_seed is None:
        config.option.gradcheck_seed = random.SystemRandom().getrandbits(32)
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
        pytest.fail(f"@pytest.mark.gradcheck(examples=...) takes a positive number, not {examples!r}", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run the test and its fixtures with the number of examples that its marker or the command line gives."""
    general, marked, seed = item.config.option.gradcheck_examples, _marked(item), item.config.option.gradcheck_seed
    if general is None and marked is None and seed is None:
        return (yield)
    from engine.testing.profiles import Options, choosing

    profile, number = (f"gradcheck-{general}", None) if general in PROFILES else (None, general)
    with choosing(Options(profile, number if marked is None else marked, seed)):
        return (yield)


def _marked(item: pytest.Item) -> Any:
    """The `examples` of the closest marker; None without one, or for another project's marker of the same name."""
    marker = item.get_closest_marker("gradcheck")
    return None if marker is None else marker.kwargs.get("examples")


@pytest.fixture(scope="session")  # hypothesis refuses fixtures of function scope in its tests
def gradcheck() -> Callable[..., Any]:
    """Hold the gradients of a function against central differences; raises GradientError."""
    return _counted("gradcheck")


@pytest.fixture(scope="session")
def check_torch_function() -> Callable[..., Any]:
    """Hold a torch.autograd.Function against central differences; raises GradientError."""
    return _counted("check_torch_function")


@pytest.fixture(scope="session")
def check_torch_module() -> Callable[..., Any]:
    """Hold the gradients of a torch.nn.Module against central differences; raises GradientError."""
    return _counted("check_torch_module")


@pytest.fixture(scope="session")
def check_jax() -> Callable[..., Any]:
    """Hold the gradients of a JAX function against central differences; raises GradientError."""
    return _counted("check_jax")


def _counted(name: str) -> Callable[..., Any]:
    """A check of `engine.testing` that counts under the name of the test."""
    import engine.testing
    from engine.testing.tally import tally

    check = getattr(engine.testing, name)

    @wraps(check)
    def under_the_name_of_the_test(*args: Any, **options: Any) -> Any:
        __tracebackhide__ = True
        with tally.under(os.environ["PYTEST_CURRENT_TEST"].rpartition(" (")[0]):
            return check(*args, **options)

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


# ---- pytest-xdist: one seed for all workers, one summary of what they counted ----------------------------------------


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """In the main process, before a worker starts: send it the seed."""
    node.workerinput[SEED] = node.config.option.gradcheck_seed


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker: send its tally to the main process."""
    if hasattr(session.config, "workeroutput") and "engine.testing.tally" in sys.modules:
        from dataclasses import asdict

        from engine.testing.tally import tally

        session.config.workeroutput[TALLY] = asdict(tally)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """In the main process, after a worker ended: add its tally."""
    counted = getattr(node, "workeroutput", {}).get(TALLY)
    if counted:
        from engine.testing.tally import Entry, Tally, tally

        entries = {key: Entry(**entry) for key, entry in counted["entries"].items()}
        tally.add(Tally(counted["examples"], counted["calls"], entries))

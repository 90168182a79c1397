"""How many examples a check draws, and which: three hypothesis profiles, and the options of a test run.

    gradcheck-dev     20 random examples, for a quick look while working
    gradcheck-ci      60 examples, the same in every run and on every machine
    gradcheck-deep    1,500 random examples

A check runs under the hypothesis profile in force, which may be a project's own, but without its deadline: central
differences are slow.

Read next: `engine/testing/tally.py`, what a test run counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings

SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)

for name, examples, same in (("dev", 20, False), ("ci", 60, True), ("deep", 1500, False)):
    settings.register_profile(
        f"gradcheck-{name}",
        settings.get_profile("default"),  # not the profile in force, which may be anyone's
        max_examples=examples,
        derandomize=same,
        deadline=None,
        suppress_health_check=SLOW,
    )


@dataclass(frozen=True)
class Options:
    """The choices of a test run or of one test; None leaves a choice to the hypothesis profile in force.

    Fields:
        profile: the profile to run under, by name.
        examples: how many examples to draw, in place of the profile's number.
        seed: to draw the same examples again, also under a profile that is not random.
    """

    profile: str | None = None
    examples: int | None = None
    seed: int | None = None


_chosen = [Options()]


@contextmanager
def choosing(options: Options) -> Iterator[None]:
    """A context in which checks run under these options."""
    _chosen.append(options)
    try:
        yield
    finally:
        _chosen.pop()


def configured(test: Callable[..., Any], limit: int | None = None) -> Callable[..., Any]:
    """Decorate a hypothesis test with the settings and the seed that are in force when this is called.

    `limit` is the test's own number of examples.
    """
    options = _chosen[-1]
    base = settings.get_profile(options.profile) if options.profile else settings()
    examples = next(n for n in (limit, options.examples, base.max_examples) if n is not None)
    unhurried = {*base.suppress_health_check, *SLOW}
    phases = [phase for phase in base.phases if phase != Phase.explain]  # the report explains
    test = settings(
        base,
        max_examples=examples,
        deadline=None,
        phases=phases,
        report_multiple_bugs=False,
        suppress_health_check=unhurried,
    )(test)
    return test if options.seed is None else seed(options.seed)(test)

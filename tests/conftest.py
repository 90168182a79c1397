"""Settings of the whole suite: the hypothesis profile, what runs in parallel, and what only the deep profile runs.

`HYPOTHESIS_PROFILE` chooses the profile: ci is the default, dev is quick, deep is random and long.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import Phase, settings

import engine.testing.profiles  # noqa: F401 (registers the profiles)

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")
MOST_WORKERS = 8  # more would spend their time on starting

pytest_plugins = ["blameflow_pytest", "pytester"]  # the first comes by itself where blameflow is installed
settings.register_profile(
    "tests",
    settings.get_profile(f"gradcheck-{PROFILE}"),
    phases=[phase for phase in Phase if phase != Phase.explain],  # which traces every line: most of the time of `find`
)
settings.load_profile("tests")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads its options
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run whole folders in parallel where pytest-xdist is installed; a named file or test runs in this process."""
    option, is_worker = config.option, hasattr(config, "workerinput")
    is_open = getattr(option, "numprocesses", 0) is None  # neither -n nor -p no:xdist is given
    if is_open and not is_worker and all(Path(argument).is_dir() for argument in config.args):
        option.numprocesses, option.maxprocesses, option.dist = "auto", MOST_WORKERS, "worksteal"
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # in the workers; together they occupy all cores


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("deep") and PROFILE != "deep":
        pytest.skip("takes long; HYPOTHESIS_PROFILE=deep runs it")

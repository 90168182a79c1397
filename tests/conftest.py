"""The suite runs under `gradcheck-ci`, or as HYPOTHESIS_PROFILE says: dev is quick, deep is random and long."""

from __future__ import annotations

import os

from hypothesis import settings

import engine.testing.profiles  # noqa: F401 (registers the profiles)

pytest_plugins = ["blameflow_pytest", "pytester"]  # the first comes by itself where blameflow is installed
settings.load_profile(f"gradcheck-{os.environ.get('HYPOTHESIS_PROFILE', 'ci')}")
